#include "../src/reflow.h"
#include "check.h"

#include <string.h>

#define COLUMNS(text) rf_columns(text, sizeof(text) - 1)

static void ascii_takes_one_column(void)
{
    CHECK_SIZE(COLUMNS(""), 0);
    CHECK_SIZE(COLUMNS("a"), 1);
    CHECK_SIZE(COLUMNS("hello, world"), 12);
}

static void accents_take_one_column(void)
{
    CHECK_SIZE(COLUMNS("caf\u00e9"), 4);
    CHECK_SIZE(COLUMNS("na\u00efve"), 5);
    CHECK_SIZE(COLUMNS("\u00df\u00f8\u0142"), 3);
}

static void combining_marks_take_none(void)
{
    CHECK_SIZE(COLUMNS("cafe\u0301"), 4);
    CHECK_SIZE(COLUMNS("a\u200db"), 2);
}

static void wide_characters_take_two(void)
{
    CHECK_SIZE(COLUMNS("\u65e5\u672c\u8a9e"), 6);
    CHECK_SIZE(COLUMNS("\ud55c\uae00"), 4);
    CHECK_SIZE(COLUMNS("\uff21"), 2);
}

static void emoji_take_two(void)
{
    CHECK_SIZE(COLUMNS("\U0001f680"), 2);
    CHECK_SIZE(COLUMNS("go \U0001f600!"), 6);
}

static void broken_utf8_takes_one_per_byte(void)
{
    CHECK_SIZE(COLUMNS("\xff\xfe"), 2);
    CHECK_SIZE(COLUMNS("\xe2\x82"), 2);
    CHECK_SIZE(COLUMNS("\xc0\xaf"), 2);
    CHECK_SIZE(COLUMNS("a\x80z"), 3);
}

static void count(const char *text, size_t expected)
{
    struct rf_words words = {0};
    CHECK(rf_words_split(&words, text, strlen(text)) == 0);
    CHECK_SIZE(words.count, expected);
    rf_words_free(&words);
}

static void nothing_has_no_words(void)
{
    count("", 0);
    count("   \t\r\n ", 0);
}

static void blanks_around_words_do_not_count(void)
{
    count("one", 1);
    count("  one  ", 1);
    count("one two", 2);
    count("\tone\r\n\r\ntwo   three\n", 3);
}

static void words_point_into_the_text(void)
{
    const char *text = "  left right";
    struct rf_words words = {0};
    CHECK(rf_words_split(&words, text, strlen(text)) == 0);
    CHECK(words.count == 2 && words.at[1].text == text + 7);
    CHECK_SIZE(words.at[1].bytes, 5);
    rf_words_free(&words);
}

const struct test words_tests[] = {
    {"ascii takes one column", ascii_takes_one_column},
    {"accents take one column", accents_take_one_column},
    {"combining marks take none", combining_marks_take_none},
    {"wide characters take two", wide_characters_take_two},
    {"emoji take two", emoji_take_two},
    {"broken UTF-8 takes one per byte", broken_utf8_takes_one_per_byte},
    {"nothing has no words", nothing_has_no_words},
    {"blanks around words do not count", blanks_around_words_do_not_count},
    {"words point into the text", words_point_into_the_text},
    {NULL, NULL},
};
