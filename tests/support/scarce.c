#include "support/scarce.h"

#include "support/check_main.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* No scenario allocates oftener. */
#define TRIES_MAX 20000

static bool begun;
static bool struck;
static long left_before; /* that are still granted */
static long left_failing;
static long tried_n; /* 0: none is being tried */
static long tried_failures;
static long live; /* allocated and not freed, by those who come here */

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *block, size_t bytes);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t bytes);
void __real_free(void *block);

void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t bytes);
void __wrap_free(void *block);

static bool is_refused(void)
{
    if (!begun)
        return false;
    if (left_before > 0) {
        left_before--;
        return false;
    }
    if (left_failing == 0)
        return false;
    left_failing--;
    struck = true;
    return true;
}

static void *granted(void *block)
{
    live += block != NULL;
    return block;
}

void *__wrap_malloc(size_t bytes)
{
    return is_refused() ? NULL : granted(__real_malloc(bytes));
}

void *__wrap_calloc(size_t n, size_t bytes)
{
    return is_refused() ? NULL : granted(__real_calloc(n, bytes));
}

void *__wrap_realloc(void *block, size_t bytes)
{
    if (block == NULL)
        return __wrap_malloc(bytes);
    return is_refused() ? NULL : __real_realloc(block, bytes);
}

char *__wrap_strdup(const char *text)
{
    return is_refused() ? NULL : granted(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t bytes)
{
    return is_refused() ? NULL : granted(__real_strndup(text, bytes));
}

void __wrap_free(void *block)
{
    live -= block != NULL;
    __real_free(block);
}

void scarce_begin(long n, long failures)
{
    begun = true;
    struck = false;
    left_before = n - 1;
    left_failing = failures;
}

bool scarce_end(void)
{
    begun = false;
    return struck;
}

/* Behind a check that failed: which allocation it was about. */
static void say_where(void)
{
    if (tried_n > 0)
        fprintf(stderr, "that was with %ld failing from the %ld. allocation on\n", tried_failures, tried_n);
}

long scarce_try(scarce_fn scenario)
{
    (void)atexit(say_where);
    static const long failing[] = {1, 2, LONG_MAX};
    long times = 0;
    for (size_t i = 0; i < sizeof failing / sizeof failing[0]; i++) {
        long n = 1;
        do {
            long before = live;
            tried_n = n;
            tried_failures = failing[i];
            scenario(n, failing[i]);
            ck_assert_msg(!begun, "the scenario has not ended its scarcity");
            ck_assert_msg(live == before, "with %ld failing from the %ld. on: %ld blocks were not freed", failing[i], n, live - before);
            times += struck;
            ck_assert_msg(n++ < TRIES_MAX, "there is no end of allocations");
        } while (struck);
        ck_assert_msg(n > 2, "nothing was allocated");
    }
    tried_n = 0;
    return times;
}
