#include "protocol/vocab.h"
#include "support/check_main.h"

#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = {"subprocess", "http", "http_async", "container", "manual", "unknown"};
static const char *const statuses[] = {"pending",   "running",   "succeeded", "failed",
                                       "timed_out", "cancelled", "rejected"};

START_TEST(kinds_are_read_back_from_their_names)
{
    enum rxp_kind kind = RXP_KIND_UNKNOWN;

    ck_assert(rxp_kind_parse(kinds[_i], &kind));
    ck_assert_int_eq(kind, _i);
    ck_assert_str_eq(rxp_kind_name(kind), kinds[_i]);
}
END_TEST

START_TEST(statuses_are_read_back_from_their_names)
{
    enum rxp_status status = RXP_STATUS_PENDING;

    ck_assert(rxp_status_parse(statuses[_i], &status));
    ck_assert_int_eq(status, _i);
    ck_assert_str_eq(rxp_status_name(status), statuses[_i]);
}
END_TEST

START_TEST(words_are_exact_and_a_stranger_leaves_the_target_alone)
{
    static const char *const strangers[] = {"", "HTTP", "Http", "http ", " http", "http_asyn", "http_asyncs", "Failed"};

    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
        enum rxp_kind kind = RXP_KIND_MANUAL;
        enum rxp_status status = RXP_STATUS_REJECTED;
        ck_assert_msg(!rxp_kind_parse(strangers[i], &kind), "%s", strangers[i]);
        ck_assert_msg(!rxp_status_parse(strangers[i], &status), "%s", strangers[i]);
        ck_assert_int_eq(kind, RXP_KIND_MANUAL);
        ck_assert_int_eq(status, RXP_STATUS_REJECTED);
    }
}
END_TEST

START_TEST(only_pending_and_running_are_not_terminal)
{
    ck_assert_int_eq(rxp_status_is_terminal((enum rxp_status)_i), _i > (int)RXP_STATUS_RUNNING);
}
END_TEST

START_TEST(each_error_has_a_code_of_its_own)
{
    ck_assert_ptr_null(rxp_error_name(RXP_OK));
    for (int i = RXP_OK + 1; i <= (int)RXP_ERROR_CANCELLED; i++) {
        const char *name = rxp_error_name((enum rxp_error)i);
        ck_assert_ptr_nonnull(name);
        ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        for (int j = RXP_OK + 1; j < i; j++)
            ck_assert_str_ne(name, rxp_error_name((enum rxp_error)j));
    }
    ck_assert_str_eq(rxp_error_name(RXP_ERROR_INVALID_JSON), "invalid_json");
    ck_assert_str_eq(rxp_error_name(RXP_ERROR_EGRESS_DENIED), "egress_denied");
    ck_assert_str_eq(rxp_error_name(RXP_ERROR_KICKOFF_UNKNOWN), "kickoff_unknown");
    ck_assert_str_eq(rxp_error_name(RXP_ERROR_STATUS_MISSING), "status_missing");
    ck_assert_str_eq(rxp_error_name(RXP_ERROR_BACKEND_FAILED), "backend_failed");
    ck_assert_str_eq(rxp_error_name(RXP_ERROR_POLL_TIMEOUT), "poll_timeout");
}
END_TEST

static const struct {
    const char *word;
    const char *nearest; /* NULL: none */
} slips[] = {
    {"max-in-flight", "max-in-flight"},
    {"max-in-fligth", "max-in-flight"}, /* two letters swapped */
    {"max-inflight", "max-in-flight"},
    {"MAX-IN-FLIGHT", "max-in-flight"},
    {"max-messages-bytes", "max-message-bytes"},
    {"grup-id", "group-id"},
    {"roupid", "group-id"}, /* two of six: the most */
    {"oupid", NULL},        /* three of five */
    {"pi", "ip"},           /* one swap; two letters changed would be another word */
    {"gx", NULL},
    {"x", NULL},
    {"", NULL},
    {"completely-different", NULL},
    {"max-message", "max-message-bytes"}, /* it goes on so */
    {"group-id-of-mine", "group-id"},     /* it stops sooner */
    {"group", NULL},                      /* too short to tell */
};

START_TEST(the_nearest_word_is_the_one_that_was_meant)
{
    static const char *const words[] = {"max-in-flight", "max-message-bytes", "group-id", "ip"};
    const char *nearest = rxp_nearest(slips[_i].word, words, 4);

    if (slips[_i].nearest == NULL)
        ck_assert_msg(nearest == NULL, "%s -> %s", slips[_i].word, nearest);
    else
        ck_assert_str_eq(nearest, slips[_i].nearest);
}
END_TEST

START_TEST(the_first_of_equally_near_words_wins_and_a_nearer_one_beats_it)
{
    static const char *const words[] = {"http.bady", "http.budy", "http.body"};

    ck_assert_str_eq(rxp_nearest("http.bxdy", words, 3), "http.bady");
    ck_assert_str_eq(rxp_nearest("http.bod", words, 3), "http.body");
}
END_TEST

START_TEST(a_word_of_a_megabyte_is_near_to_nothing)
{
    static const char *const words[] = {"a", "http.url"};
    size_t bytes = 1 << 20;
    char *word = malloc(bytes + 1);

    ck_assert_ptr_nonnull(word);
    memset(word, 'a', bytes);
    word[bytes] = '\0';
    ck_assert_ptr_null(rxp_nearest(word, words, 2));
    free(word);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("vocab");
    TCase *tcase = tcase_create("vocab");

    tcase_add_loop_test(tcase, kinds_are_read_back_from_their_names, 0, sizeof(kinds) / sizeof(kinds[0]));
    tcase_add_loop_test(tcase, statuses_are_read_back_from_their_names, 0, sizeof(statuses) / sizeof(statuses[0]));
    tcase_add_test(tcase, words_are_exact_and_a_stranger_leaves_the_target_alone);
    tcase_add_loop_test(tcase, only_pending_and_running_are_not_terminal, 0, sizeof(statuses) / sizeof(statuses[0]));
    tcase_add_test(tcase, each_error_has_a_code_of_its_own);
    tcase_add_loop_test(tcase, the_nearest_word_is_the_one_that_was_meant, 0, sizeof(slips) / sizeof(slips[0]));
    tcase_add_test(tcase, the_first_of_equally_near_words_wins_and_a_nearer_one_beats_it);
    tcase_add_test(tcase, a_word_of_a_megabyte_is_near_to_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
