#ifndef REFLOW_H
#define REFLOW_H

#include <stddef.h>

#define RF_VERSION "1.4.0"

/** A word of the text, and how many terminal columns it takes. */
struct rf_word {
    const char *text; /* points into the caller's text */
    size_t bytes;
    size_t columns;
};

/** The words of one paragraph. Release with rf_words_free. */
struct rf_words {
    struct rf_word *at;
    size_t count;
    size_t room;
};

/** How line breaks are chosen: as late as possible, or so that lines come out even. */
enum rf_style { RF_GREEDY, RF_BALANCED };

/** What rf_reflow is asked to do. */
struct rf_options {
    size_t width; /* in columns, at least 1 */
    enum rf_style style;
    int justify; /* stretch all lines but a paragraph's last to the full width */
};

/** Returns the terminal columns of UTF-8 text: wide characters take two, combining marks none. */
size_t rf_columns(const char *text, size_t bytes);

/** Splits text at blanks and newlines. Returns 0, or -1 when out of memory. */
int rf_words_split(struct rf_words *words, const char *text, size_t bytes);

/** Releases the words; the text they point into stays with the caller. */
void rf_words_free(struct rf_words *words);

/**
 * Chooses line breaks: starts[i] becomes the index of the first word of line i.
 * Returns the number of lines, or 0 when there are no words or no memory.
 * A word wider than the width gets a line of its own. starts has room for words->count entries.
 */
size_t rf_wrap(const struct rf_words *words, size_t width, enum rf_style style, size_t *starts);

/**
 * Reflows whole paragraphs, which are separated by empty lines in the text and in the result.
 * Returns a string for free(), or NULL when out of memory.
 */
char *rf_reflow(const char *text, size_t bytes, const struct rf_options *options);

#endif
