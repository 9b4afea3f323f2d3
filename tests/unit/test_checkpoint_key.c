#include "kafka/checkpoint_key.h"
#include "support/check_main.h"

#include <string.h>

static struct checkpoint_key key_of(const char *group, const char *topic, int32_t partition, int64_t offset, uint64_t writer)
{
    return (struct checkpoint_key){group, strlen(group), topic, strlen(topic), partition, offset, writer};
}

static const struct {
    const char *group;
    const char *topic;
    int32_t partition;
    int64_t offset;
    uint64_t writer;
    const char *text;
} keys[] = {
    {"workers", "invocations", 0, 0, 1, "workers/invocations/0/0/0000000000000001"},
    {"g", "t", 12, 345, 0xfedcba9876543210, "g/t/12/345/fedcba9876543210"},
    {"a/b//c", "x.y_z-1", 7, 8, 0, "a/b//c/x.y_z-1/7/8/0000000000000000"},
    {"/", "t", 1, 1, 10, "//t/1/1/000000000000000a"},
    {"g/t/1/2/0000000000000003", "t", 4, 5, 6, "g/t/1/2/0000000000000003/t/4/5/0000000000000006"},
    {"gr\xc3\xbc\xc3\x9f", "t", INT32_MAX, INT64_MAX, UINT64_MAX,
     "gr\xc3\xbc\xc3\x9f/t/2147483647/9223372036854775807/ffffffffffffffff"},
};

START_TEST(a_key_is_written_and_read_back)
{
    char text[400];
    struct checkpoint_key key = key_of(keys[_i].group, keys[_i].topic, keys[_i].partition, keys[_i].offset, keys[_i].writer);
    int n = checkpoint_key_write(&key, text, sizeof text);
    ck_assert_int_eq(n, (int)strlen(keys[_i].text));
    ck_assert_str_eq(text, keys[_i].text);

    struct checkpoint_key found;
    ck_assert(checkpoint_key_parse(text, (size_t)n, &found));
    ck_assert_uint_eq(found.group_bytes, strlen(keys[_i].group));
    ck_assert_mem_eq(found.group, keys[_i].group, found.group_bytes);
    ck_assert_uint_eq(found.topic_bytes, strlen(keys[_i].topic));
    ck_assert_mem_eq(found.topic, keys[_i].topic, found.topic_bytes);
    ck_assert_int_eq(found.partition, keys[_i].partition);
    ck_assert_int_eq(found.offset, keys[_i].offset);
    ck_assert_uint_eq(found.writer, keys[_i].writer);
}
END_TEST

START_TEST(the_longest_key_has_room_in_what_the_header_promises)
{
    char topic[250];
    char text[1 + CHECKPOINT_KEY_TAIL_BYTES];
    struct checkpoint_key found;
    memset(topic, 't', 249);
    topic[249] = '\0';
    struct checkpoint_key key = key_of("g", topic, INT32_MAX, INT64_MAX, UINT64_MAX);
    int n = checkpoint_key_write(&key, text, sizeof text);
    ck_assert_int_eq(n, sizeof text - 1);
    ck_assert(checkpoint_key_parse(text, (size_t)n, &found));
    ck_assert_int_eq(checkpoint_key_write(&key, text, sizeof text - 1), -1);
}
END_TEST

static const char *const strange[] = {
    "",
    "g",
    CHECKPOINT_MARKER_KEY,
    "/",
    "////",
    "t/0/0/0000000000000001",                    /* no group */
    "/t/0/0/0000000000000001",                   /* an empty one */
    "g//0/0/0000000000000001",                   /* an empty topic */
    "g/t//0/0000000000000001",
    "g/t/0//0000000000000001",
    "g/t/0/0/",
    "g/t/00/0/0000000000000001",
    "g/t/0/01/0000000000000001",
    "g/t/+1/0/0000000000000001",
    "g/t/-1/0/0000000000000001",
    "g/t/ 1/0/0000000000000001",
    "g/t/1/0x1/0000000000000001",
    "g/t/2147483648/0/0000000000000001",
    "g/t/0/9223372036854775808/0000000000000001",
    "g/t/0/99999999999999999999/0000000000000001",
    "g/t/0/0/000000000000001",                   /* 15 digits */
    "g/t/0/0/00000000000000001",                 /* 17 */
    "g/t/0/0/000000000000000A",
    "g/t/0/0/000000000000000g",
    "g/t/0/0/0000000000000001/",
    "g/t/0/0/0000000000000001 ",
};

START_TEST(what_would_not_be_written_so_is_no_key)
{
    struct checkpoint_key found;
    ck_assert_msg(!checkpoint_key_parse(strange[_i], strlen(strange[_i]), &found), "%s", strange[_i]);
}
END_TEST

START_TEST(bytes_are_counted_not_terminated)
{
    static const char text[] = "g/t/0/0/00000000000000012";
    static const char nul[] = "g/t/0/0/000000000000000\0";
    struct checkpoint_key found;
    ck_assert(checkpoint_key_parse(text, strlen(text) - 1, &found));
    ck_assert_uint_eq(found.writer, 1);
    ck_assert(!checkpoint_key_parse(nul, sizeof nul - 1, &found));
    /* No group and no topic has one in its name, and it would not be written. */
    static const char within[] = "g\0/t/0/0/0000000000000001";
    ck_assert(!checkpoint_key_parse(within, sizeof within - 1, &found));
}
END_TEST

START_TEST(a_topic_that_no_broker_would_have_is_no_key)
{
    char text[400] = "g/";
    struct checkpoint_key found;
    memset(text + 2, 't', 250);
    strcpy(text + 252, "/0/0/0000000000000001");
    ck_assert(!checkpoint_key_parse(text, strlen(text), &found));
    ck_assert(checkpoint_key_parse(memcpy(text + 1, "g/", 2), strlen(text) - 1, &found));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("checkpoint_key");
    TCase *tcase = tcase_create("key");
    tcase_add_loop_test(tcase, a_key_is_written_and_read_back, 0, sizeof keys / sizeof *keys);
    tcase_add_test(tcase, the_longest_key_has_room_in_what_the_header_promises);
    tcase_add_loop_test(tcase, what_would_not_be_written_so_is_no_key, 0, sizeof strange / sizeof *strange);
    tcase_add_test(tcase, bytes_are_counted_not_terminated);
    tcase_add_test(tcase, a_topic_that_no_broker_would_have_is_no_key);
    suite_add_tcase(suite, tcase);
    return suite;
}
