#include "cli/interrupt.h"
#include "support/check_main.h"

#include <poll.h>
#include <signal.h>

START_TEST(an_echo_of_a_signal_ends_nothing)
{
    interrupt_catch();
    ck_assert(!interrupt_seen());
    raise(SIGTERM);
    raise(SIGTERM);
    raise(SIGINT);
    ck_assert(interrupt_seen());
    ck_assert(interrupt_wait_or(-1));
    interrupt_wait();
}
END_TEST

START_TEST(another_signal_ends_the_process)
{
    interrupt_catch();
    for (;;) {
        raise(SIGTERM);
        poll(NULL, 0, 10);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("interrupt");
    TCase *tcase = tcase_create("interrupt");
    tcase_add_test(tcase, an_echo_of_a_signal_ends_nothing);
    tcase_add_test_raise_signal(tcase, another_signal_ends_the_process, SIGTERM);
    suite_add_tcase(suite, tcase);
    return suite;
}
