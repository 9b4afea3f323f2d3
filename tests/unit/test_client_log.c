#include "kafka/client_log.h"
#include "support/check_main.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define REFUSED "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused"

static struct client_log_memory memory;
static int alike;

static bool is_news(const char *text, int64_t now_ms)
{
    return client_log_is_news(&memory, text, now_ms, &alike);
}

START_TEST(what_every_client_says_again_is_told_once)
{
    static const char *const same[] = {
        REFUSED " (after 0ms in state CONNECT)",
        REFUSED " (after 12ms in state CONNECT, 1 identical error(s) suppressed)",
        REFUSED,
        "[thrd:127.0.0.1:1/bootstrap]: " REFUSED " (after 0ms in state CONNECT)",
        "rxp-worker#producer-1: " REFUSED " (after 0ms in state CONNECT)",
        "[thrd:main]: rxp-worker#consumer-12: " REFUSED,
    };
    for (size_t first = 0; first < sizeof same / sizeof *same; first++) {
        memory = (struct client_log_memory){0};
        ck_assert(is_news(same[first], 1000));
        for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
            ck_assert_msg(!is_news(same[i], 1000 + (int64_t)i), "%s after %s", same[i], same[first]);
        }
    }
}
END_TEST

START_TEST(what_differs_is_told)
{
    static const char *const others[] = {
        REFUSED " (after 0ms in state CONNECT)",
        "127.0.0.1:2/bootstrap: Connect to ipv4#127.0.0.1:2 failed: Connection refused (after 0ms in state CONNECT)",
        "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: No route to host (after 0ms in state CONNECT)",
        "127.0.0.1:1/bootstrap: Disconnected (after 0ms in state UP)",
        "(after all)",
        "[thrd:",
        "",
    };
    memory = (struct client_log_memory){0};
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
            ck_assert_msg(is_news(others[i], 1000) == (again == 0), "%s", others[i]);
        }
    }
}
END_TEST

START_TEST(after_a_minute_it_is_told_again_with_how_often_it_was_not)
{
    memory = (struct client_log_memory){0};
    ck_assert(is_news(REFUSED, 1000));
    ck_assert_int_eq(alike, 0);
    ck_assert(!is_news(REFUSED, 1000));
    ck_assert(!is_news(REFUSED, 1000 + CLIENT_LOG_AGAIN_MS - 1));
    ck_assert(is_news(REFUSED, 1000 + CLIENT_LOG_AGAIN_MS));
    ck_assert_int_eq(alike, 2);
    ck_assert(!is_news(REFUSED, 1000 + CLIENT_LOG_AGAIN_MS));
    ck_assert(is_news(REFUSED, 1000 + 2 * CLIENT_LOG_AGAIN_MS));
    ck_assert_int_eq(alike, 1);
}
END_TEST

/* Rather told too often than not. */
START_TEST(of_more_texts_than_are_kept_the_oldest_is_forgotten)
{
    char text[40];
    memory = (struct client_log_memory){0};
    for (int i = 0; i <= CLIENT_LOG_TEXTS; i++) {
        snprintf(text, sizeof text, "broker %d", i);
        ck_assert(is_news(text, 1000 + i));
    }
    ck_assert(!is_news("broker 1", 1100));
    ck_assert(is_news("broker 0", 1100));
    ck_assert_int_eq(alike, 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("client_log");
    TCase *tcase = tcase_create("client_log");
    tcase_add_test(tcase, what_every_client_says_again_is_told_once);
    tcase_add_test(tcase, what_differs_is_told);
    tcase_add_test(tcase, after_a_minute_it_is_told_again_with_how_often_it_was_not);
    tcase_add_test(tcase, of_more_texts_than_are_kept_the_oldest_is_forgotten);
    suite_add_tcase(suite, tcase);
    return suite;
}
