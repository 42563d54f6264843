/* Random texts, some of them pieces of the corpus, against what must hold for every text. */
#define _POSIX_C_SOURCE 200809L
#include "../src/reflow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLICE 0.1 /* seconds between two states of the progress bar */
#define BAR 40

static const char *const pieces[] = {
    "a", "of", "word", "longer", "incomprehensible", " ", "  ", "\t", "\n", "\n\n",
    "\xc3\xa9", "\xe6\x97\xa5", "\xff", "\xe2\x82", "-",
};
#define PIECES (sizeof pieces / sizeof pieces[0])

static unsigned long long state;
static char corpus[1 << 16];
static size_t corpus_bytes;

static unsigned random_below(unsigned limit)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(state >> 33) % limit;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t make_text(char *text, size_t room)
{
    size_t used = 0;
    for (unsigned n = random_below(60); n > 0; n--) {
        const char *piece = pieces[random_below(PIECES)];
        size_t bytes = strlen(piece);
        if (corpus_bytes > 64 && random_below(4) == 0) {
            bytes = 1 + random_below(32);
            piece = corpus + random_below((unsigned)(corpus_bytes - bytes));
        }
        if (used + bytes < room) {
            memcpy(text + used, piece, bytes);
            used += bytes;
        }
    }
    text[used] = '\0';
    return used;
}

/* Returns what does not hold, or NULL. */
static const char *broken(const char *text, size_t bytes, const struct rf_options *options)
{
    const char *problem = NULL;
    char *once = rf_reflow(text, bytes, options);
    char *twice = once ? rf_reflow(once, strlen(once), options) : NULL;
    struct rf_words before = {0}, after = {0};

    if (!once || !twice || rf_words_split(&before, text, bytes) != 0 ||
        rf_words_split(&after, once, strlen(once)) != 0) {
        problem = "out of memory";
    } else if (before.count != after.count) {
        problem = "a word got lost or was split";
    } else if (strcmp(once, twice) != 0) {
        problem = "a second pass changes the text";
    }
    for (size_t i = 0; !problem && i < before.count; i++) {
        if (before.at[i].bytes != after.at[i].bytes ||
            memcmp(before.at[i].text, after.at[i].text, before.at[i].bytes) != 0) {
            problem = "a word changed";
        }
    }
    for (const char *at = once; !problem && at && *at;) {
        size_t length = strcspn(at, "\n");
        if (rf_columns(at, length) > options->width && memchr(at, ' ', length)) {
            problem = "a line is too wide";
        }
        at += length + 1;
    }
    rf_words_free(&before);
    rf_words_free(&after);
    free(once);
    free(twice);
    return problem;
}

static void progress(double done, unsigned long long texts, double rate)
{
    printf("\r\033[36mfuzz\033[0m [\033[32m");
    for (int i = 0; i < BAR; i++) {
        putchar(i < done * BAR ? '#' : '.');
    }
    printf("\033[0m] %3d%% %8llu texts %7.0f/s", (int)(done * 100), texts, rate);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    unsigned long long seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    FILE *in = argc > 3 ? fopen(argv[3], "rb") : NULL;
    double start = now(), next = start;
    unsigned long long texts = 0;
    char text[2048];

    if (argc > 3 && !in) {
        perror(argv[3]);
        return 2;
    }
    if (in) {
        corpus_bytes = fread(corpus, 1, sizeof corpus, in);
        fclose(in);
    }
    printf("seed %llu, %lu bytes of corpus, %.0f s\n", seed, (unsigned long)corpus_bytes, seconds);
    state = seed;
    for (;; texts++) {
        double t = texts % 64 ? 0 : now();
        if (t > 0 && t >= next) {
            double spent = t - start;
            int over = spent >= seconds;
            progress(over ? 1 : spent / seconds, texts, spent > 0 ? (double)texts / spent : 0);
            next = t + SLICE;
            if (over) {
                break;
            }
        }
        size_t bytes = make_text(text, sizeof text);
        struct rf_options options = {1 + random_below(90), RF_GREEDY, 0};
        const char *problem = broken(text, bytes, &options);
        if (problem) {
            printf("\n\033[1;31m%s\033[0m: seed %llu, text %llu, width %lu\n%s\n", problem,
                   seed, texts, (unsigned long)options.width, text);
            return 1;
        }
    }
    printf("\n\033[32mnothing found\033[0m in %llu texts\n", texts);
    return 0;
}
