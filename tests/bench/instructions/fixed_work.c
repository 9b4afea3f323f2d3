/* fixed_work: the hot paths that are functions of their arguments alone. */
#include "base/clock.h"
#include "base/heap.h"
#include "core/answer.h"
#include "engine/awake.h"
#include "engine/cycle.h"
#include "engine/run.h"
#include "engine/verdict.h"
#include "kafka/offset_map.h"
#include "kafka/tracker.h"
#include "protocol/http_call.h"
#include "protocol/http_plan.h"
#include "protocol/invocation.h"
#include "protocol/packed.h"

#include "paths.h"
#include "unit.h"

#include <stdlib.h>
#include <string.h>

/* A profile that says all, and what is left to the message. */
static const char brief[] = HEAD "\"http.body\":\"{\\\"order\\\":4711}\",\"var.region\":\"eu\",\"order\":\"4711\"}}";
static const struct rxp_pair full_keys[] = {
    {"http.url", "https://reports.example.com/v1/{var.region}/runs"},
    {"http.poll_url_template", "https://reports.example.com/v1/{var.region}/runs/{run_id}"},
    {"http.poll_run_id_path", "run.id"},
    {"http.poll_status_path", "run.status"},
    {"http.poll_terminal_states", "completed,failed,cancelled"},
    {"http.poll_interval_seconds", "5"},
    {"http.header.X-Tenant", "acme"},
    {"http.header.Authorization", "Bearer ${secret:REPORTS}"},
};
static const struct rxp_defaults full_profile = {.name = "reports.json",
                                                 .metadata = full_keys,
                                                 .n_metadata = sizeof full_keys / sizeof full_keys[0],
                                                 .only = true,
                                                 .has_kind = true,
                                                 .kind = RXP_KIND_HTTP_ASYNC};

#define MAX_MESSAGE_BYTES ((size_t)1 << 20)
#define LARGE_BODY_BYTES 30000

static struct rxp_invocation *invocation_of(const char *text, size_t bytes)
{
    struct rxp_invocation *invocation;
    struct rxp_refusal why;
    MUST(rxp_invocation_parse(text, bytes, MAX_MESSAGE_BYTES, &invocation, &why) == 0);
    return invocation;
}

/* What paths need of others' work, made before anything is counted. */
static struct scene {
    struct rxp_invocation *unit;
    struct rxp_invocation *brief;
    struct rxp_http_plan plan; /* of unit */
    char *packed;              /* the same */
    char *large;
    size_t large_bytes;
    struct run run;
} scene;

static void prepare_nothing(void)
{
}

/* ---- parse: a message, to a checked struct, and that freed ---- */

COUNTED path_parse(int turns)
{
    for (int i = 0; i < turns; i++) {
        rxp_invocation_free(invocation_of(unit, sizeof unit - 1));
    }
}

/* The same of a message whose http.body has LARGE_BODY_BYTES, with an escape every 50. */
static void prepare_large(void)
{
    scene.large = malloc(sizeof unit + (size_t)2 * LARGE_BODY_BYTES);
    MUST(scene.large != NULL);
    char *at = stpcpy(scene.large, HEAD URLS "\"http.body\":\"");
    for (int i = 0; i < LARGE_BODY_BYTES; i++) {
        if (i % 50 == 0) {
            *at++ = '\\';
            *at++ = 'n';
        } else {
            *at++ = (char)('a' + i % 26);
        }
    }
    at = stpcpy(at, "\"}}");
    scene.large_bytes = (size_t)(at - scene.large);
}

COUNTED path_parse_large(int turns)
{
    for (int i = 0; i < turns; i++) {
        rxp_invocation_free(invocation_of(scene.large, scene.large_bytes));
    }
}

/* ---- plan: what a message asks for, and that freed; plan_profile: under a profile that says most of it ---- */

static void prepare_invocation(void)
{
    scene.unit = invocation_of(unit, sizeof unit - 1);
    scene.brief = invocation_of(brief, sizeof brief - 1);
}

COUNTED path_plan(int turns)
{
    struct rxp_refusal why;
    for (int i = 0; i < turns; i++) {
        struct rxp_http_plan plan;
        MUST(rxp_http_plan_make(scene.unit, &unit_profile, &plan, &why) == 0);
        rxp_http_plan_deinit(&plan);
    }
}

COUNTED path_plan_profile(int turns)
{
    struct rxp_refusal why;
    for (int i = 0; i < turns; i++) {
        struct rxp_http_plan plan;
        MUST(rxp_http_plan_make(scene.brief, &full_profile, &plan, &why) == 0);
        rxp_http_plan_deinit(&plan);
    }
}

/* ---- pack: what a run keeps of its invocation while it sleeps; wake: that read again, and its plan made ---- */

static char *pack(void)
{
    char *packed = malloc(rxp_packed_bytes(scene.unit));
    MUST(packed != NULL);
    rxp_packed_write(packed, scene.unit);
    return packed;
}

static void prepare_packed(void)
{
    prepare_invocation();
    scene.packed = pack();
}

COUNTED path_pack(int turns)
{
    for (int i = 0; i < turns; i++) {
        free(pack());
    }
}

COUNTED path_wake(int turns)
{
    struct rxp_refusal why;
    struct rxp_pair pairs[8];
    char room[1024];
    MUST(rxp_packed_pairs(scene.packed) <= sizeof pairs / sizeof pairs[0]);
    for (int i = 0; i < turns; i++) {
        struct rxp_invocation invocation;
        struct rxp_http_plan plan;
        rxp_packed_read(scene.packed, pairs, &invocation);
        MUST(rxp_http_plan_make_later(&invocation, &unit_profile, room, sizeof room, &plan, &why) == 0);
        MUST(plan.owned_bytes <= sizeof room);
        rxp_http_plan_deinit(&plan);
    }
}

/* ---- cycle: kickoff, two polls, the end ---- */

COUNTED path_cycle(int turns)
{
    static const struct {
        enum cycle_event_kind kind;
        int64_t after_ms;
        enum cycle_action_kind action;
    } steps[] = {
        {CYCLE_EVENT_START, 0, CYCLE_SEND_KICKOFF}, {CYCLE_EVENT_BEGUN, 1, CYCLE_WAIT},
        {CYCLE_EVENT_ACCEPTED, 3, CYCLE_SEND_POLL}, {CYCLE_EVENT_BEGUN, 0, CYCLE_WAIT},
        {CYCLE_EVENT_PENDING, 2, CYCLE_WAIT},       {CYCLE_EVENT_TIMER, 3000, CYCLE_SEND_POLL},
        {CYCLE_EVENT_BEGUN, 1, CYCLE_WAIT},         {CYCLE_EVENT_ENDED, 2, CYCLE_FINISH},
    };
    static const struct cycle_config config = {
        .timeout_ms = 60000,
        .start_before_ms = CLOCK_NEVER,
        .poll_timeout_ms = 30000,
        .poll_interval_ms = 2000,
        .poll_backoff_factor = 1.5,
        .poll_max_interval_ms = 60000,
        .poll_jitter = 0.1,
        .poll_max_failures = 5,
        .kickoff_max_retries = 3,
        .polls = true,
    };
    for (int i = 0; i < turns; i++) {
        struct cycle cycle;
        int64_t now_ms = 1000;
        cycle_init(&cycle);
        for (size_t n = 0; n < sizeof steps / sizeof steps[0]; n++) {
            now_ms += steps[n].after_ms;
            const struct cycle_event event = {.kind = steps[n].kind, .jitter = 0.5};
            MUST(cycle_step(&cycle, &config, event, now_ms).kind == steps[n].action);
        }
    }
}

/* ---- verdict: the answers to a kickoff and two polls; poll_url: the URL of these polls ---- */

static void prepare_plan(void)
{
    struct rxp_refusal why;
    prepare_invocation();
    MUST(rxp_http_plan_make(scene.unit, &unit_profile, &scene.plan, &why) == 0);
}

COUNTED path_verdict(int turns)
{
    static const struct verdict_limits limits = {.max_result_bytes = 65536, .wall_ms = 1750000000000};
    static const struct verdict_poll poll = {
        .url = "http://127.0.0.1:12345/runs/" RUN_ID, .has_run_id = true, .since_ms = 5};
    for (int i = 0; i < turns; i++) {
        struct verdict verdict;
        verdict_of_kickoff(&scene.plan, &limits, scene.plan.kickoff.url, &unit_accepted, &verdict);
        MUST(verdict.kind == VERDICT_ACCEPTED && verdict.run_id != NULL);
        verdict_deinit(&verdict);
        verdict_of_poll(&scene.plan, &limits, &poll, &unit_pending, &verdict);
        MUST(verdict.kind == VERDICT_PENDING);
        verdict_deinit(&verdict);
        verdict_of_poll(&scene.plan, &limits, &poll, &unit_done, &verdict);
        MUST(verdict.kind == VERDICT_DONE && verdict.succeeded);
        verdict_deinit(&verdict);
    }
}

COUNTED path_poll_url(int turns)
{
    static const struct rxp_fills fills = {.run_id = RUN_ID};
    struct rxp_refusal why;
    for (int i = 0; i < turns; i++) {
        char *url = rxp_http_call_url(&scene.plan.poll, &fills, &why);
        MUST(url != NULL);
        free(url);
    }
}

/* ---- result: the bytes of a run that succeeded ---- */

static void prepare_result(void)
{
    prepare_plan();
    struct run *run = &scene.run;
    run_init(run);
    struct awake *awake = awake_new(run);
    MUST(awake != NULL);
    awake->invocation = scene.brief; /* it has a key to be echoed */
    awake->run_id = strdup(RUN_ID);
    awake->state = strdup("completed");
    awake->result = strdup("{\"rows\":3}");
    MUST(awake->run_id != NULL && awake->state != NULL && awake->result != NULL);
    run->cycle.polls = 2;
    run->started_at_ms = 1750000000000;
    awake->outcome =
        (struct outcome){.status = RXP_STATUS_SUCCEEDED, .has_exit_code = true, .finished_at_ms = 1750000002345};
}

COUNTED path_result(int turns)
{
    static const struct answer_context context = {.worker_id = "worker-7d4b9c",
                                                  .source = {.topic = "invocations", .partition = 3, .offset = 4711}};
    for (int i = 0; i < turns; i++) {
        size_t bytes;
        char *text = answer_write(&scene.run, &context, &bytes);
        MUST(text != NULL);
        free(text);
    }
}

/* ---- tracker: offsets of one partition, done out of order within blocks, a commit every so often ---- */

#define TRACKED 4096
#define TRACKED_BLOCK 256
#define TRACKED_COMMIT 1024

COUNTED path_tracker(int turns)
{
    char map[OFFSET_MAP_TEXT_MAX + 1];
    for (int turn = 0; turn < turns; turn++) {
        struct tracker *tracker = tracker_new(1000, NULL, 0);
        MUST(tracker != NULL);
        for (int i = 0; i < TRACKED; i++) {
            MUST(tracker_admit(tracker, 1000 + i) == TRACKER_NEW);
        }
        for (int i = 0; i < TRACKED; i++) {
            /* 37 and the block have no common factor: each offset comes once. */
            int offset = i / TRACKED_BLOCK * TRACKED_BLOCK + i * 37 % TRACKED_BLOCK;
            MUST(tracker_done(tracker, 1000 + offset));
            if ((i + TRACKED_BLOCK / 2) % TRACKED_COMMIT == 0) {
                MUST(tracker_is_dirty(tracker));
                MUST(tracker_map(tracker, map, NULL) > 0);
                tracker_commit_taken(tracker);
            }
        }
        MUST(tracker_frontier(tracker) == 1000 + TRACKED);
        tracker_free(tracker);
    }
}

/* ---- offset_map: written and read: one slow run before many, and a window without a pattern ---- */

#define MAP_WORDS 2048
#define MAP_LONG_SPAN 100000
#define MAP_MIXED_SPAN 20000
static uint64_t slow_words[MAP_WORDS];
static uint64_t mixed_words[MAP_WORDS];

static void prepare_offset_map(void)
{
    uint64_t state = 88172645463325252; /* xorshift: the same bits each time */
    for (size_t i = 0; i < MAP_WORDS; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        slow_words[i] = i == 0 ? ~UINT64_C(1) : ~UINT64_C(0);
        mixed_words[i] = state;
    }
}

static void count_done(int64_t i, int64_t n, void *opaque)
{
    (void)i;
    *(int64_t *)opaque += n;
}

static void write_and_read(const uint64_t *words, size_t span, int64_t least, int64_t most)
{
    char text[OFFSET_MAP_TEXT_MAX + 1];
    const struct offset_bits bits = {.word = words, .room_bits = (size_t)MAP_WORDS * 64, .span = span};
    int bytes = offset_map_write(&bits, text);
    MUST(bytes > 0);
    int64_t done = 0;
    MUST(offset_map_read(text, (size_t)bytes, count_done, &done) == 0);
    MUST(done >= least && done <= most);
}

COUNTED path_offset_map(int turns)
{
    for (int i = 0; i < turns; i++) {
        write_and_read(slow_words, MAP_LONG_SPAN, MAP_LONG_SPAN - 1, MAP_LONG_SPAN - 1);
        write_and_read(mixed_words, MAP_MIXED_SPAN, MAP_MIXED_SPAN * 2 / 5, MAP_MIXED_SPAN * 3 / 5);
    }
}

/* ---- heap: many sleepers, each taken when it is due and set anew, then all cleared ---- */

#define SLEEPERS 10000
#define SLEEP_MS 60000
static struct timer sleepers[SLEEPERS];

COUNTED path_heap(int turns)
{
    for (int turn = 0; turn < turns; turn++) {
        struct heap heap;
        heap_init(&heap);
        for (int i = 0; i < SLEEPERS; i++) {
            timer_init(&sleepers[i]);
            MUST(heap_set(&heap, &sleepers[i], i * INT64_C(7919) % SLEEP_MS) == 0);
        }
        for (int64_t now_ms = 0; now_ms < SLEEP_MS; now_ms += 10) {
            for (struct timer *timer; (timer = heap_take_due(&heap, now_ms)) != NULL;) {
                MUST(heap_set(&heap, timer, timer->at_ms + SLEEP_MS) == 0);
            }
        }
        for (int i = 0; i < SLEEPERS; i++) {
            heap_clear(&heap, &sleepers[i]);
        }
        MUST(heap_next_ms(&heap) == CLOCK_NEVER);
        heap_deinit(&heap);
    }
}

/* ---- all of them ---- */

int main(int argc, char **argv)
{
    static const struct path paths[] = {
        PATH(parse, 200, prepare_nothing),
        PATH(parse_large, 5, prepare_large),
        PATH(plan, 200, prepare_invocation),
        PATH(plan_profile, 200, prepare_invocation),
        PATH(pack, 1000, prepare_invocation),
        PATH(wake, 200, prepare_packed),
        PATH(cycle, 2000, prepare_nothing),
        PATH(verdict, 500, prepare_plan),
        PATH(poll_url, 1000, prepare_plan),
        PATH(result, 500, prepare_result),
        PATH(tracker, 4, prepare_nothing),
        PATH(offset_map, 5, prepare_offset_map),
        PATH(heap, 1, prepare_nothing),
    };
    return paths_main(argc, argv, paths, sizeof paths / sizeof paths[0]);
}
