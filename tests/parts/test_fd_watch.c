#include "engine/fd_watch.h"
#include "support/check_main.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(a_number_that_is_used_again_is_told_to_epoll_again)
{
    struct fd_watch watch;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    fd_watch_init(&watch, epoll);
    for (int i = 0; i < 3; i++) {
        struct epoll_event event;
        int fd = fd_watch_open(&watch, AF_INET, SOCK_DGRAM, 0);
        ck_assert_int_eq(fd_watch_want(&watch, fd, EPOLLOUT), 0);
        ck_assert_int_eq(epoll_wait(epoll, &event, 1, 1000), 1);
        int matched_fd = -1;
        ck_assert_uint_eq(fd_watch_match(&watch, event.data.u64, event.events, &matched_fd), EPOLLOUT);
        ck_assert_int_eq(matched_fd, fd);
        ck_assert_int_eq(fd_watch_want(&watch, fd, 0), 0);
        fd_watch_close(&watch, fd);
        /* an event of the one before does not reach the next */
        int next = fd_watch_open(&watch, AF_INET, SOCK_DGRAM, 0);
        ck_assert_int_eq(next, fd);
        ck_assert_int_eq(fd_watch_want(&watch, next, EPOLLIN), 0);
        ck_assert_uint_eq(fd_watch_match(&watch, event.data.u64, EPOLLIN, &matched_fd), 0);
        fd_watch_close(&watch, next);
    }
    fd_watch_deinit(&watch);
    close(epoll);
}
END_TEST

/* curl's resolver opens and closes its own. */
START_TEST(an_event_of_a_number_closed_behind_our_back_does_not_reach_the_next)
{
    struct fd_watch watch;
    struct epoll_event event;
    int matched_fd;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    fd_watch_init(&watch, epoll);
    int foreign = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(fd_watch_want(&watch, foreign, EPOLLOUT), 0);
    ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 1);
    ck_assert_int_eq(fd_watch_want(&watch, foreign, 0), 0);
    close(foreign);
    int fd = fd_watch_open(&watch, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(fd, foreign);
    fd_watch_want(&watch, fd, EPOLLOUT);
    ck_assert_uint_eq(fd_watch_match(&watch, event.data.u64, event.events, &matched_fd), 0);
    ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 1);
    ck_assert_uint_eq(fd_watch_match(&watch, event.data.u64, event.events, &matched_fd), EPOLLOUT);
    fd_watch_close(&watch, fd);
    fd_watch_deinit(&watch);
    close(epoll);
}
END_TEST

START_TEST(a_number_that_goes_to_somebody_else_is_told_to_epoll_again)
{
    struct fd_watch watch;
    struct epoll_event event;
    int matched_fd;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    fd_watch_init(&watch, epoll);
    int fd = fd_watch_open(&watch, AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(fd_watch_want(&watch, fd, EPOLLOUT), 0);
    fd_watch_close(&watch, fd);
    int foreign = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(foreign, fd);
    ck_assert_int_eq(fd_watch_want(&watch, foreign, EPOLLOUT), 0);
    ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 1);
    ck_assert_uint_eq(fd_watch_match(&watch, event.data.u64, event.events, &matched_fd), EPOLLOUT);
    close(foreign);
    fd_watch_deinit(&watch);
    close(epoll);
}
END_TEST

START_TEST(an_event_that_nobody_wants_does_not_come_twice)
{
    struct fd_watch watch;
    struct epoll_event event;
    int matched_fd;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    fd_watch_init(&watch, epoll);
    int fd = fd_watch_open(&watch, AF_INET, SOCK_DGRAM, 0);
    fd_watch_want(&watch, fd, EPOLLOUT);
    fd_watch_want(&watch, fd, 0);
    ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 1); /* epoll was not told yet */
    ck_assert_uint_eq(fd_watch_match(&watch, event.data.u64, event.events, &matched_fd), 0);
    ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 0);
    fd_watch_want(&watch, fd, EPOLLOUT | EPOLLIN);
    ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 1);
    ck_assert_uint_eq(fd_watch_match(&watch, event.data.u64, event.events, &matched_fd), EPOLLOUT);
    fd_watch_close(&watch, fd);
    fd_watch_deinit(&watch);
    close(epoll);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("fd_watch");
    TCase *tests = tcase_create("fd_watch");
    tcase_add_test(tests, a_number_that_is_used_again_is_told_to_epoll_again);
    tcase_add_test(tests, an_event_of_a_number_closed_behind_our_back_does_not_reach_the_next);
    tcase_add_test(tests, a_number_that_goes_to_somebody_else_is_told_to_epoll_again);
    tcase_add_test(tests, an_event_that_nobody_wants_does_not_come_twice);
    suite_add_tcase(suite, tests);
    return suite;
}
