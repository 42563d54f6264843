/* Where lines are broken. */
#include <stdint.h>
#include <stdlib.h>

#include "reflow.h"

/* A line may use every column it has. */
static int fits(size_t used, size_t width)
{
    return used <= width;
}

/* Breaks as late as possible: the fewest lines there can be. */
static size_t greedy(const struct rf_words *words, size_t width, size_t *starts)
{
    size_t lines = 0;
    size_t used = 0;

    for (size_t i = 0; i < words->count; i++) {
        size_t columns = words->at[i].columns;
        if (i > 0 && fits(used + 1 + columns, width)) {
            used += 1 + columns;
        } else {
            starts[lines++] = i;
            used = columns;
        }
    }
    return lines;
}

/*
 * Breaks so that the sum of the squares of what is left blank is least; a last line may be short.
 * best[i] is the cost of the words from i on, next[i] where the line after the one at i starts.
 */
static size_t balanced(const struct rf_words *words, size_t width, size_t *starts)
{
    size_t count = words->count;
    uint64_t *best = malloc((count + 1) * sizeof *best);
    size_t *next = malloc((count + 1) * sizeof *next);
    size_t lines = 0;

    if (best && next) {
        best[count] = 0;
        for (size_t i = count; i-- > 0;) {
            size_t used = 0;
            best[i] = UINT64_MAX;
            for (size_t end = i + 1; end <= count; end++) {
                used += words->at[end - 1].columns + (end - 1 > i);
                if (end > i + 1 && !fits(used, width)) {
                    break;
                }
                uint64_t slack = end == count || used > width ? 0 : width - used;
                uint64_t cost = slack * slack + best[end];
                if (cost <= best[i]) {
                    best[i] = cost;
                    next[i] = end;
                }
            }
        }
        for (size_t i = 0; i < count; i = next[i]) {
            starts[lines++] = i;
        }
    }
    free(best);
    free(next);
    return lines;
}

size_t rf_wrap(const struct rf_words *words, size_t width, enum rf_style style, size_t *starts)
{
    return style == RF_BALANCED ? balanced(words, width, starts) : greedy(words, width, starts);
}
