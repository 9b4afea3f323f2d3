#include "base/clock.h"
#include "engine/token.h"
#include "support/check_main.h"

#include <string.h>

#define S INT64_C(1000)
#define T0 (1000000 * S)

static struct token *token;

static void setup(void)
{
    struct oauth_grant grant = {0};
    token = token_new("A", &grant);
}

static void teardown(void)
{
    token_free(token);
}

static void succeed(int64_t life_ms, int64_t now_ms)
{
    struct oauth_token fetched = {strdup("tok"), life_ms};
    token_ended(token, &fetched, NULL, now_ms);
    ck_assert_ptr_null(fetched.value);
}

static void fetch(int64_t life_ms, int64_t now_ms)
{
    token_begin(token, now_ms);
    succeed(life_ms, now_ms);
}

START_TEST(is_fetched_once_when_somebody_wants_it)
{
    ck_assert_int_eq(token_due_ms(token, T0), CLOCK_NEVER);
    ck_assert_int_eq(token_use(token, T0), TOKEN_COMING);
    ck_assert_int_eq(token_due_ms(token, T0), T0);
    token_begin(token, T0);
    ck_assert_int_eq(token_due_ms(token, T0), CLOCK_NEVER);
    ck_assert_int_eq(token_use(token, T0 + 1), TOKEN_COMING);
    ck_assert_int_eq(token_due_ms(token, T0 + 1), CLOCK_NEVER);
    succeed(3600 * S, T0 + 2);
    ck_assert_int_eq(token_use(token, T0 + 3), TOKEN_THERE);
    ck_assert_str_eq(token->value, "tok");
}
END_TEST

START_TEST(is_renewed_before_its_end_while_it_is_in_use)
{
    fetch(3600 * S, T0);
    ck_assert_int_eq(token_due_ms(token, T0), CLOCK_NEVER); /* not in use */
    ck_assert_int_eq(token_use(token, T0), TOKEN_THERE);
    ck_assert_int_eq(token_due_ms(token, T0), T0 + 3540 * S);
    token_begin(token, T0 + 3540 * S);
    ck_assert_int_eq(token_use(token, T0 + 3589 * S), TOKEN_THERE); /* the old one, meanwhile */
    ck_assert_int_eq(token_use(token, T0 + 3590 * S), TOKEN_COMING); /* too near its end */
    succeed(3600 * S, T0 + 3591 * S);
    ck_assert_int_eq(token_use(token, T0 + 3592 * S), TOKEN_THERE);
    ck_assert_int_eq(token_due_ms(token, T0 + 3592 * S), T0 + 7080 * S); /* its life began with the request */
}
END_TEST

START_TEST(a_short_life_is_used_for_the_greater_part)
{
    fetch(10 * S, T0);
    ck_assert_int_eq(token_use(token, T0 + 8999), TOKEN_THERE);
    ck_assert_int_eq(token_due_ms(token, T0), T0 + 7500);
    ck_assert_int_eq(token_use(token, T0 + 9000), TOKEN_COMING);
}
END_TEST

START_TEST(what_came_too_slowly_is_still_used_for_a_moment)
{
    token_begin(token, T0);
    succeed(10 * S, T0 + 25 * S);
    ck_assert_int_eq(token_use(token, T0 + 25 * S), TOKEN_THERE);
    ck_assert_int_eq(token_use(token, T0 + 26 * S), TOKEN_COMING);
}
END_TEST

START_TEST(a_failure_is_remembered_and_tried_again_ever_later)
{
    static const int pauses_s[] = {2, 4, 8, 16, 32, 60, 60, 60};
    int64_t now_ms = T0;
    for (size_t i = 0; i < sizeof pauses_s / sizeof pauses_s[0]; i++) {
        ck_assert_int_eq(token_use(token, now_ms), TOKEN_COMING);
        token_begin(token, now_ms);
        token_ended(token, NULL, "refused", now_ms);
        ck_assert_int_eq(token_due_ms(token, now_ms), CLOCK_NEVER); /* nobody waits */
        ck_assert_int_eq(token_use(token, now_ms + pauses_s[i] * S - 1), TOKEN_FAILED);
        ck_assert_str_eq(token->fault, "refused");
        ck_assert_int_eq(token_due_ms(token, now_ms), now_ms + pauses_s[i] * S);
        now_ms += pauses_s[i] * S;
    }
    fetch(60 * S, now_ms);
    token_begin(token, now_ms);
    token_ended(token, NULL, "again", now_ms);
    ck_assert_int_eq(token_use(token, now_ms), TOKEN_THERE); /* the one that is there is good */
    ck_assert_int_eq(token_use(token, now_ms + 55 * S), TOKEN_COMING);
    ck_assert_int_eq(token->retry_ms, now_ms + 2 * S); /* the first failure in a row */
}
END_TEST

START_TEST(a_refused_one_is_fetched_anew_unless_it_is_young)
{
    ck_assert(!token_refused(token, T0));
    fetch(3600 * S, T0);
    ck_assert(!token_refused(token, T0 + 10 * S - 1));
    ck_assert_int_eq(token_use(token, T0 + 10 * S), TOKEN_THERE);
    ck_assert(token_refused(token, T0 + 10 * S));
    ck_assert(!token_refused(token, T0 + 10 * S));
    ck_assert_int_eq(token_due_ms(token, T0 + 10 * S), T0 + 10 * S);
    ck_assert_int_eq(token_use(token, T0 + 10 * S), TOKEN_COMING);
    fetch(3600 * S, T0 + 11 * S);
    ck_assert(!token_refused(token, T0 + 12 * S)); /* refusals of the old one still come in */
    ck_assert_int_eq(token_use(token, T0 + 12 * S), TOKEN_THERE);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("token");
    TCase *tcase = tcase_create("token");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, is_fetched_once_when_somebody_wants_it);
    tcase_add_test(tcase, is_renewed_before_its_end_while_it_is_in_use);
    tcase_add_test(tcase, a_short_life_is_used_for_the_greater_part);
    tcase_add_test(tcase, what_came_too_slowly_is_still_used_for_a_moment);
    tcase_add_test(tcase, a_failure_is_remembered_and_tried_again_ever_later);
    tcase_add_test(tcase, a_refused_one_is_fetched_anew_unless_it_is_young);
    suite_add_tcase(suite, tcase);
    return suite;
}
