#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RED "\033[1;31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define BLUE "\033[1;34m"
#define DIM "\033[2m"
#define OFF "\033[0m"

static const struct suite {
    const char *name;
    const struct test *tests;
} suites[] = {{"words", words_tests}, {"wrap", wrap_tests}, {"render", render_tests}};

#define SUITES (sizeof suites / sizeof suites[0])
#define MOST 200

struct result {
    const struct suite *suite;
    const struct test *test;
    unsigned checks, failures;
    double seconds;
    char *message; /* of all failures, for JUnit */
};

static struct result results[MOST];
static size_t count;
static struct result *current;
static int quiet;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void say(const char *format, va_list arguments)
{
    va_list again;
    char text[1024];
    va_copy(again, arguments);
    vsnprintf(text, sizeof text - 1, format, again);
    strcat(text, "\n");
    va_end(again);
    size_t had = current->message ? strlen(current->message) : 0;
    char *message = realloc(current->message, had + strlen(text) + 1);
    if (message) {
        memcpy(message + had, text, strlen(text) + 1);
        current->message = message;
    }
}

/* Adds a line to the message of the failure and prints it. */
static void report(const char *colour, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    fputs(colour, stdout);
    vprintf(format, arguments);
    puts(OFF);
    va_end(arguments);
}

static int failed(const char *file, int line, const char *what, int ok)
{
    current->checks++;
    if (ok) {
        return 0;
    }
    if (current->failures++ == 0) {
        printf("  " RED "FAIL" OFF " %s/%s\n", current->suite->name, current->test->name);
    }
    report(RED, "       %s:%d: assertion failed: %s", file, line, what);
    return 1;
}

void note(const char *format, ...)
{
    va_list arguments;
    if (quiet) {
        return;
    }
    va_start(arguments, format);
    fputs("       " DIM, stdout);
    vprintf(format, arguments);
    puts(OFF);
    va_end(arguments);
}

void check_true(const char *file, int line, const char *what, int ok)
{
    failed(file, line, what, ok);
}

void check_size(const char *file, int line, const char *what, size_t actual, size_t expected)
{
    if (failed(file, line, what, actual == expected)) {
        report(GREEN, "         expected  %lu", (unsigned long)expected);
        report(YELLOW, "         actual    %lu", (unsigned long)actual);
    }
}

/* Prints a text line by line; the bar shows where each line ends. */
static void block(const char *colour, const char *label, const char *text)
{
    do {
        int length = (int)strcspn(text, "\n");
        report(colour, "         %-8s  %.*s|", label, length, text);
        text += length + (text[length] == '\n');
        label = "";
    } while (*text);
}

void check_text(const char *file, int line, const char *what, const char *actual,
                const char *expected)
{
    if (failed(file, line, what, actual && strcmp(actual, expected) == 0)) {
        report(DIM, "         column    123456789|123456789|123456789|");
        block(GREEN, "expected", expected);
        block(YELLOW, "actual", actual ? actual : "(out of memory)");
    }
}

static void run(struct result *result)
{
    double start = now();
    current = result;
    result->checks = result->failures = 0;
    result->test->run();
    result->seconds = now() - start;
    if (result->failures == 0 && !quiet) {
        printf("  " GREEN "ok" OFF "   %s/%s " DIM "(%u check%s)" OFF "\n", result->suite->name,
               result->test->name, result->checks, result->checks == 1 ? "" : "s");
    }
}

/* Writes text, or only its first line, with what XML needs escaped. */
static void xml(FILE *out, const char *text, int first_line)
{
    for (; *text && !(first_line && *text == '\n'); text++) {
        switch (*text) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        default: fputc(*text, out);
        }
    }
}

static int write_junit(const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out) {
        perror(path);
        return 1;
    }
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"reflow\">\n", out);
    for (size_t s = 0; s < SUITES; s++) {
        unsigned tests = 0, failures = 0;
        double seconds = 0;
        for (size_t i = 0; i < count; i++) {
            if (results[i].suite == &suites[s]) {
                tests++;
                failures += results[i].failures > 0;
                seconds += results[i].seconds;
            }
        }
        fprintf(out, "  <testsuite name=\"%s\" tests=\"%u\" failures=\"%u\" ", suites[s].name, tests,
                failures);
        fprintf(out, "errors=\"0\" time=\"%.6f\">\n", seconds);
        for (size_t i = 0; i < count; i++) {
            const struct result *r = &results[i];
            if (r->suite != &suites[s]) {
                continue;
            }
            fprintf(out, "    <testcase classname=\"%s\" name=\"%s\" time=\"%.6f\"", suites[s].name,
                    r->test->name, r->seconds);
            if (r->failures > 0) {
                const char *message = r->message ? r->message : "";
                fputs(">\n      <failure type=\"assertion\" message=\"", out);
                xml(out, message + strspn(message, " "), 1);
                fputs("\">\n", out);
                xml(out, message, 0);
                fputs("</failure>\n    </testcase>\n", out);
            } else {
                fputs("/>\n", out);
            }
        }
        fputs("  </testsuite>\n", out);
    }
    fputs("</testsuites>\n", out);
    return fclose(out) != 0;
}

static void shuffle(unsigned long seed)
{
    for (size_t i = count; i > 1; i--) {
        seed = (seed * 1103515245 + 12345) & 0x7fffffff;
        size_t j = (seed >> 8) % i;
        struct result swap = results[i - 1];
        results[i - 1] = results[j];
        results[j] = swap;
    }
}

int main(int argc, char **argv)
{
    const char *junit = NULL;
    unsigned long rounds = 1, pace = 0;
    unsigned tests_failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t s = 0; s < SUITES; s++) {
        for (const struct test *t = suites[s].tests; t->name && count < MOST; t++) {
            results[count].suite = &suites[s];
            results[count++].test = t;
        }
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--junit") == 0 && i + 1 < argc) {
            junit = argv[++i];
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            rounds = strtoul(argv[++i], NULL, 10);
            quiet = 1;
        } else if (strcmp(argv[i], "--pace") == 0 && i + 1 < argc) {
            pace = strtoul(argv[++i], NULL, 10) * 1000000ul; /* a pause after each test, in ms */
        } else {
            fprintf(stderr, "usage: %s [--junit FILE] [--rounds N] [--pace MS]\n", argv[0]);
            return 2;
        }
    }
    double start = now();
    for (unsigned long round = 1; round <= rounds && tests_failed == 0; round++) {
        if (rounds > 1) {
            shuffle(round);
        }
        for (size_t i = 0; i < count; i++) {
            struct timespec pause = {0, (long)pace};
            if (!quiet && rounds == 1 && (i == 0 || results[i].suite != results[i - 1].suite)) {
                printf(BLUE "%s" OFF "\n", results[i].suite->name);
            }
            run(&results[i]);
            tests_failed += results[i].failures > 0;
            if (pace > 0) {
                nanosleep(&pause, NULL);
            }
        }
        if (rounds > 1) {
            printf("round %2lu in random order: %lu tests " GREEN "ok" OFF "\n", round,
                   (unsigned long)count - tests_failed);
        }
    }
    if (tests_failed > 0) {
        puts("\n" BLUE "failed tests" OFF);
        for (size_t i = 0; i < count; i++) {
            if (results[i].failures > 0) {
                printf("  " RED "%s/%s" OFF ": %u of %u checks failed\n", results[i].suite->name,
                       results[i].test->name, results[i].failures, results[i].checks);
            }
        }
    }
    printf("\n%lu tests, %s%u failed" OFF ", %.2f s\n", (unsigned long)count,
           tests_failed ? RED : GREEN, tests_failed, now() - start);
    int status = tests_failed > 0;
    if (junit) {
        status |= write_junit(junit);
    }
    for (size_t i = 0; i < count; i++) {
        free(results[i].message);
    }
    return status;
}
