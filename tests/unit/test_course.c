#include "backend/course.h"
#include "support/check_main.h"

#include <stdint.h>

START_TEST(carries_every_parameter_of_polls_in_the_id)
{
    static const char *const values[][2] = {
        {"seconds", "12.345"},
        {"polls", "2"},
        {"outcome", "a.b-c ~%/\"\xc3\xa9"},
        {"running", "x"},
        {"bare", "true"},
        {"status_field", "d.s"},
        {"run_id_field", "a.b"},
        {"result", "{\"a\":[1]}"},
        {"result_bytes", "77"},
        {"message", "m"},
        {"poll_delay", "0.5"},
        {"pending", "404"},
        {"pending_seconds", "2"},
        {"poll_fail", "503"},
        {"drop", "poll"},
        {"stall", "both"},
        {"garbage", "kickoff"},
        {"endless", "poll"},
        {"slow", "poll"},
        {"headers", "9000"},
        {"poll_fail_count", "3"},
        {"poll_fail_rate", "0.25"},
        {"retry_after", "9"},
        {"poll_fail_seconds", "4"},
        {"poll_redirects", "2"},
        {"redirect_code", "302"},
    };
    char why[COURSE_WHY_BYTES];
    struct course course;
    struct course back;
    struct buf id;
    course_init(&course);
    course_init(&back);
    buf_init(&id, 4096);
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        ck_assert_msg(course_set(&course, values[i][0], values[i][1], why) == 0, "%s", why);
    }
    course_settle(&course, 1700000000123, 987654321, 0);
    course_write(&course, &id);
    ck_assert(!buf_failed(&id));
    ck_assert_msg(course_read(&back, id.at), "%s", id.at);
    ck_assert_int_eq(back.start_ms, 1700000000123);
    ck_assert_uint_eq(back.serial, 987654321);
    ck_assert_int_eq(back.number[COURSE_SECONDS], 12345);
    ck_assert_int_eq(back.number[COURSE_POLL_FAIL_RATE], 250);
    ck_assert_int_eq(back.number[COURSE_STALL], PHASE_KICKOFF | PHASE_POLL);
    for (size_t i = 0; i < COURSE_N; i++) {
        ck_assert_int_eq(back.number[i], course.number[i]);
        ck_assert_pstr_eq(back.text[i], course.text[i]);
    }
    buf_deinit(&id);
    course_deinit(&back);
    course_deinit(&course);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("course");
    TCase *tests = tcase_create("all");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, carries_every_parameter_of_polls_in_the_id);
    return suite;
}
