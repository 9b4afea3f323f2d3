#define MAX_TRANSFERS 9000
#include "support/runner_stage.h"

#include "engine/driver.h"
#include "engine/line.h"
#include "engine/nap.h"

#define FIRST_SEATS 4
#define MANY 2000
#define MANY_SEATS 256

static bool sleeps(const struct subject *subject)
{
    return subject->run->nap != NULL;
}

/* Between their polls, of which the first is answered: all at the origin that the template names, asleep if they can. */
static struct subject *rest_at(const char *template, const char *id, int64_t after_ms)
{
    struct subject *subject = subject_new();
    size_t before = n_transfers;
    char retry_after[24];
    subject->timeout = "3600";
    subject->id = id;
    subject->poll_url_template = template;
    submit(subject);
    turn();
    ck_assert_uint_eq(n_transfers, before + 1);
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    begin(last());
    snprintf(retry_after, sizeof retry_after, "%lld", (long long)(after_ms / 1000));
    answer_with(last(), 200, "{\"status\":\"running\"}", retry_after, NULL);
    return subject;
}

#define B "http://b.example/runs/{run_id}"
#define C "http://c.example/runs/{run_id}"

static struct subject *rest(int64_t after_ms)
{
    return rest_at(B, "inv-1", after_ms);
}

static void with_seats(size_t seats)
{
    config.line_seats = seats;
    config.nap_least_ms = 0;
    config.poll_max_failures = 1000;
}

/* n of them, which are due now. Those that came first first. */
static struct subject *crowd(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        (void)rest(100000 + (int64_t)i * 1000);
    }
    struct subject *first = &subjects[n_subjects - n];
    size_t before = n_transfers;
    turn_at(now_ms + 100000 + (int64_t)n * 1000);
    ck_assert_uint_le(n_transfers - before, n);
    return first;
}

static size_t n_awake(void)
{
    size_t n = 0;
    for (size_t i = 0; i < n_subjects; i++) {
        n += subjects[i].run != NULL && subjects[i].run->awake != NULL;
    }
    return n;
}

/* How many polls of it are started. */
static bool is_under_way(const struct subject *subject)
{
    return subject->run != NULL && subject->run->awake != NULL && subject->run->awake->transfer != NULL;
}

static struct transfer *transfer_of(const struct subject *subject)
{
    ck_assert(is_under_way(subject));
    return subject->run->awake->transfer;
}

static void poll_answered(struct subject *subject, const char *state)
{
    char body[64];
    struct transfer *transfer = transfer_of(subject);
    snprintf(body, sizeof body, "{\"status\":\"%s\"}", state);
    begin(transfer);
    answer(transfer, 200, body);
}

/* ---- who waits ---- */

START_TEST(runs_that_are_due_where_enough_wait_already_sleep_on)
{
    with_seats(MANY_SEATS);
    struct subject *first = crowd(MANY);
    ck_assert_uint_eq(n_awake(), 2 * MANY_SEATS); /* the first of them came before there were many */
    ck_assert_int_eq(in_phase(METRIC_PHASE_POLL), MANY); /* of whom it looks so to people */
    /* The origin is well again: each gets its poll, in the order in which they were due. */
    for (size_t i = 0; i < MANY; i++) {
        ck_assert(is_under_way(&first[i]));
        ck_assert(i < MANY_SEATS || i + MANY_SEATS >= MANY || !is_under_way(&first[i + MANY_SEATS]));
        poll_answered(&first[i], "completed");
        ck_assert_int_eq(first[i].outcome.status, RXP_STATUS_SUCCEEDED);
        ck_assert_int_eq(first[i].polls, 2);
        ck_assert_int_eq(runner_next_ms(&runner) == INT64_MIN, i >= MANY_SEATS && i + MANY_SEATS < MANY);
        turn();
        ck_assert_uint_le(n_awake(), 2 * MANY_SEATS);
    }
    ck_assert_uint_eq(runner.n_runs, 0);
}
END_TEST

START_TEST(without_a_limit_all_wake)
{
    with_seats(0);
    (void)crowd(20);
    ck_assert_uint_eq(n_awake(), 20);
    ck_assert_ptr_null(runner.lines);
}
END_TEST

START_TEST(few_requests_need_no_line)
{
    with_seats(FIRST_SEATS);
    (void)crowd(FIRST_SEATS);
    ck_assert_uint_eq(n_awake(), FIRST_SEATS);
    ck_assert_ptr_null(runner.lines);
}
END_TEST

/* 2 x 4 of them at one origin; those of another go. */
START_TEST(an_origin_that_hangs_keeps_no_other_waiting)
{
    with_seats(FIRST_SEATS);
    struct subject *other = rest_at(C, "inv-c", 1000000);
    struct subject *first = crowd(30);
    size_t before = n_transfers;
    ck_assert(!is_under_way(&first[29]));
    turn_at(now_ms + 1000000);
    ck_assert(is_under_way(other));
    ck_assert_uint_eq(n_transfers, before + 1);
    ck_assert_str_eq(last()->url, "http://c.example/runs/r1");
}
END_TEST

/* One of each line in turn. */
START_TEST(lines_take_turns)
{
    with_seats(1);
    struct subject *holders[2];
    struct subject *waiting[2][3];
    (void)crowd(1);
    const char *const templates[] = {B, C};
    for (int i = 0; i < 2; i++) {
        holders[i] = rest_at(templates[i], "inv-1", 5000);
        turn_at(now_ms + 5000);
        ck_assert(is_under_way(holders[i]));
        for (int j = 0; j < 3; j++) {
            waiting[i][j] = rest_at(templates[i], "inv-1", 5000);
            turn_at(now_ms + 5000);
            ck_assert(sleeps(waiting[i][j]));
        }
    }
    begin(transfer_of(holders[0]));
    begin(transfer_of(holders[1]));
    for (int j = 0; j < 3; j++) {
        turn();
        for (int i = 0; i < 2; i++) {
            ck_assert(is_under_way(waiting[i][j]));
            ck_assert(j == 2 || sleeps(waiting[i][j + 1]));
            begin(transfer_of(waiting[i][j]));
        }
    }
}
END_TEST

START_TEST(who_waits_is_told_of_as_one_that_polls)
{
    with_seats(1);
    struct subject *first = crowd(5);
    ck_assert(sleeps(&first[4]));
    ck_assert_int_eq(first[4].run->phase, METRIC_PHASE_POLL);
    ck_assert_int_eq(in_phase(METRIC_PHASE_WAIT), 0);
}
END_TEST

/* It has too much to sleep, or rests too shortly for it: it waits as well, awake, behind those that came before it. */
START_TEST(one_that_cannot_sleep_waits_its_turn_too)
{
    with_seats(1);
    struct subject *first = crowd(5);
    config.nap_least_ms = INT64_MAX;
    struct subject *awake = rest(5000);
    turn_at(now_ms + 5000);
    ck_assert(!sleeps(awake) && !is_under_way(awake));
    for (int i = 0; i < 5; i++) {
        ck_assert(is_under_way(&first[i]));
        ck_assert(!is_under_way(awake));
        begin(transfer_of(&first[i]));
        turn();
    }
    ck_assert(is_under_way(awake));
}
END_TEST

/* It would poll again in half a second: in the line it sleeps nevertheless. */
START_TEST(one_that_polls_often_falls_asleep_in_the_line)
{
    with_seats(1);
    (void)crowd(5);
    config.nap_least_ms = 1000;
    struct subject *often = subject_new();
    often->timeout = "3600";
    often->metadata = ",\"http.poll_interval_seconds\":\"0.5\"";
    submit(often);
    turn();
    begin(last());
    answer(last(), 202, "{\"id\":\"r1\"}");
    begin(last());
    answer(last(), 200, "{\"status\":\"running\"}");
    ck_assert(!sleeps(often));
    turn_at(now_ms + 500);
    ck_assert(sleeps(often));
}
END_TEST

/* ---- a seat is free again ---- */

enum way { WAY_BEGUN, WAY_FAILED, WAY_CANCELLED, WAY_TIMED_OUT, WAY_ABANDONED, WAY_GONE, WAYS };

static void lose_seat(struct subject *subject, int way)
{
    switch ((enum way)way) {
    case WAY_BEGUN:
        begin(transfer_of(subject));
        break;
    case WAY_FAILED: /* before it began: its host is refused */
        break_off(transfer_of(subject), TRANSPORT_EGRESS, false);
        break;
    case WAY_CANCELLED:
        subject->is_cancelled = true;
        runner_command(&runner, RUNNER_ASK, now_ms);
        break;
    case WAY_TIMED_OUT:
        subject->run->cycle.deadline_ms = now_ms;
        subject->run->timer.at_ms = now_ms;
        driver_wake(subject->run, now_ms);
        break;
    case WAY_ABANDONED:
        tenure_set(&subject->tenure, TENURE_OVER);
        runner_command(&runner, RUNNER_SWEEP, now_ms);
        break;
    case WAY_GONE: /* as it would leave the queue */
        tenure_set(&subject->tenure, TENURE_OVER);
        begin(transfer_of(subject));
        break;
    case WAYS:
        break;
    }
    turn();
}

START_TEST(the_next_goes_however_one_leaves_its_seat)
{
    with_seats(2);
    struct subject *first = crowd(12); /* two in no line, two seated */
    ck_assert(is_under_way(&first[2]) && is_under_way(&first[3]) && !is_under_way(&first[4]));
    lose_seat(&first[2], _i);
    ck_assert(is_under_way(&first[4]));
    ck_assert(!is_under_way(&first[5]));
    lose_seat(&first[4], _i);
    ck_assert(is_under_way(&first[5]));
    ck_assert(!is_under_way(&first[6]));
}
END_TEST

START_TEST(a_poll_that_there_is_no_memory_for_leaves_its_seat)
{
    with_seats(1);
    struct subject *first = crowd(5);
    out_of_memory = true;
    begin(transfer_of(&first[1])); /* the next lacks it, and all behind it */
    turn();
    out_of_memory = false;
    for (int i = 2; i < 5; i++) {
        ck_assert(!is_under_way(&first[i]));
    }
    turn_at(now_ms + 60000);
    ck_assert_int_eq(is_under_way(&first[2]) + is_under_way(&first[3]) + is_under_way(&first[4]), 1);
}
END_TEST

/* ---- while it waits ---- */

/* 0: by a walk of all; 1: along the roll. */
START_TEST(one_that_waits_is_cancelled)
{
    with_seats(1);
    struct subject *first = crowd(6);
    if (_i == 0) {
        runner_command(&runner, RUNNER_CANCEL, now_ms);
    } else {
        first[4].is_cancelled = true;
        runner_command(&runner, RUNNER_ASK, now_ms);
    }
    turn();
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(first[i].ended, _i == 0 || i == 4);
        ck_assert(first[i].ended == 0 || first[i].outcome.status == RXP_STATUS_CANCELLED);
        ck_assert(first[i].ended == 0 || i < 2 || first[i].polls == 1);
    }
}
END_TEST

START_TEST(one_that_waits_ends_at_its_deadline)
{
    with_seats(1);
    struct subject *first = crowd(3);
    struct subject *short_lived = rest(5000);
    int64_t deadline_ms = now_ms + 20000;
    short_lived->run->cycle.deadline_ms = deadline_ms;
    turn_at(now_ms + 5000);
    ck_assert(sleeps(short_lived));
    turn_at(deadline_ms - 1);
    ck_assert_int_eq(short_lived->ended, 0);
    turn_at(deadline_ms);
    ck_assert_int_eq(short_lived->outcome.status, RXP_STATUS_TIMED_OUT);
    ck_assert_int_eq(short_lived->outcome.error, RXP_ERROR_POLL_TIMEOUT);
    ck_assert_int_eq(short_lived->polls, 1);
    ck_assert(sleeps(&first[2]));
}
END_TEST

/* It ends as it is, in each of these ways. */
START_TEST(one_that_waits_is_abandoned_asleep)
{
    static const unsigned commands[] = {RUNNER_ABANDON, RUNNER_PARK, RUNNER_SWEEP};
    with_seats(1);
    config.resumable = true;
    struct subject *first = crowd(6);
    plans_to_fail = 100;
    for (int i = 0; i < 6; i++) {
        tenure_set(&first[i].tenure, commands[_i] == RUNNER_SWEEP ? TENURE_ENDING : TENURE_HELD);
    }
    runner_command(&runner, commands[_i], now_ms);
    turn();
    ck_assert_int_eq(plans_to_fail, 100);
    for (int i = 0; i < 6; i++) {
        ck_assert(first[i].abandoned);
        ck_assert_str_eq(first[i].note_url, "http://b.example/runs/r1");
    }
}
END_TEST

/* A walk that ends none of them changes nothing, and takes nobody's turn. The seat is left 0: after its beginning; 1: before. */
START_TEST(a_sweep_leaves_the_line_as_it_was)
{
    with_seats(1);
    struct subject *first = crowd(10);
    first[5].tenure = TENURE_OVER;
    if (_i == 1) {
        begin(transfer_of(&first[1]));
    }
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    runner_command(&runner, RUNNER_SWEEP, now_ms);
    if (_i == 0) {
        begin(transfer_of(&first[1]));
    }
    turn();
    ck_assert(first[5].abandoned);
    for (int i = 2; i < 10; i++) {
        if (i == 5) {
            continue;
        }
        ck_assert(is_under_way(&first[i]));
        ck_assert(i == 9 || !is_under_way(&first[i == 4 ? 6 : i + 1]));
        begin(transfer_of(&first[i]));
        turn();
    }
}
END_TEST

/* Timers come before the walk: it is due, and waits, before it is told. */
START_TEST(one_that_comes_to_wait_while_others_are_told_is_told_too)
{
    with_seats(1);
    (void)crowd(3);
    struct subject *last_one = rest(5000);
    struct subject *other = rest(5000);
    last_one->tenure = TENURE_OVER;
    runner_command(&runner, _i == 0 ? RUNNER_ABANDON : RUNNER_SWEEP, now_ms);
    turn_at(now_ms + 5000);
    ck_assert(last_one->abandoned);
    ck_assert_int_eq(other->ended, _i == 0);
    ck_assert(_i == 0 || line_has_waiting(other->run));
}
END_TEST

/* ---- without memory ---- */

START_TEST(without_memory_to_wake_its_turn_is_kept)
{
    with_seats(1);
    struct subject *first = crowd(5);
    plans_to_fail = 2;
    begin(transfer_of(&first[1]));
    turn();
    ck_assert(sleeps(&first[2]) && sleeps(&first[3]));
    ck_assert_int_eq(plans_to_fail, 1); /* nobody else was tried */
    turn_at(now_ms + 1000);
    ck_assert_int_eq(plans_to_fail, 0);
    ck_assert(sleeps(&first[2]) && sleeps(&first[3]));
    turn_at(now_ms + 1000);
    ck_assert(is_under_way(&first[2]));
    ck_assert(sleeps(&first[3]));
}
END_TEST

START_TEST(a_cancel_in_the_line_that_lacks_memory_is_not_forgotten)
{
    with_seats(1);
    struct subject *first = crowd(5);
    first[3].is_cancelled = true;
    plans_to_fail = 2;
    runner_command(&runner, RUNNER_ASK, now_ms);
    turn();
    first[3].is_cancelled = false;
    ck_assert(sleeps(&first[3]));
    turn_at(now_ms + 1000);
    ck_assert(sleeps(&first[3]));
    turn_at(now_ms + 1000);
    ck_assert_int_eq(first[3].outcome.status, RXP_STATUS_CANCELLED);
    begin(transfer_of(&first[1]));
    turn();
    begin(transfer_of(&first[2]));
    turn();
    ck_assert(is_under_way(&first[4]));
}
END_TEST

/* So many origins at once as there are numbers, and some again. */
START_TEST(lines_come_and_go)
{
    static char templates[40][48];
    with_seats(1);
    (void)crowd(1);
    for (int round = 0; round < 3; round++) {
        struct subject *polling[40];
        for (int i = 0; i < 40; i++) {
            snprintf(templates[i], sizeof templates[i], "http://b%d.example/runs/{run_id}", i);
            polling[i] = rest_at(templates[i], "inv-1", 5000);
            turn_at(now_ms + 5000);
            ck_assert(is_under_way(polling[i]));
            ck_assert_uint_ne(polling[i]->run->line, 0);
        }
        for (int i = 0; i < 40; i++) {
            poll_answered(polling[(i * 7) % 40], "completed");
        }
    }
    struct subject *holder = rest(5000);
    turn_at(now_ms + 5000);
    ck_assert(is_under_way(holder));
    struct subject *waiting = rest(5000);
    turn_at(now_ms + 5000);
    ck_assert(sleeps(waiting));
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner_lines");
    TCase *tests = tcase_create("runner_lines");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, runs_that_are_due_where_enough_wait_already_sleep_on);
    tcase_add_test(tests, without_a_limit_all_wake);
    tcase_add_test(tests, few_requests_need_no_line);
    tcase_add_test(tests, an_origin_that_hangs_keeps_no_other_waiting);
    tcase_add_test(tests, lines_take_turns);
    tcase_add_test(tests, who_waits_is_told_of_as_one_that_polls);
    tcase_add_test(tests, one_that_cannot_sleep_waits_its_turn_too);
    tcase_add_test(tests, one_that_polls_often_falls_asleep_in_the_line);
    tcase_add_loop_test(tests, the_next_goes_however_one_leaves_its_seat, 0, WAYS);
    tcase_add_test(tests, a_poll_that_there_is_no_memory_for_leaves_its_seat);
    tcase_add_loop_test(tests, one_that_waits_is_cancelled, 0, 2);
    tcase_add_test(tests, one_that_waits_ends_at_its_deadline);
    tcase_add_loop_test(tests, one_that_waits_is_abandoned_asleep, 0, 3);
    tcase_add_loop_test(tests, a_sweep_leaves_the_line_as_it_was, 0, 2);
    tcase_add_loop_test(tests, one_that_comes_to_wait_while_others_are_told_is_told_too, 0, 2);
    tcase_add_test(tests, without_memory_to_wake_its_turn_is_kept);
    tcase_add_test(tests, a_cancel_in_the_line_that_lacks_memory_is_not_forgotten);
    tcase_add_test(tests, lines_come_and_go);
    suite_add_tcase(suite, tests);
    return suite;
}
