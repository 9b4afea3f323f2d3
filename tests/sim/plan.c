#include "sim/plan.h"

#include "sim/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define BEGIN_MS 1000000 /* world.c's */

const char *fault_name(enum fault_kind kind)
{
    static const char *const names[] = {
        [FAULT_CRASH] = "crash", [FAULT_FREEZE] = "freeze", [FAULT_CUT] = "cut", [FAULT_OUTAGE] = "outage",
        [FAULT_COORDINATOR] = "coordinator away", [FAULT_RESULTS] = "results' leader away", [FAULT_NOTES] = "checkpoints' leader away",
        [FAULT_STOP] = "stop",
        [FAULT_JOIN] = "join", [FAULT_KINDS] = "?",
    };
    return names[kind];
}

/* ---- inputs ---- */

/* With {prepared_id} wherever it may stand, so that it is missed where it is lost. */
static void describe_async(const struct input *input, char *room, size_t bytes)
{
    const char *prepared = input->prepares ? "?p={prepared_id}" : "";
    int at = snprintf(room, bytes, "\"http.url\":\"http://backend.example/runs\","
                      "\"http.idempotency_header\":\"Idempotency-Key\",\"http.poll_url_header\":\"Location\","
                      "\"http.poll_status_path\":\"status\",\"http.poll_terminal_states\":\"completed,failed\","
                      "\"http.poll_interval_seconds\":\"%d\",\"http.result_path\":\"token\"", (int)draw(1, 2));
    if (input->is_late)
        at += snprintf(room + at, bytes - (size_t)at, ",\"http.late_run_id_path\":\"id\"");
    else
        at += snprintf(room + at, bytes - (size_t)at, ",\"http.poll_url_template\":\"http://backend.example/runs/{run_id}%s\","
                       "\"http.poll_run_id_path\":\"id\"", prepared);
    if (input->prepares)
        at += snprintf(room + at, bytes - (size_t)at, ",\"http.prepare_url\":\"http://backend.example/prepare/{invocation_id}\","
                       "\"http.prepare_id_path\":\"id\",\"http.body\":\"{\\\"p\\\":\\\"{prepared_id}\\\"}\"");
    if (input->fetches)
        at += snprintf(room + at, bytes - (size_t)at, ",\"http.result_url_template\":\"http://backend.example/results/{run_id}%s\","
                       "\"http.result_states\":\"%s\"", prepared, likely(50) ? "*" : "completed");
    assert((size_t)at < bytes);
}

static const char *describe(const struct input *input, char *room, size_t bytes)
{
    switch (input->kind) {
    case INPUT_ASYNC:
        describe_async(input, room, bytes);
        break;
    case INPUT_SYNC:
        snprintf(room, bytes, "\"http.url\":\"http://backend.example/sync\",\"http.idempotency_header\":\"Idempotency-Key\","
                 "\"http.result_path\":\"token\"");
        break;
    case INPUT_REJECTED: /* no URL */
        snprintf(room, bytes, "\"http.method\":\"POST\"");
        break;
    }
    return room;
}

static void make_input(struct plan *plan, int number, int64_t *next_offset)
{
    struct input *input = &plan->input[number];
    char metadata[1536];
    input->number = number;
    input->kind = likely(85) ? INPUT_ASYNC : likely(70) ? INPUT_SYNC : INPUT_REJECTED;
    input->partition = (int32_t)draw(0, plan->n_partitions - 1);
    /* Compaction and markers of transactions leave gaps. */
    next_offset[input->partition] += likely(15) ? draw(1, 3) : 0;
    input->offset = next_offset[input->partition]++;
    input->takes_ms = likely(70) ? draw(100, 3000) : draw(3000, 12000);
    input->prepares = input->kind == INPUT_ASYNC && likely(25);
    input->fetches = input->kind == INPUT_ASYNC && likely(25);
    input->is_late = input->kind == INPUT_ASYNC && likely(20);
    input->put_offs = likely(80) ? 0 : (int)draw(1, 3);
    snprintf(input->id, sizeof input->id, "inv-%d", number);
    if (likely(80))
        snprintf(input->key, sizeof input->key, "k%d", (int)draw(0, 3));
    if (plan->replies && likely(40))
        input->reply = likely(85) ? "replies" : "missing";
    int bytes = asprintf(&input->value, "{\"invocation_id\":\"%s\",\"runtime_name\":\"sim\",\"runtime_kind\":\"%s\","
                         "\"working_directory\":\"/\",\"command\":[\"x\"],\"timeout_seconds\":%d,\"metadata\":{%s}}",
                         input->id, input->kind == INPUT_SYNC ? "http" : "http_async", likely(90) ? 120 : 5,
                         describe(input, metadata, sizeof metadata));
    assert(bytes > 0);
}

static void make_inputs(struct plan *plan)
{
    int64_t next_offset[PARTITIONS_MAX] = {0};
    int64_t at_ms = BEGIN_MS;
    plan->n_inputs = (int)draw(5, INPUTS_MAX);
    for (int i = 0; i < plan->n_inputs; i++) {
        make_input(plan, i, next_offset);
        at_ms += likely(60) ? 0 : draw(1, 2000);
        plan->input[i].at_ms = at_ms;
    }
}

/* ---- faults ---- */

static int64_t draw_length(const struct plan *plan, enum fault_kind kind)
{
    /* Around the session's time-out, which is what decides. */
    if (kind == FAULT_FREEZE || kind == FAULT_CUT)
        return likely(30) ? draw(50, plan->session_ms) : draw(plan->session_ms, 4 * plan->session_ms);
    /* Around the time that a partition which is being handed over is waited for. */
    if (kind == FAULT_RESULTS || kind == FAULT_NOTES)
        return likely(30) ? draw(50, 9000) : draw(9000, 16000);
    return likely(70) ? draw(50, 4000) : draw(4000, 20000);
}

static void make_faults(struct plan *plan)
{
    bool is_orderly = likely(15); /* workers come and go, and nothing worse */
    plan->healed_ms = BEGIN_MS;
    plan->n_faults = likely(10) ? 0 : (int)draw(1, FAULTS_MAX);
    plan->n_provoked = plan->n_faults == 0 || likely(25) ? 0 : (int)draw(1, 4);
    plan->provoked_at = likely(25) ? MOMENTS : (enum moment)draw(0, MOMENTS - 1);
    plan->provoked_chance = plan->provoked_at == MOMENTS ? (int)draw(10, 300) : (int)draw(1, likely(70) ? 8 : 40);
    if (is_orderly)
        plan->n_provoked = 0;
    for (int i = 0; i < plan->n_faults; i++) {
        struct fault *fault = &plan->fault[i];
        fault->kind = (enum fault_kind)draw(is_orderly ? FAULT_STOP : 0, FAULT_KINDS - 1);
        fault->at_ms = BEGIN_MS + draw(0, likely(50) ? 6000 : 20000);
        if (i > 0 && fault[-1].kind == FAULT_RESULTS && likely(50)) {
            fault->kind = FAULT_JOIN; /* while results wait */
            fault->at_ms = fault[-1].at_ms + draw(0, 3000);
        }
        fault->lasts_ms = draw_length(plan, fault->kind);
        if (fault->at_ms + fault->lasts_ms > plan->healed_ms)
            plan->healed_ms = fault->at_ms + fault->lasts_ms;
    }
}

/* ---- all of it ---- */

/* The runs last about as long as a hand-over may: some end while their partition's last offsets are on their way. */
static void make_slow(struct plan *plan)
{
    struct fault *fault = &plan->fault[0];
    for (int i = 0; i < plan->n_inputs; i++)
        plan->input[i].takes_ms = draw(8000, 20000);
    fault->kind = FAULT_JOIN;
    fault->at_ms = BEGIN_MS + draw(2000, 6000);
    plan->n_faults = plan->n_faults > 0 ? plan->n_faults : 1;
}

/* The runs end while what is noted of them, again and again, cannot be written. */
static void make_noted(struct plan *plan)
{
    struct fault *fault = &plan->fault[0];
    plan->n_instances = likely(70) ? 1 : 2;
    plan->checkpoints = true;
    plan->at_most_once = false; /* else nothing would begin */
    plan->moves = 90;
    plan->n_provoked = 0;
    plan->n_faults = 1;
    *fault = (struct fault){.kind = FAULT_NOTES, .at_ms = BEGIN_MS + draw(0, 4000), .lasts_ms = draw(20000, 40000)};
    plan->healed_ms = fault->at_ms + fault->lasts_ms;
    for (int i = 0; i < plan->n_inputs; i++)
        plan->input[i].takes_ms = draw(8000, 25000);
}

void plan_make(struct plan *plan)
{
    bool is_slow = likely(12);
    plan->n_partitions = is_slow ? PARTITIONS_MAX : (int32_t)draw(1, PARTITIONS_MAX);
    plan->n_instances = (int)draw(1, 2);
    plan->checkpoints = likely(is_slow ? 20 : 75);
    plan->at_most_once = plan->checkpoints && likely(35);
    plan->exactly_once = likely(is_slow ? 80 : 35);
    plan->dead_letters = likely(50);
    plan->replies = likely(30);
    plan->skew_ms = likely(50) ? 0 : draw(1, 5000);
    plan->ordering = likely(50) ? LANES_NONE : likely(60) ? LANES_KEY : LANES_PARTITION;
    plan->max_in_flight = likely(60) ? 1000 : (size_t)draw(1, 12);
    plan->commit_interval_ms = likely(50) ? draw(20, 300) : draw(300, 4000);
    plan->transaction_ms = draw(20, 500);
    plan->drain_ms = draw(8000, 30000);
    plan->session_ms = draw(1500, 6000);
    plan->heartbeat_ms = plan->session_ms / 4;
    plan->loses_on_refusal = likely(50);
    plan->backend_is_idempotent = likely(50);
    plan->http_trouble = likely(50) ? 0 : (int)draw(1, 15);
    plan->waits = likely(50) ? 0 : (int)draw(5, 30);
    plan->moves = likely(50) ? 0 : (int)draw(10, 80);
    plan->slow = likely(50) ? 1 : (int)draw(2, 15);
    plan->result_max_bytes = likely(85) ? 0 : 640;
    make_inputs(plan);
    make_faults(plan);
    if (is_slow)
        make_slow(plan);
    else if (likely(8))
        make_noted(plan);
    static const int64_t naps[] = {0, 1000, INT64_MAX};
    plan->nap_least_ms = naps[draw(0, 2)];
    static const size_t seats[] = {0, 1, 1, 2};
    plan->line_seats = seats[draw(0, 3)];
    plan->begins = likely(50) ? 1000 : (size_t)draw(1, 3);
}

struct input *plan_input_at(struct plan *plan, int32_t partition, int64_t offset)
{
    for (int i = 0; i < plan->n_inputs; i++) {
        if (plan->input[i].partition == partition && plan->input[i].offset == offset)
            return &plan->input[i];
    }
    return NULL;
}

void plan_free(struct plan *plan)
{
    for (int i = 0; i < plan->n_inputs; i++)
        free(plan->input[i].value);
}
