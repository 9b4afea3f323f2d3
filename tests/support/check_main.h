/* check_main: the main of every unit and part test. A test file defines test_suite. */
#ifndef RXP_TESTS_CHECK_MAIN_H
#define RXP_TESTS_CHECK_MAIN_H

#include <check.h>

Suite *test_suite(void);

/* Says why this test cannot be made here; then it returns. Libcheck counts it as passed, run_tap.py does not. */
void test_skip(const char *reason);

#endif
