/* What the gate that loops share has to say at an origin: rates, the breaker, and who has waited too long. */
#include "ops/log.h"
#include "support/origin_stage.h"

#define FAILURES 3
#define PROBE_MS 5000
#define MAX_WAIT_MS 60000

static struct gates *gates;
static struct gate *gate; /* of A */
static struct origins *others; /* another loop's */

static void setup_with(double kickoffs_per_second, double requests_per_second)
{
    const struct gates_config of_gates = {.kickoffs_per_second = kickoffs_per_second,
                                          .requests_per_second = requests_per_second,
                                          .breaker_failures = FAILURES,
                                          .breaker_probe_ms = PROBE_MS};
    log_set_level(LOG_ERROR);
    gates = gates_new(&of_gates);
    const struct origins_config config = {
        .max_active = 8, .max_total = 100, .gates = gates, .kickoff_max_wait_ms = MAX_WAIT_MS};
    origins = origins_new(&config);
    others = origins_new(&config);
    gate = gates_get(gates, A, 0);
    origins_turn(origins, 1000);
    origins_turn(others, 1000);
}

static void setup(void)
{
    setup_with(0, 0);
}

static void teardown_all(void)
{
    teardown();
    origins_free(others);
    gate_release(gate, 0);
    gates_free(gates);
}

static void break_gate(int64_t now_ms)
{
    for (int i = 0; i < FAILURES; i++) {
        gate_failed(gate, now_ms);
    }
}

/* Lets go what may, there and then; how many. */
static size_t go_all(int64_t now_ms)
{
    struct origin_claim *claim;
    size_t n = 0;
    origins_turn(origins, now_ms);
    while ((claim = origins_next(origins)) != NULL) {
        origins_went(origins, claim);
        origins_opened(origins, claim);
        n++;
    }
    ck_assert(!origins_has_next(origins));
    return n;
}

/* The same; each has come and gone at once. */
static size_t pass_all(int64_t now_ms)
{
    struct origin_claim *claim;
    size_t n = 0;
    origins_turn(origins, now_ms);
    while ((claim = origins_next(origins)) != NULL) {
        origins_went(origins, claim);
        origins_opened(origins, claim);
        origins_leave(origins, claim);
        n++;
    }
    return n;
}

static size_t overdue(void)
{
    struct origin_claim *claim;
    size_t n = 0;
    while ((claim = origins_take_overdue(origins)) != NULL) {
        ck_assert_int_eq(claim->place, ORIGIN_NOWHERE);
        n++;
    }
    ck_assert(!origins_have_overdue(origins));
    return n;
}

/* ---- rates ---- */

/* at 10 a second: time, how many have gone by then, when to look again */
static const struct {
    int64_t at_ms;
    size_t gone;
    int64_t next_ms;
} ten_a_second[] = {
    {1000, 1, 1080}, {1001, 1, 1080}, {1079, 1, 1080}, {1080, 2, 1180},
    {1200, 3, 1280}, {1275, 3, 1280}, {1300, 4, 1380}, {1999, 11, 2080},
};

START_TEST(kickoffs_keep_their_rate)
{
    struct origin_claim kickoffs[20];
    struct origin_claim polls[3];
    size_t gone = 0;
    setup_with(10, 0);
    enter(kickoffs, 20, A, ORIGIN_KICKOFF);
    /* At most so late that no slot is lost. */
    for (int64_t at_ms = 1000; at_ms <= ten_a_second[_i].at_ms; at_ms += 10) {
        gone += pass_all(at_ms);
    }
    gone += pass_all(ten_a_second[_i].at_ms);
    ck_assert_uint_eq(gone, ten_a_second[_i].gone);
    ck_assert_int_eq(origins_next_ms(origins), ten_a_second[_i].next_ms);
    enter(polls, 3, A, ORIGIN_POLL);
    ck_assert_uint_eq(pass_all(ten_a_second[_i].at_ms), 3);
    leave(kickoffs, 20);
}
END_TEST

START_TEST(one_origin_s_rate_is_not_another_s)
{
    struct origin_claim kickoffs[4];
    setup_with(10, 0);
    enter(kickoffs, 2, A, ORIGIN_KICKOFF);
    enter(kickoffs + 2, 2, B, ORIGIN_KICKOFF);
    ck_assert_uint_eq(go_all(1000), 2);
    ck_assert_int_eq(kickoffs[0].place, ORIGIN_OPEN);
    ck_assert_int_eq(kickoffs[2].place, ORIGIN_OPEN);
    leave(kickoffs, 4);
}
END_TEST

START_TEST(a_rate_of_requests_holds_polls_and_kickoffs_polls_first)
{
    struct origin_claim kickoffs[2];
    struct origin_claim polls[2];
    setup_with(0, 10);
    enter(kickoffs, 2, A, ORIGIN_KICKOFF);
    enter(polls, 2, A, ORIGIN_POLL);
    ck_assert_uint_eq(go_all(1000), 1);
    ck_assert_uint_eq(go_all(1080), 1);
    ck_assert_uint_eq(count(polls, 2, ORIGIN_OPEN), 2);
    ck_assert_uint_eq(go_all(1081), 0);
    ck_assert_uint_eq(go_all(1180), 1);
    ck_assert_uint_eq(count(kickoffs, 2, ORIGIN_OPEN), 1);
    leave(polls, 2);
    leave(kickoffs, 2);
}
END_TEST

START_TEST(loops_take_turns_at_a_rate)
{
    struct origin_claim mine[6];
    struct origin_claim theirs[6];
    size_t of_theirs = 0;
    setup_with(10, 0);
    enter(mine, 6, A, ORIGIN_KICKOFF);
    for (int i = 0; i < 6; i++) {
        origin_claim_init(&theirs[i]);
        ck_assert_int_eq(origins_enter(others, &theirs[i], A, ORIGIN_KICKOFF, ORIGIN_LAST), 0);
    }
    size_t of_mine = 0;
    for (int64_t at_ms = 1000; at_ms < 1600; at_ms += 10) {
        struct origin_claim *claim;
        of_mine += pass_all(at_ms); /* always the first to ask */
        origins_turn(others, at_ms);
        while ((claim = origins_next(others)) != NULL) {
            origins_went(others, claim);
            origins_leave(others, claim);
            of_theirs++;
        }
    }
    ck_assert_uint_eq(of_mine + of_theirs, 7);
    ck_assert_uint_eq(of_theirs, 3);
    leave(mine, 6);
    for (int i = 0; i < 6; i++) {
        origins_leave(others, &theirs[i]);
    }
}
END_TEST

START_TEST(what_does_not_go_leaves_its_slot_to_the_next)
{
    struct origin_claim kickoffs[4];
    setup_with(10, 10);
    enter(kickoffs, 4, A, ORIGIN_KICKOFF);
    origins_turn(origins, 1000);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[0]);
    ck_assert_ptr_null(origins_next(origins));
    origins_leave(origins, &kickoffs[0]);
    ck_assert_ptr_null(origins_next(origins)); /* it waits for the slot that it has */
    origins_turn(origins, 1080);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[1]);
    origins_hold(origins, &kickoffs[1]);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[2]);
    origins_went(origins, &kickoffs[2]);
    origins_release(origins, &kickoffs[1]);
    ck_assert_ptr_null(origins_next(origins));
    leave(kickoffs, 4);
    /* nobody waits: what was reserved is given back */
    ck_assert_int_le(gate_reserve(gate, GATE_KICKOFFS, 1180), 1180);
}
END_TEST

START_TEST(a_later_hop_waits_for_no_rate_but_counts)
{
    struct origin_claim hops[2];
    struct origin_claim kickoff;
    setup_with(10, 0);
    for (int i = 0; i < 2; i++) {
        origin_claim_init(&hops[i]);
        ck_assert_int_eq(origins_enter(origins, &hops[i], A, ORIGIN_KICKOFF, ORIGIN_FIRST), 0);
    }
    ck_assert_uint_eq(go_all(1000), 2);
    enter(&kickoff, 1, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(go_all(1000), 0);
    ck_assert_uint_eq(go_all(1179), 0);
    ck_assert_uint_eq(go_all(1180), 1);
    leave(hops, 2);
    leave(&kickoff, 1);
}
END_TEST

/* ---- the breaker ---- */

START_TEST(while_the_breaker_is_open_a_probe_goes_and_polls)
{
    struct origin_claim kickoffs[4];
    struct origin_claim polls[2];
    setup();
    break_gate(1000);
    enter(kickoffs, 4, A, ORIGIN_KICKOFF);
    enter(polls, 2, A, ORIGIN_POLL);
    ck_assert_uint_eq(go_all(1000), 2);
    ck_assert_int_eq(origins_next_ms(origins), 1000 + GATE_LOOK_MS);
    ck_assert_uint_eq(go_all(1000 + PROBE_MS - 1), 0);
    ck_assert_uint_eq(go_all(1000 + PROBE_MS), 1);
    ck_assert_uint_eq(go_all(1000 + 2 * PROBE_MS), 1);
    ck_assert_int_eq(gate_progress_ms(gate), 0);
    /* the answer comes to another loop */
    gate_answered(gate, 12000);
    ck_assert_uint_eq(go_all(12000 + GATE_LOOK_MS), 2);
    leave(kickoffs, 4);
    leave(polls, 2);
}
END_TEST

/* What becomes of a probe that is handed out, so that it does not go. */
static const struct {
    bool is_held;
} not_gone[] = {{true}, {false}};

START_TEST(a_probe_that_does_not_go_is_the_next_one_s)
{
    struct origin_claim kickoffs[2];
    setup();
    break_gate(1000);
    enter(kickoffs, 2, A, ORIGIN_KICKOFF);
    origins_turn(origins, 6000);
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[0]);
    if (not_gone[_i].is_held) {
        origins_hold(origins, &kickoffs[0]);
    } else {
        origins_leave(origins, &kickoffs[0]);
    }
    ck_assert_ptr_eq(origins_next(origins), &kickoffs[1]);
    origins_went(origins, &kickoffs[1]);
    leave(kickoffs, 2);
    ck_assert_int_eq(gate_ask(gate, 6000), GATE_WAIT);
}
END_TEST

START_TEST(the_hop_of_a_kickoff_minds_no_breaker)
{
    struct origin_claim hop;
    setup();
    break_gate(1000);
    origin_claim_init(&hop);
    ck_assert_int_eq(origins_enter(origins, &hop, A, ORIGIN_KICKOFF, ORIGIN_FIRST), 0);
    ck_assert_uint_eq(go_all(1000), 1);
    ck_assert_int_eq(gate_ask(gate, 1000 + PROBE_MS), GATE_PROBE);
    leave(&hop, 1);
}
END_TEST

/* ---- who has waited too long ---- */

START_TEST(behind_an_open_breaker_a_kickoff_waits_so_long)
{
    struct origin_claim kickoffs[3];
    setup();
    break_gate(1000);
    enter(kickoffs, 2, A, ORIGIN_KICKOFF);
    origins_turn(origins, 31000); /* a probe might go; it is not asked for */
    enter(kickoffs + 2, 1, A, ORIGIN_KICKOFF);
    origins_turn(origins, 1000 + MAX_WAIT_MS - 1);
    ck_assert_uint_eq(overdue(), 0);
    origins_turn(origins, 1000 + MAX_WAIT_MS);
    ck_assert(origins_have_overdue(origins));
    ck_assert_uint_eq(overdue(), 2);
    ck_assert_int_eq(kickoffs[2].place, ORIGIN_QUEUED);
    for (int64_t at_ms = 62000; at_ms < 31000 + MAX_WAIT_MS; at_ms += 100) {
        origins_turn(origins, at_ms);
        ck_assert_uint_eq(overdue(), 0);
    }
    origins_turn(origins, 31000 + MAX_WAIT_MS);
    ck_assert_uint_eq(overdue(), 1);
}
END_TEST

START_TEST(probes_are_no_progress)
{
    struct origin_claim kickoffs[30];
    setup();
    break_gate(1000);
    enter(kickoffs, 30, A, ORIGIN_KICKOFF);
    size_t probes = 0;
    size_t late = 0;
    for (int64_t at_ms = 1000; at_ms <= 1000 + MAX_WAIT_MS; at_ms += 100) {
        probes += pass_all(at_ms);
        late += overdue();
    }
    ck_assert_uint_eq(probes, MAX_WAIT_MS / PROBE_MS); /* the last in the very moment, before the others are given up */
    origins_turn(origins, 1000 + MAX_WAIT_MS + 100);
    ck_assert_uint_eq(late + overdue(), 30 - probes);
}
END_TEST

/* Its places are taken by kickoffs that hang: then nothing goes, and nobody answers. */
START_TEST(at_an_origin_that_hangs_a_kickoff_waits_so_long)
{
    struct origin_claim kickoffs[10];
    setup();
    enter(kickoffs, 10, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(go_all(1500), 6);
    origins_turn(origins, 1000 + MAX_WAIT_MS);
    ck_assert_uint_eq(overdue(), 0); /* the last went 500 ms later */
    origins_turn(origins, 1500 + MAX_WAIT_MS - 1);
    ck_assert_uint_eq(overdue(), 0);
    origins_turn(origins, 1500 + MAX_WAIT_MS);
    ck_assert_uint_eq(overdue(), 4);
    leave(kickoffs, 6);
}
END_TEST

START_TEST(an_answer_of_any_kind_is_progress)
{
    struct origin_claim kickoffs[10];
    setup();
    enter(kickoffs, 10, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(go_all(1000), 6);
    gate_answered(gate, 50000);
    origins_turn(origins, 50000 + MAX_WAIT_MS - 1);
    ck_assert_uint_eq(overdue(), 0);
    origins_turn(origins, 50000 + MAX_WAIT_MS);
    ck_assert_uint_eq(overdue(), 4);
    leave(kickoffs, 6);
}
END_TEST

START_TEST(who_waits_for_a_rate_alone_waits_on)
{
    struct origin_claim kickoffs[3];
    setup_with(0.002, 0); /* one in 500 s */
    enter(kickoffs, 3, A, ORIGIN_KICKOFF);
    ck_assert_uint_eq(pass_all(1000), 1);
    for (int64_t at_ms = 1000; at_ms < 500000; at_ms += 1000) {
        ck_assert_uint_eq(pass_all(at_ms), 0);
        ck_assert_uint_eq(overdue(), 0);
    }
    ck_assert_uint_eq(pass_all(501000), 1);
    /* until the breaker is open */
    break_gate(501000);
    for (int64_t at_ms = 501000; at_ms < 501000 + MAX_WAIT_MS; at_ms += 1000) {
        origins_turn(origins, at_ms);
        ck_assert_uint_eq(overdue(), 0);
    }
    origins_turn(origins, 501000 + MAX_WAIT_MS + 1000);
    ck_assert_uint_eq(overdue(), 1);
}
END_TEST

START_TEST(one_that_is_held_does_not_wait)
{
    struct origin_claim kickoff;
    setup();
    enter(&kickoff, 1, A, ORIGIN_KICKOFF);
    ck_assert_ptr_eq(origins_next(origins), &kickoff);
    origins_hold(origins, &kickoff);
    origins_turn(origins, 1000 + 2 * MAX_WAIT_MS);
    ck_assert_uint_eq(overdue(), 0);
    break_gate(130000);
    origins_release(origins, &kickoff);
    origins_turn(origins, 1000 + 3 * MAX_WAIT_MS - 1);
    ck_assert_uint_eq(overdue(), 0);
    origins_turn(origins, 1000 + 3 * MAX_WAIT_MS);
    ck_assert_uint_eq(overdue(), 1);
    leave(&kickoff, 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("origin_gate");
    TCase *tc = tcase_create("gate");
    tcase_add_checked_fixture(tc, NULL, teardown_all);
    tcase_add_loop_test(tc, kickoffs_keep_their_rate, 0, sizeof ten_a_second / sizeof ten_a_second[0]);
    tcase_add_test(tc, one_origin_s_rate_is_not_another_s);
    tcase_add_test(tc, a_rate_of_requests_holds_polls_and_kickoffs_polls_first);
    tcase_add_test(tc, loops_take_turns_at_a_rate);
    tcase_add_test(tc, what_does_not_go_leaves_its_slot_to_the_next);
    tcase_add_test(tc, a_later_hop_waits_for_no_rate_but_counts);
    tcase_add_test(tc, while_the_breaker_is_open_a_probe_goes_and_polls);
    tcase_add_loop_test(tc, a_probe_that_does_not_go_is_the_next_one_s, 0, sizeof not_gone / sizeof not_gone[0]);
    tcase_add_test(tc, the_hop_of_a_kickoff_minds_no_breaker);
    tcase_add_test(tc, behind_an_open_breaker_a_kickoff_waits_so_long);
    tcase_add_test(tc, probes_are_no_progress);
    tcase_add_test(tc, at_an_origin_that_hangs_a_kickoff_waits_so_long);
    tcase_add_test(tc, an_answer_of_any_kind_is_progress);
    tcase_add_test(tc, who_waits_for_a_rate_alone_waits_on);
    tcase_add_test(tc, one_that_is_held_does_not_wait);
    suite_add_tcase(suite, tc);
    return suite;
}
