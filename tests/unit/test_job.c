#include "base/slabs.h"
#include "core/job.h"
#include "support/check_main.h"

#include <stdlib.h>
#include <string.h>

/* Worked out by other means. Checkpoints hold these numbers: they must never change. */
static const struct {
    int64_t timestamp_ms;
    const char *key;
    const char *value;
    uint64_t hash;
} rows[] = {
    {1760000000123, "k", "value", UINT64_C(0x117b8764f8f8a077)},
    {1760000000124, "k", "value", UINT64_C(0xa054dace3b6ebe84)},
    {1760000000123, NULL, "kvalue", UINT64_C(0xc473397a5a1a7aae)},
    {1760000000123, "", "kvalue", UINT64_C(0x69c9627ef6170516)},
    {1760000000123, "kv", "alue", UINT64_C(0x0d99a1e4484f4ac0)},
    {-1, NULL, NULL, UINT64_C(0xd6607508f5a1e855)},
};

START_TEST(an_input_has_the_hash_that_it_always_had)
{
    const char *key = rows[_i].key;
    const char *value = rows[_i].value;
    ck_assert_uint_eq(job_hash_input(rows[_i].timestamp_ms, key, key != NULL ? strlen(key) : 9, value,
                                     value != NULL ? strlen(value) : 9), rows[_i].hash);
}
END_TEST

START_TEST(no_two_of_these_inputs_are_taken_for_one)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t k = 0; k < i; k++)
            ck_assert_uint_ne(rows[i].hash, rows[k].hash);
    }
}
END_TEST

/* ---- a job's block ---- */

static rd_kafka_headers_t *message_headers;

/* The message is this file's, and librdkafka must not look for what stands around its own. */
int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *message, rd_kafka_timestamp_type_t *type)
{
    (void)message;
    (void)type;
    return 1760000000123;
}

rd_kafka_resp_err_t rd_kafka_message_headers(const rd_kafka_message_t *message, rd_kafka_headers_t **headers)
{
    (void)message;
    *headers = message_headers;
    return message_headers != NULL ? RD_KAFKA_RESP_ERR_NO_ERROR : RD_KAFKA_RESP_ERR__NOENT;
}

static const struct {
    const char *key;
    size_t tags;
    bool has_header;
} blocks[] = {{"order-017", 0, false}, {NULL, 0, false},        {NULL, 3, true},
              {"", 7, false},          {"order-017", 1, true}, {NULL, JOB_TAGS_MAX, false}};

START_TEST(tags_key_and_headers_lie_behind_a_job_as_long_as_it_lives)
{
    static char payload[] = "value";
    static struct assignment assignment = {.topic = "in", .partition = 3};
    const char *key = blocks[_i].key;
    const rd_kafka_message_t message = {.payload = payload, .len = 5, .key = (void *)(uintptr_t)key,
                                        .key_len = key != NULL ? strlen(key) : 0, .offset = 4711};
    struct job_tags tags = {.writer = {11, UINT64_MAX, 13, 14, 15, 16, 17, 18}, .n = blocks[_i].tags};
    message_headers = blocks[_i].has_header ? rd_kafka_headers_new(1) : NULL;
    if (message_headers != NULL)
        rd_kafka_header_add(message_headers, "name", -1, "of a header", -1);
    struct slabs *slabs = slabs_new();
    assignment.holders = 1;
    struct job *job = job_new(slabs, &assignment, &message, &tags, true);
    if (message_headers != NULL)
        rd_kafka_headers_destroy(message_headers);
    ck_assert_uint_eq(job->input_hash, job_hash_input(1760000000123, key, message.key_len, "value", 5));
    for (int round = 0; round < 3; round++) {
        struct job_tags found;
        struct envelope_header header;
        size_t key_bytes;
        job_put_tags(job, &found);
        ck_assert_uint_eq(found.n, tags.n);
        ck_assert_int_eq(memcmp(found.writer, tags.writer, tags.n * sizeof *tags.writer), 0);
        const void *kept = envelope_key(job_envelope(job), &key_bytes);
        ck_assert((kept == NULL) == (key == NULL) && key_bytes == message.key_len);
        ck_assert(key == NULL || memcmp(kept, key, key_bytes) == 0);
        ck_assert(envelope_find_last(job_envelope(job), "name", &header) == blocks[_i].has_header);
        ck_assert(!blocks[_i].has_header || strcmp(header.value, "of a header") == 0);
        size_t least = round == 0 ? sizeof(struct job_begin) + 6 : round == 1 ? sizeof(struct job_begin) : 0;
        ck_assert_uint_eq(job_begin_bytes(job), least);
        if (round == 0)
            job_drop_value(job);
        else
            job_drop_begin(job); /* harmless a second time */
    }
    job_free(job);
    slabs_release(slabs);
    ck_assert_uint_eq(assignment.holders, 1);
}
END_TEST

/* What nobody else is to know of need not be looked at whole, and tells messages apart all the same. */
START_TEST(a_quick_hash_is_of_time_key_and_size)
{
    static char payload[] = "value";
    static struct assignment assignment = {.topic = "in", .partition = 3};
    static const struct job_tags no_tags;
    struct slabs *slabs = slabs_new();
    uint64_t hash[3];
    message_headers = NULL;
    assignment.holders = 1;
    for (size_t i = 0; i < 3; i++) {
        const rd_kafka_message_t message = {.payload = payload, .len = i == 1 ? 4 : 5, .key = payload,
                                            .key_len = i == 2 ? 1 : 2, .offset = 4711};
        struct job *job = job_new(slabs, &assignment, &message, &no_tags, false);
        hash[i] = job->input_hash;
        job_free(job);
    }
    ck_assert(hash[0] != hash[1] && hash[0] != hash[2] && hash[1] != hash[2]);
    slabs_release(slabs);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("job");
    TCase *tcase = tcase_create("job");
    tcase_add_loop_test(tcase, an_input_has_the_hash_that_it_always_had, 0, (int)(sizeof rows / sizeof *rows));
    tcase_add_test(tcase, no_two_of_these_inputs_are_taken_for_one);
    tcase_add_loop_test(tcase, tags_key_and_headers_lie_behind_a_job_as_long_as_it_lives, 0,
                        (int)(sizeof blocks / sizeof *blocks));
    tcase_add_test(tcase, a_quick_hash_is_of_time_key_and_size);
    suite_add_tcase(suite, tcase);
    return suite;
}
