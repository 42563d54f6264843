/* Words and their widths. */
#include <stdlib.h>

#include "reflow.h"

struct range {
    unsigned long first, last;
};

static const struct range combining[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x1ab0, 0x1aff},
    {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f},
};

static const struct range wide[] = {
    {0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0x9fff},
    {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

static int within(unsigned long c, const struct range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last) {
            return 1;
        }
    }
    return 0;
}

/* Reads one character and returns its length. A byte that is not UTF-8 stands for itself. */
static size_t decode(const unsigned char *s, size_t left, unsigned long *c)
{
    size_t length = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 1;

    *c = s[0];
    if (length == 1 || length > left || s[0] > 0xf4) {
        return 1;
    }
    unsigned long value = s[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 1;
        }
        value = value << 6 | (s[i] & 0x3f);
    }
    *c = value;
    return length;
}

size_t rf_columns(const char *text, size_t bytes)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t columns = 0;

    while (bytes > 0) {
        unsigned long c;
        size_t length = decode(s, bytes, &c);
        if (length > 1 && within(c, wide, sizeof wide / sizeof wide[0])) {
            columns += 2;
        } else if (length == 1 || !within(c, combining, sizeof combining / sizeof combining[0])) {
            columns += 1;
        }
        s += length;
        bytes -= length;
    }
    return columns;
}

static int blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int push(struct rf_words *words, const char *text, size_t bytes)
{
    if (words->count == words->room) {
        size_t room = words->room ? words->room * 2 : 64;
        struct rf_word *at = realloc(words->at, room * sizeof *at);
        if (!at) {
            return -1;
        }
        words->at = at;
        words->room = room;
    }
    struct rf_word *word = &words->at[words->count++];
    word->text = text;
    word->bytes = bytes;
    word->columns = rf_columns(text, bytes);
    return 0;
}

int rf_words_split(struct rf_words *words, const char *text, size_t bytes)
{
    size_t i = 0;

    words->count = 0;
    while (i < bytes) {
        while (i < bytes && blank(text[i])) {
            i++;
        }
        size_t start = i;
        while (i < bytes && !blank(text[i])) {
            i++;
        }
        if (i > start && push(words, text + start, i - start) != 0) {
            return -1;
        }
    }
    return 0;
}

void rf_words_free(struct rf_words *words)
{
    free(words->at);
    words->at = NULL;
    words->count = words->room = 0;
}
