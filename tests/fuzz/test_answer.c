/* What backends answer, looked at as any invocation may have it looked at: "members of metadata" "--" and then answers, each a
 * line of CODE and Retry-After, and a body. Each is judged as the answer to a prepare call, a kickoff, a poll and a fetch. */
#include "fuzz/fuzz.h"
#include "fuzz/json_facts.h"

#include "base/buf.h"
#include "engine/verdict.h"
#include "protocol/json.h"

#include <string.h>

#define URL "http://user:zXq9@h.example/p/zz?key=zXq9#zXq9"
#define RESULT_MAX_BYTES ((size_t)256)
#define WALL_MS INT64_C(1785000000000)

static const struct verdict_limits limits = {.max_result_bytes = RESULT_MAX_BYTES, .wall_ms = WALL_MS};

enum phase_bits { KICKOFF = 1, POLL = 2, PREPARE = 4, FETCH = 8 };

static unsigned phases_of(enum verdict_kind kind)
{
    switch (kind) {
    case VERDICT_PREPARED: return PREPARE;
    case VERDICT_ACCEPTED: return KICKOFF;
    case VERDICT_PENDING: return POLL;
    case VERDICT_RETRY: return PREPARE | KICKOFF;
    case VERDICT_FETCH: return KICKOFF | POLL;
    case VERDICT_DONE: return KICKOFF | POLL | FETCH;
    case VERDICT_TRANSIENT: return POLL | FETCH;
    case VERDICT_BROKEN: return KICKOFF | POLL | PREPARE | FETCH;
    }
    return 0;
}

static void must_be_id(const char *id)
{
    must(id == NULL || (id[0] != '\0' && strlen(id) <= RXP_RUN_ID_MAX_BYTES && strcmp(id, ".") != 0 && strcmp(id, "..") != 0));
}

/* Does the input itself say what stands in the URL's secret parts? */
static bool input_has_secret;

static void must_be_told(const struct verdict *verdict)
{
    bool went_wrong = verdict->kind == VERDICT_BROKEN || verdict->kind == VERDICT_TRANSIENT || verdict->kind == VERDICT_RETRY;
    if (went_wrong)
        must(verdict->error != RXP_OK);
    if (verdict->error != RXP_OK) {
        must_be_sentence(verdict->text);
        must(strlen(verdict->text) < VERDICT_TEXT_BYTES);
    }
    /* No sentence names a password or a query. */
    if (!input_has_secret)
        must(strstr(verdict->text, "zXq9") == NULL);
}

static void must_be_verdict(const struct rxp_http_plan *plan, enum phase_bits phase, const struct verdict *verdict,
                            const struct http_reply *reply)
{
    struct json_fault fault;
    bool ends = verdict->kind == VERDICT_DONE || verdict->kind == VERDICT_FETCH;
    must((phases_of(verdict->kind) & phase) != 0);
    must_be_told(verdict);
    must_be_id(verdict->run_id);
    must_be_id(verdict->prepared_id);
    must(verdict->retry_after_ms >= 0 && verdict->retry_after_ms <= RXP_MAX_MS);
    must(verdict->result == NULL || strlen(verdict->result) <= RESULT_MAX_BYTES);
    must(verdict->result == NULL || !verdict->result_truncated);
    must(verdict->result == NULL || json_check(verdict->result, strlen(verdict->result), JSON_KEYS_ANY, &fault) == 0);
    if (ends && phase != FETCH && plan->polls) {
        must(verdict->state != NULL && rxp_words_has(&plan->terminal_states, verdict->state));
        must(verdict->succeeded == rxp_words_has(&plan->success_states, verdict->state));
        must(verdict->succeeded == (verdict->error == RXP_OK));
        must(verdict->has_exit_code && verdict->exit_code == (verdict->succeeded ? 0 : 1));
    }
    if (phase == KICKOFF && !plan->polls && verdict->kind == VERDICT_DONE)
        must(verdict->exit_code == reply->code && verdict->succeeded == (reply->code / 100 == 2));
    if (phase == POLL && verdict->kind == VERDICT_PENDING && verdict->state != NULL)
        must(!rxp_words_has(&plan->terminal_states, verdict->state));
}

/* Twice, since a verdict must not hang on anything but its arguments. */
static void judge(const struct rxp_http_plan *plan, enum phase_bits phase, const struct http_reply *reply)
{
    struct verdict verdict[2];
    for (int i = 0; i < 2; i++) {
        const struct verdict_poll poll = {.url = URL, .has_run_id = plan->late_run_id_path == NULL, .since_ms = 1000};
        switch (phase) {
        case KICKOFF: verdict_of_kickoff(plan, &limits, URL, reply, &verdict[i]); break;
        case POLL: verdict_of_poll(plan, &limits, &poll, reply, &verdict[i]); break;
        case PREPARE: verdict_of_prepare(plan, &limits, URL, reply, &verdict[i]); break;
        case FETCH: verdict_of_fetch(plan, &limits, URL, reply, &verdict[i]); break;
        }
        must_be_verdict(plan, phase, &verdict[i], reply);
    }
    must(verdict[0].kind == verdict[1].kind && fuzz_same(verdict[0].text, verdict[1].text));
    verdict_deinit(&verdict[0]);
    verdict_deinit(&verdict[1]);
}

static void answer(const struct rxp_http_plan *plan, struct fuzz_part part)
{
    const char *feed = part.bytes > 0 ? memchr(part.at, '\n', part.bytes) : NULL;
    struct fuzz_part head = {part.at, feed != NULL ? (size_t)(feed - part.at) : part.bytes};
    struct fuzz_part rest = {part.at + head.bytes, part.bytes - head.bytes};
    if (feed != NULL)
        rest = (struct fuzz_part){rest.at + 1, rest.bytes - 1};
    char *body = fuzz_bytes(rest);
    const char *space = head.bytes > 0 ? memchr(head.at, ' ', head.bytes) : NULL;
    size_t skipped = space != NULL ? (size_t)(space + 1 - head.at) : head.bytes;
    char *retry_after = fuzz_text((struct fuzz_part){head.at + skipped, head.bytes - skipped});
    struct http_reply reply = {.sent = true, .code = fuzz_number(head), .body = body, .body_bytes = rest.bytes,
                               .retry_after = space != NULL ? retry_after : NULL};
    reply.moved = retry_after[0] == '>';
    if (reply.code < 100 || reply.code > 999)
        reply.code = 200;
    if (plan->poll_url_header != NULL && space != NULL) {
        reply.wanted_raw = retry_after;
        reply.wanted_url = "http://h.example/wanted";
    }
    must_be_json_or_not(body, rest.bytes);
    judge(plan, KICKOFF, &reply);
    if (plan->polls)
        judge(plan, POLL, &reply);
    if (plan->prepare.url != NULL)
        judge(plan, PREPARE, &reply);
    if (plan->result.url != NULL)
        judge(plan, FETCH, &reply);
    free(retry_after);
    free(body);
}

static struct rxp_invocation *invocation_of(struct fuzz_part members, struct rxp_http_plan *plan)
{
    static const char before[] = "{\"invocation_id\":\"i\",\"runtime_name\":\"n\",\"runtime_kind\":\"http_async\","
                                 "\"working_directory\":\"/\",\"command\":[\"x\"],\"metadata\":{";
    struct rxp_refusal why;
    struct rxp_invocation *invocation = NULL;
    struct buf text;
    buf_init(&text, (size_t)1 << 20);
    buf_put(&text, before, sizeof before - 1);
    buf_put(&text, members.at, members.bytes);
    buf_put(&text, "}}", 2);
    bool is_good = rxp_invocation_parse(text.at, text.bytes, (size_t)1 << 20, &invocation, &why) == 0 &&
                   rxp_http_plan_make(invocation, NULL, plan, &why) == 0;
    buf_deinit(&text);
    if (!is_good) {
        rxp_invocation_free(invocation);
        return NULL;
    }
    return invocation;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_part rest = {(const char *)data, bytes};
    struct rxp_http_plan plan;
    input_has_secret = bytes > 0 && memmem(data, bytes, "zXq9", 4) != NULL;
    struct rxp_invocation *invocation = invocation_of(fuzz_next(&rest), &plan);
    if (invocation == NULL) {
        must_be_json_or_not((const char *)data, bytes);
        return 0;
    }
    for (int n = 0; rest.bytes > 0 && n < 8; n++)
        answer(&plan, fuzz_next(&rest));
    rxp_http_plan_deinit(&plan);
    rxp_invocation_free(invocation);
    return 0;
}
