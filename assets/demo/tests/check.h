/* A small test runner: checks go on after a failure, and the results also come as JUnit XML. */
#ifndef CHECK_H
#define CHECK_H

#include <stddef.h>

struct test {
    const char *name;
    void (*run)(void);
};

/* Each test file ends with its list, closed by {NULL, NULL}. */
extern const struct test words_tests[], wrap_tests[], render_tests[];

void check_true(const char *file, int line, const char *what, int ok);
void check_size(const char *file, int line, const char *what, size_t actual, size_t expected);
void check_text(const char *file, int line, const char *what, const char *actual,
                const char *expected);
/* Prints a line under the running test. */
void note(const char *format, ...);

#define CHECK(what) check_true(__FILE__, __LINE__, #what, (what) != 0)
#define CHECK_SIZE(actual, expected) check_size(__FILE__, __LINE__, #actual, actual, expected)
#define CHECK_TEXT(actual, expected) check_text(__FILE__, __LINE__, #actual, actual, expected)

#endif
