#include "kafka/membership.h"
#include "support/check_main.h"

static const struct {
    const char *member;
    const char *instance;
    int32_t generation;
    bool is_member;
} rows[] = {
    {"m-1", NULL, 3, true}, {"m-1", NULL, 0, true},    {"m-1", NULL, -1, false},  {"", NULL, 3, false},
    {"", NULL, -1, false},  {"m-1", "pod-1", 3, true}, {"", "pod-1", 3, false},
};

static void read_row(struct membership *membership, int row, bool is_member)
{
    rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata_new_with_genid(
        "workers", rows[row].generation, rows[row].member, rows[row].instance);
    ck_assert(membership_read(membership, metadata) == is_member);
    rd_kafka_consumer_group_metadata_destroy(metadata);
}

START_TEST(only_who_is_in_a_generation_under_an_id_is_a_member)
{
    struct membership membership = {0};
    read_row(&membership, _i, rows[_i].is_member);
    ck_assert((membership.text != NULL) == rows[_i].is_member);
    read_row(&membership, 0, true);
    ck_assert(!membership_read(&membership, NULL));
    ck_assert_ptr_null(membership.text);
}
END_TEST

START_TEST(it_is_the_same_with_the_same_id_in_the_same_generation_alone)
{
    static const int others[] = {1, 2, 3, 5};
    struct membership a = {0};
    struct membership b = {0};
    ck_assert(!membership_equals(&a, &b));
    read_row(&a, 0, true);
    read_row(&b, 0, true);
    ck_assert(membership_equals(&a, &b));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        read_row(&b, others[i], rows[others[i]].is_member);
        ck_assert(!membership_equals(&a, &b));
        ck_assert(!membership_equals(&b, &a));
    }
    membership_clear(&a);
    membership_clear(&b);
}
END_TEST

START_TEST(it_is_of_whoever_has_its_id)
{
    static const int own[] = {0, 1, 5};
    struct membership membership = {0};
    ck_assert(!membership_is_of(&membership, "m-1"));
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        read_row(&membership, own[i], true);
        ck_assert(membership_is_of(&membership, "m-1"));
        ck_assert(!membership_is_of(&membership, "m-11"));
        ck_assert(!membership_is_of(&membership, "m-"));
        ck_assert(!membership_is_of(&membership, ""));
        ck_assert(!membership_is_of(&membership, NULL));
    }
    membership_clear(&membership);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("membership");
    TCase *tcase = tcase_create("membership");
    tcase_add_loop_test(tcase, only_who_is_in_a_generation_under_an_id_is_a_member, 0, sizeof rows / sizeof *rows);
    tcase_add_test(tcase, it_is_the_same_with_the_same_id_in_the_same_generation_alone);
    tcase_add_test(tcase, it_is_of_whoever_has_its_id);
    suite_add_tcase(suite, tcase);
    return suite;
}
