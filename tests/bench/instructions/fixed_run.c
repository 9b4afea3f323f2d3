/* fixed_run: all that the engine does for an invocation, but for its requests: from the message to the bytes of its result,
 * through a runner whose transport answers as soon as it is asked. */
#include "base/tenure.h"
#include "core/answer.h"
#include "engine/awake.h"
#include "engine/gate.h"
#include "engine/runner.h"
#include "ops/metrics.h"

#include "paths.h"
#include "unit.h"

#define BEGIN_MS 1000000
#define WALL_MS INT64_C(1750000000000)
#define SLICE_MS 600000 /* never over */
#define NAP_LEAST_MS 1000
#define LINE_SEATS 256
#define INTERVAL_MS 5000 /* of polls between which a run sleeps */

/* ---- a transport that has one request at most ---- */

struct transfer {
    transfer_begun_fn begun;
    transfer_done_fn done;
    void *opaque;
};

static struct transfer request;

static struct transfer *start(struct transport *transport, const struct http_request *asked, transfer_begun_fn begun,
                              transfer_done_fn done, void *opaque)
{
    (void)transport;
    MUST(request.done == NULL && asked->url[0] == 'h');
    request = (struct transfer){begun, done, opaque};
    return &request;
}

static void cancel(struct transport *transport, struct transfer *transfer, bool is_late)
{
    (void)transport;
    MUST(transfer == NULL && is_late);
}

static void release(struct transport *transport, struct transfer *transfer)
{
    (void)transport;
    MUST(transfer == NULL);
}

static struct transport transport = {start, cancel, release};

static void answer(const struct http_reply *reply, int64_t now_ms)
{
    struct transfer transfer = request;
    struct http_headers headers = {0};
    MUST(transfer.done != NULL);
    MUST(transfer.begun(transfer.opaque, now_ms, &headers) == TRANSFER_GO);
    request = (struct transfer){0};
    transfer.done(transfer.opaque, reply, now_ms + 1);
}

/* ---- an owner of runs, as core is one ---- */

static struct runner runner;
static struct pool_config config;
static atomic_int tenure = TENURE_HELD;
static size_t n_ended;

static enum pool_prepared prepare(struct run *run, void *opaque)
{
    struct awake *awake = run->awake;
    struct rxp_refusal why;
    (void)opaque;
    MUST(rxp_invocation_parse(unit, sizeof unit - 1, (size_t)1 << 20, &awake->parsed, &why) == 0);
    MUST(rxp_http_plan_make(awake->parsed, &unit_profile, &awake->made, &why) == 0);
    awake->invocation = awake->parsed;
    awake->plan = &awake->made;
    return POOL_PREPARED;
}

static void ended(struct run *run, void *opaque)
{
    static const struct answer_context context = {.worker_id = "worker-7d4b9c",
                                                  .source = {.topic = "invocations", .partition = 3, .offset = 4711}};
    size_t bytes;
    (void)opaque;
    MUST(!run->abandoned && run->awake->outcome.status == RXP_STATUS_SUCCEEDED);
    char *text = answer_write(run, &context, &bytes);
    MUST(text != NULL);
    free(text);
    run_deinit(run);
    n_ended++;
}

static const struct rxp_defaults *defaults(struct run *run, void *opaque)
{
    (void)run;
    (void)opaque;
    return &unit_profile;
}

static const struct pool_hooks hooks = {.prepare = prepare, .defaults = defaults, .ended = ended};

static void prepare_runner(int64_t poll_min_interval_ms)
{
    static const struct gates_config gates = {.breaker_failures = 20, .breaker_probe_ms = 5000};
    config = (struct pool_config){.threads = 1,
                                  .max_run_ms = 86400000,
                                  .connect_timeout_ms = 10000,
                                  .poll_timeout_ms = 30000,
                                  .poll_min_interval_ms = poll_min_interval_ms,
                                  .nap_least_ms = NAP_LEAST_MS,
                                  .line_seats = LINE_SEATS,
                                  .poll_max_failures = 5,
                                  .kickoff_max_retries = 3,
                                  .max_response_bytes = 1 << 20,
                                  .max_result_bytes = 65536,
                                  .origin_max_connections = 64,
                                  .gates = gates_new(&gates),
                                  .metrics = metrics_new(NULL, 0)};
    MUST(config.gates != NULL && config.metrics != NULL);
    runner_init(&runner, &config, &hooks, &transport, 42);
}

/* ---- run: kickoff, two polls, the result; run_asleep: kickoff, ten polls with sleep before each but the first, the result ---- */

static void turn(int64_t now_ms)
{
    while (runner_turn(&runner, now_ms, SLICE_MS)) {
    }
}

static void run_once(int64_t now_ms, int pendings, bool sleeps)
{
    struct run run;
    struct list submitted;
    run_init(&run);
    run.tenure = &tenure;
    list_init(&submitted);
    runner_announce(&runner, &run, now_ms, WALL_MS);
    list_push(&submitted, &run.node);
    runner_add(&runner, &submitted);
    turn(now_ms);
    answer(&unit_accepted, now_ms);
    for (int i = 0; i < pendings; i++) {
        now_ms++;
        turn(now_ms);
        answer(&unit_pending, now_ms);
        turn(now_ms + 1);
        MUST((run.awake == NULL) == sleeps);
        now_ms += sleeps ? INTERVAL_MS : 0;
    }
    turn(now_ms + 1);
    answer(&unit_done, now_ms + 1);
    turn(now_ms + 2);
}

static void runs(int turns, int pendings, bool sleeps)
{
    n_ended = 0;
    for (int i = 0; i < turns; i++) {
        run_once(BEGIN_MS + i * INT64_C(100000), pendings, sleeps);
    }
    MUST(n_ended == (size_t)turns);
}

COUNTED path_run(int turns)
{
    runs(turns, 1, false);
}

COUNTED path_run_asleep(int turns)
{
    runs(turns, 9, true);
}

/* The origin is known then, and memory was had before. */
static void prepare_run(void)
{
    prepare_runner(0);
    runs(1, 1, false);
}

static void prepare_run_asleep(void)
{
    prepare_runner(INTERVAL_MS);
    runs(1, 9, true);
}

int main(int argc, char **argv)
{
    static const struct path paths[] = {
        PATH(run, 100, prepare_run),
        PATH(run_asleep, 50, prepare_run_asleep),
    };
    return paths_main(argc, argv, paths, sizeof paths / sizeof paths[0]);
}
