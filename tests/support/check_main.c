#include "support/check_main.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RXP_TEST_PICK: "count" prints how many tests there are, a number runs that one alone, counted from 0. So a runner can have
 * the tests of a program that wait for most of their time run side by side. */
enum { PICK_ALL = -1, PICK_NONE = -2 };

static int n_tests;
static int picked = PICK_ALL;

/* The linker puts this in the place of the function behind check's macros tcase_add_test and tcase_add_loop_test. */
void __real__tcase_add_test(TCase *tcase, const TTest *test, int signal, int exit_value, int start, int end);
void __wrap__tcase_add_test(TCase *tcase, const TTest *test, int signal, int exit_value, int start, int end);
void __wrap__tcase_add_test(TCase *tcase, const TTest *test, int signal, int exit_value, int start, int end)
{
    if (picked == PICK_ALL)
        __real__tcase_add_test(tcase, test, signal, exit_value, start, end);
    else if (picked >= n_tests && picked < n_tests + end - start)
        __real__tcase_add_test(tcase, test, signal, exit_value, start + picked - n_tests, start + picked - n_tests + 1);
    n_tests += end - start;
}

void test_skip(const char *reason)
{
    printf("# SKIP %s\n", reason);
    fflush(stdout);
}

/* Check forks each test by default, so that a crash is one failed test. CK_FORK=no and CK_TAP_LOG_FILE_NAME are
 * honoured by the library itself. */
int main(void)
{
    const char *pick = getenv("RXP_TEST_PICK");
    bool counts = pick != NULL && strcmp(pick, "count") == 0;
    if (pick != NULL)
        picked = counts ? PICK_NONE : atoi(pick);
    SRunner *runner = srunner_create(test_suite());
    int failed = 0;
    if (counts) {
        printf("%d\n", n_tests);
    } else {
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
    }
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
