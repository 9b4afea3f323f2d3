/* Runs in a random order of everything that may happen to them until their kickoff is out, and after; checked against what the
 * test itself saw leave. RXP_TEST_SEED=N begins with that round. */
#include "engine/awake.h"
#include "engine/gate.h"
#include "engine/secrets.h"
#include "support/runner_stage.h"

#define ROUNDS 1000
#define STEPS 120
#define RUNS 8
#define KICKOFFS "http://b.example:80"
#define PREPARES "http://prepare.example:80"

/* ---- the test's own secrets ---- */

static enum secret_fill fill;

enum secret_fill secrets_fill(struct secrets *secrets, const char *value, const char *host, int port,
                              const struct rxp_pair *bindings, size_t n_bindings, char **out,
                              char why[SECRETS_WHY_BYTES])
{
    (void)secrets, (void)value, (void)host, (void)port, (void)bindings, (void)n_bindings;
    *out = fill == SECRET_READY ? strdup("a token that is long enough") : NULL;
    snprintf(why, SECRETS_WHY_BYTES, "the token endpoint is away");
    return fill;
}

bool secrets_check(struct secrets *secrets, const char *value, const char *host, int port,
                   const struct rxp_pair *bindings, size_t n_bindings, char why[SECRETS_WHY_BYTES])
{
    (void)secrets, (void)value, (void)host, (void)port, (void)bindings, (void)n_bindings, (void)why;
    return true;
}

void secrets_refused(struct secrets *secrets, const char *value)
{
    (void)secrets, (void)value;
}

bool secret_is_in(const char *value)
{
    return strstr(value, "${secret:") != NULL;
}

int secrets_watch(struct secrets *secrets, void (*changed)(void *), void *opaque)
{
    (void)secrets, (void)changed, (void)opaque;
    return 0;
}

/* ---- what the test saw ---- */

static bool is_out[RUNS]; /* its kickoff may have reached the backend */

static struct gates *gates;
static struct gate *kickoffs;
static struct gate *prepares;
static unsigned seed;
static unsigned round_seed;
static bool was_new[MAX_TRANSFERS];
static bool is_parked;

static unsigned draw(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 8) % below;
}

static size_t number_of(const struct transfer *transfer)
{
    for (size_t i = 0; i < n_subjects; i++) {
        if (subjects[i].run == transfer->opaque) {
            return i;
        }
    }
    return RUNS; /* an errand's */
}

static void check(void)
{
    size_t waiting = 0;
    for (size_t i = 0; i < n_subjects; i++) {
        struct run *run = subjects[i].run;
        if (run == NULL) {
            bool was_begun = is_out[i] || subjects[i].resume != NULL;
            ck_assert_int_eq(subjects[i].ended, 1);
            if (subjects[i].prepared > 0 && (subjects[i].resume == NULL || !subjects[i].abandoned))
                ck_assert_msg(subjects[i].was_begun == was_begun, "round %u: run %zu begun %d, seen to leave: %d", round_seed, i,
                              subjects[i].was_begun, was_begun);
            continue;
        }
        size_t live = 0;
        for (size_t t = 0; t < n_transfers; t++)
            live += !transfers[t].is_over && transfers[t].opaque == run;
        bool has_request = run->awake != NULL && run->awake->transfer != NULL;
        ck_assert_msg(live == has_request, "round %u: run %zu has %zu requests", round_seed, i, live);
        if (run->runner == NULL || subjects[i].resume != NULL)
            continue;
        waiting += !is_out[i];
        ck_assert_msg(run_was_begun(run) == is_out[i], "round %u: run %zu", round_seed, i);
        /* Nothing is forgotten: it has a request, or a timer, or waits for somebody. */
        ck_assert_msg(has_request || timer_is_set(&run->timer), "round %u: run %zu is stuck in %s", round_seed, i,
                      cycle_state_name(run->cycle.state));
    }
    check_phases();
    ck_assert_uint_eq(runner.roll.n, runner.n_runs);
    size_t counted = gate_crowd(kickoffs) + gate_crowd(prepares);
    ck_assert_msg(counted == waiting, "round %u: %zu wait, %zu are counted", round_seed, waiting, counted);
}

/* ---- what happens ---- */

static const struct rxp_http_header headers[] = {{.name = "Authorization", .value = "Bearer ${secret:key}"}};
static const struct rxp_named_url named[] = {{.url = "http://b.example/runs"}, {.url = "http://prepare.example/sessions"}};

static void with_token(struct rxp_http_plan *plan)
{
    plan->headers = headers;
    plan->n_headers = 1;
    plan->named = named;
    plan->n_named = 2;
}

static const char *metadata_of(void)
{
    static const char *const some[] = {
        "",
        ",\"http.prepare_url\":\"http://prepare.example/sessions\"",
        ",\"http.cancel_url_template\":\"http://b.example/cancel\"",
        ",\"http.prepare_url\":\"http://prepare.example/sessions\",\"http.prepare_id_path\":\"id\",\"http.after_url_template\":"
        "\"http://b.example/runs/{run_id}/{prepared_id}\"",
        ",\"http.result_url_template\":\"http://b.example/runs/{run_id}/result\",\"http.kickoff_max_retries\":\"9\"",
    };
    return some[draw(COUNT(some))];
}

static const struct run_resume resume_any = {.run_id = "r1", .poll_url = "http://b.example/runs/r1"};
static struct run_resume resumes[RUNS];

static void add_run(void)
{
    size_t i = n_subjects;
    if (i == RUNS)
        return;
    struct subject *subject = subject_new();
    is_out[i] = false;
    subject->metadata = metadata_of();
    subject->timeout = draw(3) == 0 ? "5" : "1000";
    subject->holds = draw(3) == 0;
    subject->kickoffs_per_second = draw(4) == 0 ? 0.5 : 0;
    subject->not_nows = draw(4) == 0 ? (int)draw(4) : 0;
    subject->shape = draw(2) == 0 ? with_token : NULL;
    if (draw(8) == 0) {
        resumes[i] = resume_any;
        resumes[i].started_at_ms = clock_wall_ms() - 1000;
        resumes[i].deadline_at_ms = clock_wall_ms() + 100000;
        subject->resume = &resumes[i];
    }
    submit(subject);
}

static struct transfer *pick(bool begun)
{
    struct transfer *found = NULL;
    unsigned n = 0;
    for (size_t t = 0; t < n_transfers; t++) {
        struct transfer *transfer = &transfers[t];
        if (!transfer->is_over && !transfer->is_held && (transfer->timeout_ms < 0) == begun && draw(++n) == 0)
            found = transfer;
    }
    return found;
}

static bool is_kickoff(const struct transfer *transfer)
{
    return transfer->is_kickoff && strcmp(transfer->url, "http://b.example/runs") == 0;
}

/* One that has begun is marked by a timeout below 0. */
static void begin_one(struct transfer *transfer)
{
    size_t i = number_of(transfer);
    struct run *run = i < RUNS ? subjects[i].run : NULL;
    begin(transfer);
    if (transfer->is_over || transfer->is_held)
        return;
    transfer->timeout_ms = -1;
    if (run == NULL || !is_kickoff(transfer))
        return;
    ck_assert_msg(!is_out[i], "round %u: run %zu is kicked off twice", round_seed, i);
    ck_assert_msg(tenure_read(run->tenure) == TENURE_HELD && !is_parked, "round %u: run %zu is kicked off too late", round_seed, i);
    is_out[i] = true;
}

static void answer_one(struct transfer *transfer)
{
    static const char *const bodies[] = {"{\"id\":\"r1\",\"status\":\"running\"}", "{\"id\":\"r1\",\"status\":\"completed\"}",
                                         "{\"id\":\"r1\",\"status\":\"failed\"}", "{}", "no JSON"};
    size_t i = number_of(transfer);
    unsigned what = draw(11);
    if (i < RUNS && is_kickoff(transfer) && (what < 4 || what == 10))
        is_out[i] = false; /* nothing was started */
    if (what == 10)
        break_off(transfer, TRANSPORT_MEMORY, false);
    else if (what < 2)
        break_off(transfer, what == 0 ? TRANSPORT_CONNECT : TRANSPORT_RESOLVE, false);
    else if (what < 4)
        answer_with(transfer, what == 2 ? 503 : 429, "", draw(2) == 0 ? "0" : "3", NULL);
    else if (what < 5)
        break_off(transfer, TRANSPORT_NETWORK, true);
    else
        answer(transfer, draw(8) == 0 ? 500 : 200, bodies[what < 8 ? draw(2) : draw(5)]);
}

static void permit(void)
{
    for (size_t i = 0; i < n_subjects; i++) {
        if (subjects[i].run != NULL)
            atomic_store(&subjects[i].run->permitted, true);
    }
    runner_command(&runner, RUNNER_PERMIT, now_ms);
}

static void leave(void)
{
    size_t i = draw(RUNS);
    if (i < n_subjects && subjects[i].run != NULL) {
        int old = atomic_load(&subjects[i].tenure);
        atomic_store(&subjects[i].tenure, old == TENURE_HELD ? TENURE_ENDING : TENURE_OVER);
        if (draw(3) > 0)
            runner_command(&runner, RUNNER_SWEEP, now_ms);
    }
}

static size_t n_asked;
static size_t n_told;

/* Each of those under way once. */
static void on_told(void *opaque)
{
    struct query_answer answer;
    bool seen[MAX_TRANSFERS] = {false};
    struct query **query = opaque;
    query_read(*query, &answer);
    const struct query_row *rows = answer.rows;
    size_t n = answer.n;
    n_told++;
    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(!seen[rows[i].key.offset], "round %u: run %d twice", round_seed, (int)rows[i].key.offset);
        seen[rows[i].key.offset] = true;
        ck_assert_int_lt(rows[i].phase, METRIC_PHASE_PUBLISH);
    }
    ck_assert_uint_eq(answer.matching, n);
    if (answer.complete) {
        for (size_t i = 0; i < n_subjects; i++) {
            ck_assert_msg(seen[i] || subjects[i].run == NULL || was_new[i], "round %u: run %zu is missing", round_seed, i);
        }
    }
}

static void ask_for_all(void)
{
    const struct query_filter filter = {.phase = -1, .started_before_ms = INT64_MAX, .limit = MAX_TRANSFERS};
    static struct query *asked; /* one at a time */
    struct query *query = asked = query_new(&filter, on_told, &asked);
    for (size_t i = 0; i < MAX_TRANSFERS; i++) {
        was_new[i] = i >= n_subjects; /* those that come later need not be told of */
    }
    query_expect(query, 1);
    runner_query(&runner, query_part_new(query));
    query_release(query);
    n_asked++;
}

static void cancel_some(void)
{
    for (size_t i = 0; i < n_subjects; i++) {
        subjects[i].is_cancelled = subjects[i].is_cancelled || draw(RUNS) == 0;
    }
    runner_command(&runner, RUNNER_ASK, now_ms);
}

static void step(void)
{
    struct transfer *transfer;
    switch (draw(18)) {
    case 0:
    case 1:
        add_run();
        break;
    case 2:
    case 3:
    case 4:
        if ((transfer = pick(false)) != NULL)
            begin_one(transfer);
        break;
    case 5:
    case 6:
    case 7:
        if ((transfer = pick(true)) != NULL)
            answer_one(transfer);
        break;
    case 8:
        permit();
        break;
    case 9:
        fill = draw(3) == 0 ? SECRET_WAIT : draw(4) == 0 ? SECRET_UNAVAILABLE : draw(4) == 0 ? SECRET_NO_MEMORY : SECRET_READY;
        runner_command(&runner, RUNNER_TOKENS, now_ms);
        break;
    case 10:
        if (draw(6) == 0)
            leave();
        break;
    case 11:
        now_ms += draw(4) == 0 ? 40000 : 700;
        break;
    case 12:
        out_of_memory = draw(4) == 0;
        if (draw(60) == 0) {
            is_parked = true;
            runner_command(&runner, RUNNER_PARK, now_ms);
        }
        break;
    case 13:
        if (n_asked == n_told)
            ask_for_all();
        break;
    case 14:
        if (draw(4) == 0)
            cancel_some();
        break;
    case 15:
        now_ms += draw(50);
        runner_turn(&runner, now_ms, 0);
        break;
    default:
        now_ms += draw(50);
        turn();
        break;
    }
}

/* All that was in the way is gone: each run ends. */
static void see_them_end(void)
{
    fill = SECRET_READY;
    out_of_memory = false;
    for (int i = 0; i < 400 && runner.n_runs > 0; i++) {
        struct transfer *transfer;
        permit();
        runner_command(&runner, RUNNER_TOKENS, now_ms);
        turn();
        check();
        while (n_transfers < MAX_TRANSFERS - RUNS && (transfer = pick(false)) != NULL)
            begin_one(transfer);
        while (n_transfers < MAX_TRANSFERS - RUNS && (transfer = pick(true)) != NULL)
            answer(transfer, 200, "{\"id\":\"r1\",\"status\":\"completed\"}");
        if (n_transfers >= MAX_TRANSFERS - RUNS)
            return;
        check();
        now_ms += 1000;
    }
    ck_assert_msg(runner.n_runs == 0, "round %u: %zu runs don't end", round_seed, runner.n_runs);
}

static void play(void)
{
    const struct gates_config of_gates = {0};
    setup();
    gates = gates_new(&of_gates);
    kickoffs = gates_get(gates, KICKOFFS, now_ms);
    prepares = gates_get(gates, PREPARES, now_ms);
    config.gates = gates;
    config.kickoff_max_retries = 5;
    config.kickoff_max_wait_ms = draw(2) == 0 ? 60000 : 0;
    config.resumable = draw(2) == 0;
    config.secrets = (struct secrets *)(void *)&fill;
    fill = SECRET_READY;
    is_parked = false;
    for (int i = 0; i < STEPS && n_transfers < MAX_TRANSFERS - 2 * RUNS; i++) {
        step();
        check();
    }
    see_them_end();
    teardown();
    ck_assert_uint_eq(n_told, n_asked);
    ck_assert_uint_eq(gate_crowd(kickoffs), 0);
    ck_assert_uint_eq(gate_crowd(prepares), 0);
    gate_release(kickoffs, now_ms);
    gate_release(prepares, now_ms);
    gates_free(gates);
}

START_TEST(whatever_happens_none_is_kicked_off_twice_or_stuck_and_the_crowds_are_counted_right)
{
    const char *first = getenv("RXP_TEST_SEED");
    unsigned begin_with = first != NULL ? (unsigned)strtoul(first, NULL, 10) : 1;
    for (round_seed = begin_with; round_seed < begin_with + ROUNDS; round_seed++) {
        seed = round_seed * 2654435761u;
        play();
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("runner_random");
    TCase *tc = tcase_create("runner_random");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, whatever_happens_none_is_kicked_off_twice_or_stuck_and_the_crowds_are_counted_right);
    suite_add_tcase(suite, tc);
    return suite;
}
