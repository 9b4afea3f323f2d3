/* An envelope holds what librdkafka's headers hold, byte for byte. */
#include "support/check_main.h"

#include "core/envelope.h"

#include <stdlib.h>
#include <string.h>

/* Of exactly as many bytes as it says it needs, so that a sanitizer sees one too many read. */
static struct envelope seal(const void *key, size_t key_bytes, const rd_kafka_headers_t *headers)
{
    size_t n = envelope_measure(key, key_bytes, headers);
    unsigned char *bytes = malloc(n > 0 ? n : 1);
    memset(bytes, 0xa5, n > 0 ? n : 1);
    envelope_write(bytes, key, key_bytes, headers);
    return (struct envelope){bytes, n};
}

static void drop(struct envelope envelope)
{
    free((void *)(uintptr_t)envelope.bytes);
}

static void must_hold(struct envelope envelope, const rd_kafka_headers_t *headers)
{
    const char *name;
    const void *value;
    size_t value_bytes;
    struct envelope_header header;
    size_t at = 0;
    size_t i = 0;
    for (; rd_kafka_header_get_all(headers, i, &name, &value, &value_bytes) == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        ck_assert(envelope_next(envelope, &at, &header));
        ck_assert_str_eq(header.name, name);
        ck_assert_uint_eq(header.value_bytes, value_bytes);
        ck_assert((header.value == NULL) == (value == NULL));
        if (value != NULL) {
            ck_assert_int_eq(memcmp(header.value, value, value_bytes), 0);
            ck_assert_int_eq(header.value[value_bytes], '\0');
        }
        const void *last = NULL;
        ck_assert_int_eq(rd_kafka_header_get_last(headers, name, &last, &value_bytes), RD_KAFKA_RESP_ERR_NO_ERROR);
        ck_assert(envelope_find_last(envelope, name, &header));
        ck_assert_uint_eq(header.value_bytes, value_bytes);
        ck_assert(last == NULL ? header.value == NULL : memcmp(header.value, last, value_bytes) == 0);
    }
    ck_assert(!envelope_next(envelope, &at, &header));
    ck_assert(!envelope_find_last(envelope, "nobody", &header));
    ck_assert(envelope_has_headers(envelope) == (i > 0));
}

static void must_have_key(struct envelope envelope, const void *key, size_t key_bytes)
{
    size_t bytes = 4711;
    const void *found = envelope_key(envelope, &bytes);
    ck_assert((found == NULL) == (key == NULL));
    ck_assert_uint_eq(bytes, key != NULL ? key_bytes : 0);
    if (key != NULL)
        ck_assert_int_eq(memcmp(found, key, key_bytes), 0);
}

static size_t random_size(void)
{
    static const size_t sizes[] = {0, 1, 3, 9, 126, 127, 128, 300, 16382, 16383, 16384, 70000};
    return sizes[(size_t)rand() % (sizeof sizes / sizeof *sizes)];
}

static char *random_bytes(size_t n)
{
    char *bytes = malloc(n + 1);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(rand() % 4 == 0 ? 0 : rand());
    bytes[n] = '\0';
    return bytes;
}

static void add_random(rd_kafka_headers_t *headers)
{
    static const char *const names[] = {"", "a", "a", "b", "traceparent", "kafka_replyTopic", "\xc3\xa4", "A"};
    size_t n = random_size();
    char *value = random_bytes(n);
    const char *name = names[(size_t)rand() % 8];
    bool is_null = rand() % 6 == 0;
    ck_assert_int_eq(rd_kafka_header_add(headers, name, -1, is_null ? NULL : value, is_null ? 0 : (ssize_t)n),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    free(value);
}

START_TEST(any_key_and_headers_come_back_as_they_were)
{
    srand((unsigned)_i);
    for (int round = 0; round < 100; round++) {
        size_t key_bytes = random_size();
        char *bytes = random_bytes(key_bytes);
        const void *key = rand() % 4 == 0 ? NULL : bytes;
        int n = rand() % 6;
        rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
        for (int i = 0; i < n; i++)
            add_random(headers);
        struct envelope envelope = seal(key, key_bytes, headers);
        must_have_key(envelope, key, key_bytes);
        must_hold(envelope, headers);
        drop(envelope);
        rd_kafka_headers_destroy(headers);
        free(bytes);
    }
}
END_TEST

START_TEST(what_is_not_there_takes_no_bytes)
{
    rd_kafka_headers_t *none = rd_kafka_headers_new(1);
    ck_assert_uint_eq(envelope_measure(NULL, 9, NULL), 0);
    ck_assert_uint_eq(envelope_measure(NULL, 0, none), 0);
    ck_assert_uint_eq(envelope_measure("", 0, NULL), 1);
    ck_assert_uint_eq(envelope_measure("order-017", 9, none), 10);
    struct envelope empty = {NULL, 0};
    must_have_key(empty, NULL, 0);
    must_hold(empty, none);
    rd_kafka_header_add(none, "n", -1, "v", -1);
    ck_assert_uint_eq(envelope_measure(NULL, 0, none), 6);
    rd_kafka_headers_destroy(none);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("envelope");
    TCase *tcase = tcase_create("envelope");
    tcase_add_loop_test(tcase, any_key_and_headers_come_back_as_they_were, 0, 10);
    tcase_add_test(tcase, what_is_not_there_takes_no_bytes);
    suite_add_tcase(suite, tcase);
    return suite;
}
