#include "support/check_main.h"

#include "core/reply.h"

#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#define SPRING "kafka_replyTopic"
#define SPRING_PARTITION "kafka_replyPartition"
#define OURS "rxp-reply-topic"

static const char *const patterns[] = {"orders.replies", "*.rxp-replies", "a*b*c", "task-**"};
static const char *const inputs[] = {"in-1", "in.rxp-replies"};

static struct reply_policy policy_of(const char *const *list, size_t n)
{
    return (struct reply_policy){
        .patterns = list,
        .n_patterns = n,
        .input_topics = inputs,
        .n_input_topics = 2,
        .dead_letter_topic = "dead.rxp-replies",
        .checkpoints_topic = "checkpoints.rxp-replies",
        .results_topic = "results",
    };
}

/* Up to four headers; bytes -1: a string. */
struct header {
    const char *name;
    const char *value;
    ssize_t bytes;
};

/* Takes the headers. Until the next call. */
static struct envelope envelope_of(rd_kafka_headers_t *headers)
{
    static unsigned char *bytes; /* reply.topic points into it */
    size_t n = envelope_measure("key", 3, headers);
    free(bytes);
    bytes = malloc(n);
    envelope_write(bytes, "key", 3, headers);
    rd_kafka_headers_destroy(headers);
    return (struct envelope){bytes, n};
}

static struct reply find(const struct header *header, size_t n)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    for (size_t i = 0; i < n && header[i].name != NULL; i++) {
        rd_kafka_header_add(headers, header[i].name, -1, header[i].value, header[i].bytes);
    }
    const struct reply_policy policy = policy_of(patterns, 4);
    struct reply reply;
    memset(&reply, 0xa5, sizeof reply);
    reply_find(&policy, envelope_of(headers), &reply);
    return reply;
}

#define TEXT(name, value) {name, value, -1}
#define FOUR(value) {SPRING_PARTITION, value, 4}

static const struct {
    struct header header[4];
    const char *topic; /* NULL: none */
    int32_t partition;
    enum reply_refusal refusal;
    bool ignored;
} rows[] = {
    {{TEXT("other", "x")}, NULL, -1, REPLY_TAKEN, false},
    {{TEXT(SPRING, "orders.replies")}, "orders.replies", -1, REPLY_TAKEN, false},
    {{TEXT(OURS, "orders.replies")}, "orders.replies", -1, REPLY_TAKEN, false},
    {{TEXT("KAFKA_REPLYTOPIC", "orders.replies")}, NULL, -1, REPLY_TAKEN, false},
    /* The partition: ByteBuffer.putInt. */
    {{TEXT(SPRING, "orders.replies"), FOUR("\0\0\0\0")}, "orders.replies", 0, REPLY_TAKEN, false},
    {{TEXT(SPRING, "orders.replies"), FOUR("\0\0\0\7")}, "orders.replies", 7, REPLY_TAKEN, false},
    {{TEXT(SPRING, "orders.replies"), FOUR("\1\2\3\4")}, "orders.replies", 0x01020304, REPLY_TAKEN, false},
    {{TEXT(SPRING, "orders.replies"), FOUR("\x7f\xff\xff\xff")}, "orders.replies", INT32_MAX, REPLY_TAKEN, false},
    {{TEXT(SPRING, "orders.replies"), FOUR("\xff\xff\xff\xff")}, "orders.replies", -1, REPLY_TAKEN, true},
    {{TEXT(SPRING, "orders.replies"), FOUR("\x80\0\0\0")}, "orders.replies", -1, REPLY_TAKEN, true},
    {{TEXT(SPRING, "orders.replies"), TEXT(SPRING_PARTITION, "2")}, "orders.replies", -1, REPLY_TAKEN, true},
    {{TEXT(SPRING, "orders.replies"), {SPRING_PARTITION, "\0\0\0\0\1", 5}}, "orders.replies", -1, REPLY_TAKEN, true},
    {{TEXT(SPRING, "orders.replies"), {SPRING_PARTITION, NULL, 0}}, "orders.replies", -1, REPLY_TAKEN, true},
    {{FOUR("\0\0\0\2")}, NULL, -1, REPLY_TAKEN, false},
    /* Ours wins, and the partition is Spring's. */
    {{TEXT(SPRING, "orders.replies"), TEXT(OURS, "x.rxp-replies"), FOUR("\0\0\0\2")}, "x.rxp-replies", -1, REPLY_TAKEN, false},
    /* The last of a name. */
    {{TEXT(SPRING, "nowhere"), TEXT(SPRING, "orders.replies")}, "orders.replies", -1, REPLY_TAKEN, false},
    {{TEXT(SPRING, "orders.replies"), TEXT(SPRING, "nowhere")}, NULL, -1, REPLY_NOT_ALLOWED, false},
    {{TEXT(SPRING, "orders.replies"), FOUR("\0\0\0\1"), FOUR("\0\0\0\2")}, "orders.replies", 2, REPLY_TAKEN, false},
    /* Patterns. */
    {{TEXT(OURS, ".rxp-replies")}, ".rxp-replies", -1, REPLY_TAKEN, false},
    {{TEXT(OURS, "a.rxp-replies.rxp-replies")}, "a.rxp-replies.rxp-replies", -1, REPLY_TAKEN, false},
    {{TEXT(OURS, "a.rxp-repliesx")}, NULL, -1, REPLY_NOT_ALLOWED, false},
    {{TEXT(OURS, "Orders.replies")}, NULL, -1, REPLY_NOT_ALLOWED, false},
    {{TEXT(OURS, "orders.replies2")}, NULL, -1, REPLY_NOT_ALLOWED, false},
    {{TEXT(OURS, "abc")}, "abc", -1, REPLY_TAKEN, false},
    {{TEXT(OURS, "a-bb-b-c-cc")}, "a-bb-b-c-cc", -1, REPLY_TAKEN, false},
    {{TEXT(OURS, "task-")}, "task-", -1, REPLY_TAKEN, false},
    {{TEXT(OURS, "task-1")}, "task-1", -1, REPLY_TAKEN, false},
    {{TEXT(OURS, "task")}, NULL, -1, REPLY_NOT_ALLOWED, false},
    {{TEXT(OURS, "acb")}, NULL, -1, REPLY_NOT_ALLOWED, false},
    {{TEXT(OURS, "a-b")}, NULL, -1, REPLY_NOT_ALLOWED, false},
    /* Names. */
    {{TEXT(OURS, "")}, NULL, -1, REPLY_NOT_A_TOPIC, false},
    {{{OURS, NULL, 0}}, NULL, -1, REPLY_NOT_A_TOPIC, false},
    {{TEXT(OURS, ".")}, NULL, -1, REPLY_NOT_A_TOPIC, false},
    {{TEXT(OURS, "..")}, NULL, -1, REPLY_NOT_A_TOPIC, false},
    {{TEXT(OURS, "a/x.rxp-replies")}, NULL, -1, REPLY_NOT_A_TOPIC, false},
    {{TEXT(OURS, "\"orders.replies\"")}, NULL, -1, REPLY_NOT_A_TOPIC, false},
    {{TEXT(OURS, "\xc3\xa4.rxp-replies")}, NULL, -1, REPLY_NOT_A_TOPIC, false},
    {{TEXT(OURS, "*.rxp-replies")}, NULL, -1, REPLY_NOT_A_TOPIC, false},
    {{{OURS, "orders.replies\0x", 16}}, NULL, -1, REPLY_NOT_A_TOPIC, false},
    /* The worker's own. */
    {{TEXT(OURS, "in-1")}, NULL, -1, REPLY_OWN_TOPIC, false},
    {{TEXT(OURS, "in.rxp-replies")}, NULL, -1, REPLY_OWN_TOPIC, false},
    {{TEXT(OURS, "dead.rxp-replies")}, NULL, -1, REPLY_OWN_TOPIC, false},
    {{TEXT(OURS, "checkpoints.rxp-replies")}, NULL, -1, REPLY_OWN_TOPIC, false},
    {{TEXT(OURS, "__consumer_offsets.rxp-replies")}, NULL, -1, REPLY_OWN_TOPIC, false},
    {{TEXT(OURS, "_x.rxp-replies")}, "_x.rxp-replies", -1, REPLY_TAKEN, false},
    /* The results topic has the result anyway. */
    {{TEXT(OURS, "results")}, NULL, -1, REPLY_TAKEN, false},
    {{TEXT(SPRING, "results"), FOUR("\0\0\0\1")}, NULL, -1, REPLY_TAKEN, true},
};
#define N_ROWS (int)(sizeof rows / sizeof rows[0])

START_TEST(headers_say_where_a_reply_goes)
{
    struct reply reply = find(rows[_i].header, 4);
    if (rows[_i].topic == NULL) {
        ck_assert_ptr_null(reply.topic);
    } else {
        ck_assert_ptr_nonnull(reply.topic);
        ck_assert_str_eq(reply.topic, rows[_i].topic);
        ck_assert_int_eq(reply.partition, rows[_i].partition);
    }
    ck_assert_int_eq(reply.refusal, rows[_i].refusal);
    ck_assert_int_eq(reply.partition_ignored, rows[_i].ignored);
}
END_TEST

START_TEST(without_patterns_nothing_is_asked_and_nothing_left_out)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, SPRING, -1, "no topic", -1);
    rd_kafka_header_add(headers, SPRING_PARTITION, -1, "2", -1);
    const struct reply_policy policy = policy_of(NULL, 0);
    struct reply reply;
    reply_find(&policy, envelope_of(headers), &reply);
    ck_assert_ptr_null(reply.topic);
    ck_assert_int_eq(reply.refusal, REPLY_TAKEN);
    ck_assert(!reply.partition_ignored);
}
END_TEST

START_TEST(a_message_without_headers_asks_for_nothing)
{
    const struct reply_policy policy = policy_of(patterns, 3);
    struct reply reply;
    reply_find(&policy, (struct envelope){NULL, 0}, &reply);
    ck_assert_ptr_null(reply.topic);
    ck_assert_int_eq(reply.refusal, REPLY_TAKEN);
}
END_TEST

START_TEST(a_star_alone_allows_all_but_the_workers_own)
{
    static const char *const all[] = {"*"};
    static const struct {
        const char *topic;
        enum reply_refusal refusal;
    } names[] = {{"x", REPLY_TAKEN}, {"in-1", REPLY_OWN_TOPIC}, {"__transaction_state", REPLY_OWN_TOPIC}};
    const struct reply_policy policy = policy_of(all, 1);
    for (size_t i = 0; i < 3; i++) {
        rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
        rd_kafka_header_add(headers, OURS, -1, names[i].topic, -1);
        struct reply reply;
        reply_find(&policy, envelope_of(headers), &reply);
        ck_assert_int_eq(reply.refusal, names[i].refusal);
        ck_assert_int_eq(reply.topic != NULL, names[i].refusal == REPLY_TAKEN);
    }
}
END_TEST

START_TEST(so_many_topics_are_replied_to_and_no_more)
{
    static const char *const all[] = {"*"};
    static const char *const names[] = {"a", "b", "a", "c", "d", "d", "b", "in-1", "c"};
    struct reply_policy policy = policy_of(all, 1);
    policy.seen = name_set_new(3);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
        rd_kafka_header_add(headers, OURS, -1, names[i], -1);
        struct reply reply;
        reply_find(&policy, envelope_of(headers), &reply);
        bool fourth = strcmp(names[i], "d") == 0;
        bool own = strcmp(names[i], "in-1") == 0;
        ck_assert_int_eq(reply.refusal, own ? REPLY_OWN_TOPIC : fourth ? REPLY_ONE_TOPIC_TOO_MANY : REPLY_TAKEN);
        ck_assert_int_eq(reply.topic != NULL, !own && !fourth);
    }
    name_set_free(policy.seen);
}
END_TEST

START_TEST(a_set_of_names_holds_thousands_and_each_once)
{
    enum { N = 10000 };
    struct name_set *set = name_set_new(N);
    char name[16];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < N; i++) {
            snprintf(name, sizeof name, "reply-%d", i);
            ck_assert(name_set_admit(set, name));
        }
        ck_assert(!name_set_admit(set, "another"));
    }
    name_set_free(set);
    name_set_free(NULL);
}
END_TEST

START_TEST(a_name_has_at_most_249_letters)
{
    char name[251];
    memset(name, 'x', sizeof name);
    memcpy(name + 236, ".rxp-replies", 13);
    struct header header = {OURS, name, -1};
    ck_assert_int_eq(find(&header, 1).refusal, REPLY_TAKEN); /* 248 */
    memset(name, 'x', sizeof name);
    memcpy(name + 237, ".rxp-replies", 13);
    ck_assert_int_eq(find(&header, 1).refusal, REPLY_TAKEN);
    memset(name, 'x', sizeof name);
    memcpy(name + 238, ".rxp-replies", 13);
    ck_assert_int_eq(find(&header, 1).refusal, REPLY_NOT_A_TOPIC);
}
END_TEST

START_TEST(patterns_are_topic_names_with_stars)
{
    static const struct {
        const char *pattern;
        bool valid;
    } list[] = {{"a", true}, {"*", true}, {"a.*-B_9", true}, {"", false}, {"a b", false}, {"a?", false}, {"^a", false}};
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        ck_assert_msg(reply_pattern_is_valid(list[i].pattern) == list[i].valid, "'%s'", list[i].pattern);
    }
    char pattern[251];
    memset(pattern, 'x', 250);
    pattern[250] = '\0';
    ck_assert(!reply_pattern_is_valid(pattern));
    pattern[249] = '\0';
    ck_assert(reply_pattern_is_valid(pattern));
}
END_TEST

START_TEST(a_pattern_of_many_stars_is_no_work)
{
    char pattern[250];
    for (size_t i = 0; i < 248; i += 2) {
        pattern[i] = '*';
        pattern[i + 1] = 'a';
    }
    memcpy(pattern + 248, "b", 2);
    char name[250];
    memset(name, 'a', 249);
    name[249] = '\0';
    const char *const list[] = {pattern};
    const struct reply_policy policy = policy_of(list, 1);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, OURS, -1, name, -1);
    struct envelope envelope = envelope_of(headers);
    struct reply reply;
    for (int i = 0; i < 1000; i++) {
        reply_find(&policy, envelope, &reply);
    }
    ck_assert_int_eq(reply.refusal, REPLY_NOT_ALLOWED);
}
END_TEST

START_TEST(correlation_headers_are_known_by_their_name)
{
    static const struct {
        const char *name;
        bool is;
    } names[] = {{"kafka_correlationId", true}, {"X-Correlation-ID", true}, {"CORRELATION", true}, {"my.correlation", true},
                 {"", false},                   {"correlatio", false},      {"kafka_replyTopic", false}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_msg(reply_is_correlation(names[i].name) == names[i].is, "'%s'", names[i].name);
    }
}
END_TEST

START_TEST(each_refusal_has_its_own_words)
{
    for (int i = REPLY_TAKEN; i <= (int)REPLY_TOO_LARGE; i++) {
        for (int j = REPLY_TAKEN; j < i; j++) {
            ck_assert_str_ne(reply_refusal_text((enum reply_refusal)i), reply_refusal_text((enum reply_refusal)j));
        }
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("reply");
    TCase *tcase = tcase_create("reply");
    tcase_add_loop_test(tcase, headers_say_where_a_reply_goes, 0, N_ROWS);
    tcase_add_test(tcase, without_patterns_nothing_is_asked_and_nothing_left_out);
    tcase_add_test(tcase, a_message_without_headers_asks_for_nothing);
    tcase_add_test(tcase, a_star_alone_allows_all_but_the_workers_own);
    tcase_add_test(tcase, so_many_topics_are_replied_to_and_no_more);
    tcase_add_test(tcase, a_set_of_names_holds_thousands_and_each_once);
    tcase_add_test(tcase, a_name_has_at_most_249_letters);
    tcase_add_test(tcase, patterns_are_topic_names_with_stars);
    tcase_add_test(tcase, a_pattern_of_many_stars_is_no_work);
    tcase_add_test(tcase, correlation_headers_are_known_by_their_name);
    tcase_add_test(tcase, each_refusal_has_its_own_words);
    suite_add_tcase(suite, tcase);
    return suite;
}
