#include "../src/reflow.h"
#include "check.h"

#include <stdlib.h>
#include <string.h>

static const char fox[] = "The quick brown fox jumps over the lazy dog, and the dog does not mind "
                          "at all because it has seen quicker foxes on slower days.";

/* Wraps and hands the text to the check, which names the line of the caller. */
#define WRAPPED(text, columns, how, expected) \
    do { \
        struct rf_options options = {columns, how, 0}; \
        char *actual = rf_reflow(text, strlen(text), &options); \
        check_text(__FILE__, __LINE__, "rf_reflow(" #text ", " #columns " columns)", actual, \
                   expected); \
        free(actual); \
    } while (0)

static size_t lines(const char *text, size_t width, enum rf_style style, size_t *longest)
{
    struct rf_options options = {width, style, 0};
    char *result = rf_reflow(text, strlen(text), &options);
    size_t count = 0;
    *longest = 0;
    for (const char *at = result; at && *at; count++) {
        size_t length = strcspn(at, "\n");
        *longest = length > *longest ? length : *longest;
        at += length + 1;
    }
    free(result);
    return count;
}

static void short_text_stays_on_one_line(void)
{
    WRAPPED("to be or not", 40, RF_GREEDY, "to be or not\n");
    WRAPPED("to be or not", 40, RF_BALANCED, "to be or not\n");
}

static void a_line_breaks_between_words(void)
{
    WRAPPED("alpha beta gamma", 12, RF_GREEDY, "alpha beta\ngamma\n");
    WRAPPED("alpha beta gamma", 7, RF_GREEDY, "alpha\nbeta\ngamma\n");
}

static void a_word_may_end_in_the_last_column(void)
{
    WRAPPED("aaaa bbbb cccc", 9, RF_GREEDY, "aaaa bbbb\ncccc\n");
    WRAPPED("to be or not to be", 5, RF_GREEDY, "to be\nor\nnot\nto be\n");
    WRAPPED("one two", 7, RF_GREEDY, "one two\n");
}

static void one_column_less_breaks_the_line(void)
{
    WRAPPED("one two", 6, RF_GREEDY, "one\ntwo\n");
    WRAPPED("aaaa bbbb cccc", 8, RF_GREEDY, "aaaa\nbbbb\ncccc\n");
}

static void a_word_as_wide_as_the_line_fills_it(void)
{
    WRAPPED("abcdefgh", 8, RF_GREEDY, "abcdefgh\n");
    WRAPPED("a abcdefgh b", 8, RF_GREEDY, "a\nabcdefgh\nb\n");
}

static void a_wider_word_gets_its_own_line(void)
{
    WRAPPED("an extraordinarily wide one", 8, RF_GREEDY, "an\nextraordinarily\nwide one\n");
    WRAPPED("see incomprehensibilities", 4, RF_BALANCED, "see\nincomprehensibilities\n");
}

static void width_one_gives_a_word_per_line(void)
{
    WRAPPED("a b c", 1, RF_GREEDY, "a\nb\nc\n");
    WRAPPED("a b c", 1, RF_BALANCED, "a\nb\nc\n");
}

static void wide_characters_fill_two_columns(void)
{
    WRAPPED("\u65e5\u672c \u8a9e", 7, RF_GREEDY, "\u65e5\u672c \u8a9e\n");
    WRAPPED("\u65e5\u672c \u8a9e", 6, RF_GREEDY, "\u65e5\u672c\n\u8a9e\n");
}

static void balanced_lines_come_out_even(void)
{
    WRAPPED("aaa bb cc ddddd", 6, RF_GREEDY, "aaa bb\ncc\nddddd\n");
    WRAPPED("aaa bb cc ddddd", 6, RF_BALANCED, "aaa\nbb cc\nddddd\n");
}

static void no_words_are_no_lines(void)
{
    struct rf_words words = {0};
    size_t starts[1];
    CHECK_SIZE(rf_wrap(&words, 10, RF_GREEDY, starts), 0);
    CHECK_SIZE(rf_wrap(&words, 10, RF_BALANCED, starts), 0);
}

/* How many lines the fox text takes at every width from 20 on, from a second, naive program. */
static void every_width_gives_the_known_number_of_lines(void)
{
    static const size_t known[] = {
        7, 7, 7, 6, 6, 6, 6, 5, 5, 5, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4,
        4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
        3, 3, 3, 3, 3, 2,
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t longest;
        size_t count = lines(fox, 20 + i, RF_GREEDY, &longest);
        note("width %lu: %lu lines, longest %lu", (unsigned long)(20 + i), (unsigned long)count,
             (unsigned long)longest);
        CHECK(longest <= 20 + i);
        CHECK_SIZE(count, known[i]);
    }
}

static void balancing_never_saves_lines(void)
{
    for (size_t width = 10; width < 100; width++) {
        size_t longest;
        size_t fewest = lines(fox, width, RF_GREEDY, &longest);
        CHECK(lines(fox, width, RF_BALANCED, &longest) >= fewest);
        CHECK(longest <= width);
    }
}

static void wrapping_twice_changes_nothing(void)
{
    for (size_t width = 1; width < 140; width++) {
        struct rf_options options = {width, RF_GREEDY, 0};
        char *once = rf_reflow(fox, strlen(fox), &options);
        char *twice = rf_reflow(once, strlen(once), &options);
        CHECK(once && twice && strcmp(once, twice) == 0);
        free(once);
        free(twice);
    }
}

const struct test wrap_tests[] = {
    {"short text stays on one line", short_text_stays_on_one_line},
    {"a line breaks between words", a_line_breaks_between_words},
    {"a word may end in the last column", a_word_may_end_in_the_last_column},
    {"one column less breaks the line", one_column_less_breaks_the_line},
    {"a word as wide as the line fills it", a_word_as_wide_as_the_line_fills_it},
    {"a wider word gets its own line", a_wider_word_gets_its_own_line},
    {"width one gives a word per line", width_one_gives_a_word_per_line},
    {"wide characters fill two columns", wide_characters_fill_two_columns},
    {"balanced lines come out even", balanced_lines_come_out_even},
    {"no words are no lines", no_words_are_no_lines},
    {"every width gives the known number of lines", every_width_gives_the_known_number_of_lines},
    {"balancing never saves lines", balancing_never_saves_lines},
    {"wrapping twice changes nothing", wrapping_twice_changes_nothing},
    {NULL, NULL},
};
