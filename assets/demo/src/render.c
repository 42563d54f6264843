/* Lines and paragraphs as text. */
#include <stdlib.h>
#include <string.h>

#include "reflow.h"

struct buffer {
    char *at;
    size_t used, room;
    int failed;
};

static void append(struct buffer *out, const char *text, size_t bytes)
{
    if (out->failed) {
        return;
    }
    if (out->used + bytes + 1 > out->room) {
        size_t room = (out->used + bytes + 1) * 2;
        char *at = realloc(out->at, room);
        if (!at) {
            out->failed = 1;
            return;
        }
        out->at = at;
        out->room = room;
    }
    memcpy(out->at + out->used, text, bytes);
    out->used += bytes;
    out->at[out->used] = '\0';
}

static void blanks(struct buffer *out, size_t count)
{
    while (count-- > 0) {
        append(out, " ", 1);
    }
}

/* Writes the words [first, last) as one line, stretched over `width` columns unless that is 0. */
static void line(struct buffer *out, const struct rf_words *words, size_t first, size_t last,
                 size_t width)
{
    size_t gaps = last - first - 1;
    size_t used = gaps;
    size_t extra = 0;

    for (size_t i = first; i < last; i++) {
        used += words->at[i].columns;
    }
    if (gaps > 0 && width > used) {
        extra = width - used;
    }
    for (size_t i = first; i < last; i++) {
        if (i > first) {
            /* Gap g of n gets its share of the extra blanks; shares differ by one at most. */
            size_t g = i - first;
            blanks(out, 1 + extra * g / gaps - extra * (g - 1) / gaps);
        }
        append(out, words->at[i].text, words->at[i].bytes);
    }
    append(out, "\n", 1);
}

static void paragraph(struct buffer *out, const struct rf_words *words,
                      const struct rf_options *options)
{
    size_t *starts = malloc(words->count * sizeof *starts);
    size_t lines = starts ? rf_wrap(words, options->width, options->style, starts) : 0;

    if (lines == 0) {
        out->failed = 1;
    }
    for (size_t i = 0; i < lines; i++) {
        int last = i + 1 == lines;
        line(out, words, starts[i], last ? words->count : starts[i + 1],
             options->justify && !last ? options->width : 0);
    }
    free(starts);
}

/* Returns the offset of the empty line that ends the paragraph at `from`, or the text's end. */
static size_t paragraph_end(const char *text, size_t bytes, size_t from)
{
    int empty = 0;

    for (size_t i = from; i < bytes; i++) {
        if (text[i] == '\n') {
            if (empty) {
                return i;
            }
            empty = 1;
        } else if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r') {
            empty = 0;
        }
    }
    return bytes;
}

/* TODO: keep the indentation of a paragraph's first line. */
char *rf_reflow(const char *text, size_t bytes, const struct rf_options *options)
{
    struct buffer out = {0};
    struct rf_words words = {0};

    append(&out, "", 0);
    for (size_t from = 0; from < bytes && !out.failed;) {
        size_t end = paragraph_end(text, bytes, from);
        if (rf_words_split(&words, text + from, end - from) != 0) {
            out.failed = 1;
        } else if (words.count > 0) {
            if (out.used > 0) {
                append(&out, "\n", 1);
            }
            paragraph(&out, &words, options);
        }
        from = end + 1;
    }
    rf_words_free(&words);
    if (out.failed) {
        free(out.at);
        return NULL;
    }
    return out.at;
}
