/* scarce: memory that runs out where a test says so, to see that nothing breaks, leaks or lies.
 *
 * Tests whose names begin with scarcity are linked so that each malloc, calloc, realloc, strdup and strndup of theirs and of the
 * rooms comes here; what libraries allocate is left alone. One thread. */
#ifndef RXP_TESTS_SCARCE_H
#define RXP_TESTS_SCARCE_H

#include "support/check_main.h"

#include <stdbool.h>

/* For what is checked in between: libcheck's own asserts allocate even where they hold. */
#define scarce_must(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (void)scarce_end();                                                                                        \
            ck_abort_msg("%s", #condition);                                                                            \
        }                                                                                                              \
    } while (0)

/* From now on the n-th (1: the next) fails, and so many in all, one after the other. */
void scarce_begin(long n, long failures);
/* Nothing fails any more. Did anything since scarce_begin? */
bool scarce_end(void);

/* Calls scenario again and again, in which the first, the second, the third … allocation fails, alone and with all that follow,
 * until there are no more. The scenario calls scarce_begin(n, failures) before and scarce_end behind what it tries. What it
 * allocates it frees: otherwise, or where nothing at all was allocated, this fails the test. Returns how many times it failed. */
typedef void (*scarce_fn)(long n, long failures);
long scarce_try(scarce_fn scenario);

#endif
