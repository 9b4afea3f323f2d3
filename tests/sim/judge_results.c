/* What the judge holds against results: they are their own inputs'. */
#include "sim/judge_inside.h"

#include "protocol/result.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *metadata_of(const struct rxp_result *result, const char *key)
{
    for (size_t i = 0; i < result->n_metadata; i++) {
        if (strcmp(result->metadata[i].key, key) == 0)
            return result->metadata[i].value;
    }
    return NULL;
}

static struct input *find_source(const struct rxp_result *result)
{
    const char *partition = metadata_of(result, "source.partition");
    const char *offset = metadata_of(result, "source.offset");
    return partition != NULL && offset != NULL ? plan_input_at(&world->plan, (int32_t)atoi(partition), atoll(offset)) : NULL;
}

static bool has_run(const struct input *input, const char *run_id)
{
    int of = -1;
    int number = -1;
    if (sscanf(run_id, "run-%d-%d", &of, &number) != 2 || of != input->number)
        return false;
    const struct verdict_on_input *about = &judge.input[input->number];
    for (int i = 0; i < about->n_kickoffs; i++) {
        if (about->kickoff[i].has_arrived && about->kickoff[i].run_number == number)
            return true;
    }
    return false;
}

/* A result says what was left out. */
static void judge_company(const struct input *input, const struct rxp_result *result)
{
    const struct verdict_on_input *about = &judge.input[input->number];
    if (metadata_of(result, "rxp.shed") != NULL)
        return;
    if (result->status == RXP_STATUS_REJECTED && world->plan.dead_letters && about->dead_letters == 0)
        fail(input->number, "a rejection's result is visible before its dead letter");
    if (input->reply != NULL && about->replies == 0)
        fail(input->number, "a result is visible before the reply that was asked for");
}

/* Did it have a kickoff that may have begun something? */
static bool was_kicked_off(const struct verdict_on_input *about)
{
    for (int i = 0; i < about->n_kickoffs; i++) {
        if (!about->kickoff[i].is_put_off)
            return true;
    }
    return false;
}

static bool is_one_of(const char *text, const char *const *others, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, others[i]) == 0)
            return true;
    }
    return false;
}

/* A backend that answers each request says how its run ended. */
static void judge_outcome(const struct input *input, const struct rxp_result *result)
{
    static const char *const possible[] = {"kickoff_unknown", "kickoff_timeout", "poll_timeout"};
    const char *error = metadata_of(result, "error.code");
    if (error != NULL && (is_one_of(error, possible, 3) || (input->prepares && strcmp(error, "prepare_failed") == 0)))
        return;
    const char *due = input->number % 7 == 3 ? "backend_failed" : "";
    if (world->plan.http_trouble == 0 && strcmp(error != NULL ? error : "", due) != 0)
        fail(input->number, "I4: the result is '%s' (%s), and the backend was well: %s", rxp_status_name(result->status),
             error != NULL ? error : "no error", result->error_summary != NULL ? result->error_summary : "");
}

static void judge_body(const struct input *input, const struct rxp_result *result)
{
    const char *body = metadata_of(result, "http.result");
    bool is_shed = metadata_of(result, "rxp.shed") != NULL || metadata_of(result, "http.result_truncated") != NULL;
    char polled[32];
    char fetched[32];
    snprintf(polled, sizeof polled, "\"token-%d\"", input->number);
    snprintf(fetched, sizeof fetched, "\"fetched-%d\"", input->number);
    if (body == NULL && (result->status != RXP_STATUS_SUCCEEDED || is_shed))
        return;
    bool is_fetched = body != NULL && input->fetches && strcmp(body, fetched) == 0;
    bool is_due = input->fetches && result->status == RXP_STATUS_SUCCEEDED;
    if (!is_fetched && (is_due || body == NULL || strcmp(body, polled) != 0))
        fail(input->number, "I4: the result holds %s", body != NULL ? body : "nothing");
}

void judge_result(const struct record *record)
{
    struct rxp_result *result = NULL;
    struct rxp_refusal why;
    if (rxp_result_parse(record->value, record->value_bytes, &result, &why) != 0) {
        fail(-1, "I4: a result that cannot be read: %s", why.text);
        return;
    }
    const struct input *input = find_source(result);
    if (input == NULL) {
        fail(-1, "I4: a result of an input that there is not");
        goto out;
    }
    const char *run_id = metadata_of(result, "http.run_id");
    const char *key = input->key[0] != '\0' ? input->key : input->id;
    trace(input->number, "result '%s' is visible, by %s, run %s", rxp_status_name(result->status),
          metadata_of(result, "worker.id"), run_id != NULL ? run_id : "none");
    if (input->kind != INPUT_REJECTED && strcmp(result->invocation_id, input->id) != 0)
        fail(input->number, "I4: the result is about '%s'", result->invocation_id);
    if (record->key_bytes != strlen(key) || memcmp(record->key, key, record->key_bytes) != 0)
        fail(input->number, "I4: the result's key is '%.*s', not '%s'", (int)record->key_bytes, record->key, key);
    if (run_id != NULL && !has_run(input, run_id))
        fail(input->number, "I4: the result names run '%s', which is not its own", run_id);
    if (input->kind == INPUT_ASYNC) {
        judge_body(input, result);
        judge_outcome(input, result);
    }
    if (result->status == RXP_STATUS_SUCCEEDED && input->kind == INPUT_REJECTED)
        fail(input->number, "I4: an input that must be rejected has succeeded");
    struct verdict_on_input *about = &judge.input[input->number];
    const char *error = metadata_of(result, "error.code");
    if (error != NULL && strcmp(error, "kickoff_unknown") == 0 && !was_kicked_off(about) && !judge.is_disorderly)
        fail(input->number, "I3: its kickoff counts as unknown, and none was sent that counts, in an orderly world");
    judge_company(input, result);
    const char *worker_id = metadata_of(result, "worker.id");
    about->by = worker_id != NULL ? atoi(worker_id + 1) : 0;
    if (++about->results > 1 && world->plan.exactly_once)
        fail(input->number, "I1: %d results are visible", about->results);
out:
    rxp_result_free(result);
}

void judge_reply(const struct record *record)
{
    struct rxp_result *result = NULL;
    struct rxp_refusal why;
    const struct input *input = NULL;
    if (rxp_result_parse(record->value, record->value_bytes, &result, &why) == 0)
        input = find_source(result);
    if (input == NULL || input->reply == NULL)
        fail(-1, "I4: a reply that nobody asked for, or that cannot be read");
    else
        judge.input[input->number].replies++;
    rxp_result_free(result);
}

void judge_dead_letter(const struct record *record)
{
    for (int i = 0; i < world->plan.n_inputs; i++) {
        const struct input *input = &world->plan.input[i];
        if (strlen(input->value) == record->value_bytes && memcmp(input->value, record->value, record->value_bytes) == 0)
            judge.input[i].dead_letters++;
    }
}
