#include "cli/doings.h"
#include "support/check_main.h"

#include <stdio.h>
#include <string.h>

#define NOW_MS INT64_C(1764000000000)

static struct doings doings;
static struct buf screen;

static void note(uint64_t place, const char *id, const char *state, int64_t age_ms)
{
    const struct rxp_pair metadata[] = {{"http.polls", "1"}, {"http.status", state}};
    const struct rxp_result result = {.invocation_id = id, .runtime_name = "x", .status = RXP_STATUS_RUNNING,
                                      .started_at_ms = NOW_MS - age_ms, .metadata = metadata,
                                      .n_metadata = state != NULL ? 2 : 1};
    doings_note(&doings, place, &result);
}

/* What is on the screen then. */
static const char *draw(size_t columns)
{
    buf_clear(&screen);
    doings_draw(&doings, NOW_MS, columns, &screen);
    ck_assert(!buf_failed(&screen));
    return screen.at != NULL ? screen.at : "";
}

static void setup(void)
{
    doings = (struct doings){0};
    buf_init(&screen, 65536);
}

static void teardown(void)
{
    buf_deinit(&screen);
}

START_TEST(each_is_shown_with_its_last_state_and_its_age_until_it_ends)
{
    note(7, "first", NULL, 3000);
    note(3, "second", "queued", 300000);
    note(7, "first", "running", 4000);
    char expected[256];
    snprintf(expected, sizeof expected, "\n  first   %-32s  %7s\033[K\n  second  %-32s  %7s\033[K", "running", "4 s", "queued",
             "5 min");
    ck_assert_str_eq(draw(80), expected);
    doings_end(&doings, 7);
    doings_end(&doings, 99);
    ck_assert_ptr_null(strstr(draw(80), "first"));
    ck_assert_ptr_nonnull(strstr(draw(80), "second"));
    doings_end(&doings, 3);
    ck_assert_str_eq(draw(80), "");
}
END_TEST

START_TEST(without_a_state_it_is_accepted)
{
    note(1, "a", NULL, 8000000);
    ck_assert_ptr_nonnull(strstr(draw(80), "accepted"));
    ck_assert_ptr_nonnull(strstr(draw(80), "2 h"));
}
END_TEST

START_TEST(no_more_are_shown_than_there_is_room_for_and_the_next_takes_a_place_that_is_left)
{
    char id[8];
    for (uint64_t i = 0; i < DOINGS_SHOWN + 3; i++) {
        snprintf(id, sizeof id, "run-%c", (char)('a' + i));
        note(i, id, "x", 0);
    }
    ck_assert_uint_eq(doings.n, DOINGS_SHOWN);
    ck_assert_ptr_null(strstr(draw(80), "run-i"));
    doings_end(&doings, 0);
    note(8, "run-i", "x", 0);
    ck_assert_ptr_nonnull(strstr(draw(80), "run-i"));
    ck_assert_ptr_nonnull(strstr(draw(80), "run-h"));
}
END_TEST

static const size_t widths[] = {1, 15, 16, 17, 20, 30, 40, 79, 80, 200};

/* Wider ones would be broken by the terminal, and the cursor would not find back. */
START_TEST(no_line_is_wider_than_the_terminal_nor_commands_it)
{
    char wide[600];
    memset(wide, 'w', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';
    note(1, wide, wide, 99000);
    note(2, "\033[2J\n\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "\a\r", -5);
    const char *at = draw(widths[_i]);
    size_t columns = 0;
    for (; *at != '\0'; at++) {
        if (strncmp(at, "\033[K", 3) == 0) {
            at += 2;
            continue;
        }
        ck_assert_msg(*at == '\n' || (unsigned char)*at >= ' ', "%s", screen.at);
        unsigned char byte = (unsigned char)*at;
        columns = byte == '\n' ? 0 : columns + (byte >= 0xc0 ? 2 : byte < 0x80 ? 1 : 0);
        ck_assert_uint_le(columns, widths[_i]);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("doings");
    TCase *tcase = tcase_create("doings");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_is_shown_with_its_last_state_and_its_age_until_it_ends);
    tcase_add_test(tcase, without_a_state_it_is_accepted);
    tcase_add_test(tcase, no_more_are_shown_than_there_is_room_for_and_the_next_takes_a_place_that_is_left);
    tcase_add_loop_test(tcase, no_line_is_wider_than_the_terminal_nor_commands_it, 0, sizeof widths / sizeof widths[0]);
    suite_add_tcase(suite, tcase);
    return suite;
}
