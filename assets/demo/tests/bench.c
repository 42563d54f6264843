/* How fast each way of wrapping is, as a table with bars in the 256-colour palette. */
#define _POSIX_C_SOURCE 200809L
#include "../src/reflow.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void bar(double share)
{
    /* From blue over green to red, half a column at a time. */
    static const int colours[] = {21, 27, 33, 39, 45, 51, 50, 49, 48, 47, 46, 82,
                                  118, 154, 190, 226, 220, 214, 208, 202, 196};
    int length = (int)(share * 20 + 0.5);
    for (int i = 0; i <= length && i < 21; i++) {
        printf("\033[48;5;%dm ", colours[i]);
    }
    fputs("\033[0m", stdout);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        enum rf_style style;
        int justify;
    } ways[] = {
        {"greedy", RF_GREEDY, 0}, {"justified", RF_GREEDY, 1}, {"balanced", RF_BALANCED, 0}};
    static const size_t widths[] = {20, 40, 72, 132};
    double seconds = argc > 2 ? atof(argv[2]) : 0.25;
    FILE *in = argc > 1 ? fopen(argv[1], "rb") : NULL;
    size_t room = 4u << 20;
    char *text = malloc(room);

    if (!in || !text) {
        fputs("usage: bench FILE [SECONDS]\n", stderr);
        return 2;
    }
    size_t bytes = fread(text, 1, room, in);
    fclose(in);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%-10s %5s %9s %9s\n", "way", "width", "MB/s", "spread");
    for (size_t w = 0; w < sizeof ways / sizeof ways[0]; w++) {
        for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
            struct rf_options options = {widths[i], ways[w].style, ways[w].justify};
            double best = 1e9, worst = 0, end = now() + seconds;
            do {
                double start = now();
                char *result = rf_reflow(text, bytes, &options);
                double took = now() - start;
                free(result);
                best = took < best ? took : best;
                worst = took > worst ? took : worst;
            } while (now() < end);
            double speed = (double)bytes / best / 1e6;
            printf("%-10s %5lu %9.1f %8.0f%% ", ways[w].name, (unsigned long)widths[i], speed,
                   (worst / best - 1) * 100);
            bar(speed / 200);
            putchar('\n');
            if (worst > best * 3.5) {
                fflush(stdout);
                fprintf(stderr,
                        "\033[33mwarning\033[0m: %s at %lu columns: slowest run took %.1f times the fastest\n",
                        ways[w].name, (unsigned long)widths[i], worst / best);
            }
        }
    }
    free(text);
    return 0;
}
