/* The command: reflow [-w COLUMNS] [-b] [-j] [FILE]... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reflow.h"

static int usage(void)
{
    fputs("usage: reflow [-w COLUMNS] [-b] [-j] [FILE]...\n"
          "  -w  width in columns (72)\n  -b  balanced lines\n  -j  justified lines\n",
          stderr);
    return 2;
}

static int filter(FILE *in, const char *name, const struct rf_options *options)
{
    size_t used = 0;
    size_t room = 1 << 16;
    char *text = malloc(room);
    int status = 1;

    for (size_t n = 1; text && n > 0; used += n) {
        if (used == room) {
            char *more = realloc(text, room *= 2);
            if (!more) {
                break;
            }
            text = more;
        }
        n = fread(text + used, 1, room - used, in);
    }
    char *result = text ? rf_reflow(text, used, options) : NULL;
    if (ferror(in)) {
        fprintf(stderr, "reflow: %s: cannot be read\n", name);
    } else if (!result) {
        fprintf(stderr, "reflow: %s: out of memory\n", name);
    } else {
        status = fputs(result, stdout) < 0;
    }
    free(result);
    free(text);
    return status;
}

int main(int argc, char **argv)
{
    struct rf_options options = {72, RF_GREEDY, 0};
    int status = 0;
    int i = 1;

    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strcmp(argv[i], "--version") == 0) {
            puts("reflow " RF_VERSION);
            return 0;
        } else if (strcmp(argv[i], "-b") == 0) {
            options.style = RF_BALANCED;
        } else if (strcmp(argv[i], "-j") == 0) {
            options.justify = 1;
        } else if (strcmp(argv[i], "-w") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0) {
            options.width = (size_t)atoi(argv[++i]);
        } else {
            return usage();
        }
    }
    if (i == argc) {
        return filter(stdin, "standard input", &options);
    }
    for (; i < argc; i++) {
        FILE *in = fopen(argv[i], "rb");
        if (!in) {
            perror(argv[i]);
            status = 1;
            continue;
        }
        status |= filter(in, argv[i], &options);
        fclose(in);
    }
    return status;
}
