#include "../src/reflow.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

#define REFLOWED(text, width, style, justify, expected) \
    do { \
        struct rf_options options = {width, style, justify}; \
        char *actual = rf_reflow(text, sizeof(text) - 1, &options); \
        check_text(__FILE__, __LINE__, "rf_reflow(" #text ", " #width " columns)", actual, \
                   expected); \
        free(actual); \
    } while (0)

static void empty_text_stays_empty(void)
{
    REFLOWED("", 10, RF_GREEDY, 0, "");
    REFLOWED("\n\n \n", 10, RF_GREEDY, 0, "");
}

static void lines_are_joined(void)
{
    REFLOWED("one\ntwo\nthree", 20, RF_GREEDY, 0, "one two three\n");
    REFLOWED("one\r\n\ttwo   \r\n", 20, RF_GREEDY, 0, "one two\n");
}

static void an_empty_line_ends_a_paragraph(void)
{
    REFLOWED("one\n\ntwo", 20, RF_GREEDY, 0, "one\n\ntwo\n");
    REFLOWED("one\n  \t\ntwo", 20, RF_GREEDY, 0, "one\n\ntwo\n");
}

static void many_empty_lines_become_one(void)
{
    REFLOWED("\n\none\n\n\n\n\ntwo\n\n\n", 20, RF_GREEDY, 0, "one\n\ntwo\n");
}

static void justified_lines_reach_the_margin(void)
{
    REFLOWED("aa bb cc dd ee", 10, RF_GREEDY, 1, "aa  bb  cc\ndd ee\n");
    REFLOWED("a b c d e f", 6, RF_GREEDY, 1, "a b  c\nd e f\n");
}

static void the_last_line_is_not_stretched(void)
{
    REFLOWED("aa bb", 20, RF_GREEDY, 1, "aa bb\n");
    REFLOWED("aa bb\n\ncc dd", 20, RF_GREEDY, 1, "aa bb\n\ncc dd\n");
}

static void a_full_line_needs_no_stretching(void)
{
    REFLOWED("aaa bbb ccc", 7, RF_GREEDY, 1, "aaa bbb\nccc\n");
    REFLOWED("ab cd ef gh", 8, RF_BALANCED, 1, "ab cd ef\ngh\n");
}

static void justified_lines_all_have_the_width(void)
{
    char text[4000];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = i % 7 == 6 || i % 5 == 4 ? ' ' : 'x';
    }
    for (size_t width = 16; width < 80; width++) {
        struct rf_options options = {width, RF_GREEDY, 1};
        char *result = rf_reflow(text, sizeof text, &options);
        CHECK(result != NULL);
        for (const char *at = result; at && *at;) {
            size_t length = strcspn(at, "\n");
            CHECK(length == width || at[length + 1] == '\0');
            at += length + 1;
        }
        free(result);
    }
}

static void accents_are_measured_in_columns(void)
{
    REFLOWED("\u00e9t\u00e9 \u00e0 No\u00ebl ici", 7, RF_GREEDY, 1, "\u00e9t\u00e9   \u00e0\nNo\u00ebl\nici\n");
}

const struct test render_tests[] = {
    {"empty text stays empty", empty_text_stays_empty},
    {"lines are joined", lines_are_joined},
    {"an empty line ends a paragraph", an_empty_line_ends_a_paragraph},
    {"many empty lines become one", many_empty_lines_become_one},
    {"justified lines reach the margin", justified_lines_reach_the_margin},
    {"the last line is not stretched", the_last_line_is_not_stretched},
    {"a full line needs no stretching", a_full_line_needs_no_stretching},
    {"justified lines all have the width", justified_lines_all_have_the_width},
    {"accents are measured in columns", accents_are_measured_in_columns},
    {NULL, NULL},
};
