/* The bytes of an input: refused with a sentence, or an invocation that is written and read as the same one, and a plan of
 * which the rest of the worker may believe what http_plan.h says; what is left of it while its run sleeps makes the same plan
 * for what is still to come, and the same result. Whatever it is, its result is a RuntimeResult. */
#include "fuzz/fuzz.h"
#include "fuzz/plan_facts.h"
#include "support/later_plan.h"

#include "core/answer.h"
#include "core/intake.h"
#include "engine/awake.h"
#include "protocol/invocation.h"
#include "protocol/result.h"

#include <string.h>

#define MESSAGE_MAX_BYTES ((size_t)1 << 20)

static void must_have_result(struct run *run, enum answer_shed shed)
{
    const struct answer_context context = {.worker_id = "w", .source = {"in", 0, 1}, .shed = shed};
    struct rxp_refusal why;
    struct rxp_result *result = NULL;
    size_t bytes;
    char *text = answer_write(run, &context, &bytes);
    must(text != NULL);
    must(rxp_result_parse(text, bytes, &result, &why) == 0);
    must(strlen(text) == bytes && memchr(text, '\n', bytes) == NULL);
    char room[ANSWER_ID_BYTES];
    must(strcmp(result->invocation_id, answer_id(run, &context, room)) == 0);
    rxp_result_free(result);
    free(text);
}

static void must_be_same(const struct rxp_invocation *a, const struct rxp_invocation *b)
{
    must(fuzz_same(a->invocation_id, b->invocation_id) && fuzz_same(a->runtime_name, b->runtime_name));
    must(a->kind == b->kind && fuzz_same(a->working_directory, b->working_directory) && a->timeout_ms == b->timeout_ms);
    must(a->n_command == b->n_command && a->n_metadata == b->n_metadata && a->n_environment == b->n_environment);
    for (size_t i = 0; i < a->n_command; i++)
        must(fuzz_same(a->command[i], b->command[i]));
    for (size_t i = 0; i < a->n_metadata; i++) {
        must(fuzz_same(a->metadata[i].key, b->metadata[i].key) && fuzz_same(a->metadata[i].value, b->metadata[i].value));
        must(rxp_invocation_metadata(a, a->metadata[i].key) == a->metadata[i].value);
    }
    for (size_t i = 0; i < a->n_environment; i++)
        must(fuzz_same(a->environment[i].key, b->environment[i].key));
    must(fuzz_same(a->input_payload_path, b->input_payload_path) && fuzz_same(a->artifact_directory, b->artifact_directory));
    must(fuzz_same(a->output_result_path, b->output_result_path));
}

/* Of one that was accepted: the same once more, from what is written of it. */
static void must_round_trip(const struct rxp_invocation *invocation, const struct rxp_http_plan *plan)
{
    struct rxp_refusal why;
    struct rxp_invocation *again = NULL;
    struct rxp_http_plan same;
    size_t bytes;
    size_t bytes_again;
    char *text = rxp_invocation_write(invocation, &bytes);
    must(text != NULL && strlen(text) == bytes);
    must(rxp_invocation_parse(text, bytes, SIZE_MAX, &again, &why) == 0);
    must_be_same(invocation, again);
    char *text_again = rxp_invocation_write(again, &bytes_again);
    must(text_again != NULL && bytes == bytes_again && memcmp(text, text_again, bytes) == 0);
    must((rxp_http_plan_make(again, NULL, &same, &why) == 0) == (plan != NULL));
    must(plan == NULL || plan_same(plan, &same));
    rxp_http_plan_deinit(&same);
    rxp_invocation_free(again);
    free(text);
    free(text_again);
}

/* The result of a run that slept is that of one that did not. */
static void must_echo_alike(const struct rxp_invocation *invocation)
{
    const struct answer_context context = {.worker_id = "w", .source = {"in", 0, 1}};
    char *packed = malloc(rxp_packed_bytes(invocation));
    size_t packed_bytes = rxp_packed_write(packed, invocation);
    must(packed_bytes == rxp_packed_bytes(invocation));
    struct rxp_pair *pairs = calloc(rxp_packed_pairs(packed) + 1, sizeof *pairs);
    struct rxp_invocation again;
    struct run run;
    size_t bytes;
    size_t bytes_again;
    rxp_packed_read(packed, pairs, &again);
    run_init(&run);
    must(awake_new(&run) != NULL);
    run.awake->invocation = invocation;
    char *text = answer_write(&run, &context, &bytes);
    run.awake->invocation = &again;
    char *text_again = answer_write(&run, &context, &bytes_again);
    must(text != NULL && text_again != NULL && bytes == bytes_again && memcmp(text, text_again, bytes) == 0);
    free(text);
    free(text_again);
    run_deinit(&run);
    free(pairs);
    free(packed);
}

static void must_sleep(const struct rxp_invocation *invocation, const struct rxp_http_plan *plan)
{
    const char *fault = later_fault(invocation, NULL, plan);
    if (fault != NULL)
        fprintf(stderr, "%s\n", fault);
    must(fault == NULL);
    must_echo_alike(invocation);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = fuzz_bytes((struct fuzz_part){(const char *)data, bytes});
    struct rxp_refusal why = {RXP_OK, ""};
    struct run run;
    struct rxp_invocation *invocation = NULL;
    struct rxp_http_plan plan = {0};
    run_init(&run);
    must(awake_new(&run) != NULL);
    int parsed = rxp_invocation_parse(text, bytes, MESSAGE_MAX_BYTES, &invocation, &why);
    free(text); /* nothing may point into it */
    must(invocation != NULL);
    int planned = parsed == 0 ? rxp_http_plan_make(invocation, NULL, &plan, &why) : -1;
    run.awake->invocation = invocation;
    if (parsed == 0) {
        must_round_trip(invocation, planned == 0 ? &plan : NULL);
        must_sleep(invocation, planned == 0 ? &plan : NULL);
    }
    if (planned == 0) {
        must_be_plan(&plan);
        run.awake->outcome = (struct outcome){.status = RXP_STATUS_SUCCEEDED, .has_exit_code = true};
    } else {
        must_be_refusal(&why);
        intake_reject(&run, &why);
    }
    for (enum answer_shed shed = ANSWER_WHOLE; shed <= ANSWER_SHED_IDENTITY; shed++)
        must_have_result(&run, shed);
    rxp_http_plan_deinit(&plan);
    run_deinit(&run);
    rxp_invocation_free(invocation);
    return 0;
}
