#include "engine/verdict_trouble.h"

#include "protocol/retry_after.h"

void verdict_break(struct verdict *verdict, enum rxp_error error)
{
    verdict->kind = VERDICT_BROKEN;
    verdict->error = error;
    verdict->text[0] = '\0';
}

/* A poll or fetch that failed in a way that may pass; nothing else is repeated for that alone. */
static void set_failed(struct verdict *verdict, const struct phase *phase, enum rxp_error error)
{
    verdict_break(verdict, error);
    if (phase->is_repeated) {
        verdict->kind = VERDICT_TRANSIENT;
    }
}

void verdict_lack_memory(struct verdict *verdict, const struct phase *phase)
{
    set_failed(verdict, phase, phase->network);
    verdict_say(verdict, phase->request);
    verdict_say_url(verdict, phase->url);
    verdict_say(verdict, " failed: out of memory");
}

/* A URL of the message that cannot be used is its own fault, known before anything left; any other came with an
 * answer. */
static void judge_bad_url(struct verdict *verdict, const struct phase *phase, const struct http_reply *reply)
{
    verdict_break(verdict, reply->sent ? phase->status : phase->bad_url);
    verdict->rejected = phase->is_first && !reply->sent;
    verdict_say_failure(verdict, phase, reply);
}

/* It got no connection: nothing of it has left. */
static void judge_no_connection(struct verdict *verdict, const struct phase *phase, const struct http_reply *reply)
{
    set_failed(verdict, phase, phase->network);
    if (!phase->is_repeated && !reply->sent) {
        verdict->kind = VERDICT_RETRY;
    }
    verdict_say_failure(verdict, phase, reply);
}

static void judge_redirect(struct verdict *verdict, const struct phase *phase, const struct http_reply *reply)
{
    verdict_break(verdict, phase->status);
    if (reply->code != 0) {
        verdict_say_status(verdict, phase, reply);
    } else {
        verdict_say_failure(verdict, phase, reply);
    }
}

void verdict_judge_transport(struct verdict *verdict, const struct phase *phase, const struct http_reply *reply)
{
    switch (reply->error) {
    case TRANSPORT_OK:
        return;
    case TRANSPORT_BAD_URL:
        judge_bad_url(verdict, phase, reply);
        return;
    case TRANSPORT_RESOLVE:
    case TRANSPORT_CONNECT:
    case TRANSPORT_TLS:
        judge_no_connection(verdict, phase, reply);
        return;
    case TRANSPORT_NETWORK:
    case TRANSPORT_TIMEOUT:
        set_failed(verdict, phase, phase->network);
        verdict_say_failure(verdict, phase, reply);
        return;
    case TRANSPORT_TOO_LARGE:
        verdict_break(verdict, RXP_ERROR_RESPONSE_TOO_LARGE);
        verdict_say_failure(verdict, phase, reply);
        return;
    case TRANSPORT_EGRESS:
        verdict_break(verdict, RXP_ERROR_EGRESS_DENIED);
        verdict->rejected = phase->is_first && !reply->sent;
        verdict_say_failure(verdict, phase, reply);
        return;
    case TRANSPORT_REDIRECT:
        judge_redirect(verdict, phase, reply);
        return;
    case TRANSPORT_UNAVAILABLE:
        verdict_break(verdict, RXP_ERROR_ORIGIN_UNAVAILABLE);
        verdict_say_failure(verdict, phase, reply);
        return;
    case TRANSPORT_MEMORY:
        verdict_lack_memory(verdict, phase);
        verdict->lacked_memory = !reply->sent;
        if (!phase->is_repeated && !reply->sent) {
            verdict->kind = VERDICT_RETRY;
        }
        return;
    }
}

static bool may_pass(int code)
{
    return code == 408 || code == 429 || code == 500 || code == 502 || code == 503 || code == 504;
}

int64_t verdict_retry_after_ms(const struct verdict_limits *limits, const struct http_reply *reply)
{
    int64_t wait_ms = rxp_retry_after_ms(reply->retry_after, limits->wall_ms);
    return wait_ms > 0 ? wait_ms : 0;
}

/* One that was redirected (moved) did something before it was asked to come again. */
bool verdict_is_asked_again(const struct verdict_limits *limits, const struct http_reply *reply)
{
    return reply->error == TRANSPORT_OK && (reply->code == 429 || reply->code == 503) && !reply->moved &&
           rxp_retry_after_ms(reply->retry_after, limits->wall_ms) >= 0;
}

void verdict_say_retry_after(struct verdict *verdict, const struct http_reply *reply)
{
    verdict_say(verdict, " (Retry-After: ");
    verdict_say(verdict, reply->retry_after);
    verdict_say(verdict, ")");
}

void verdict_judge_code(struct verdict *verdict, const struct phase *phase, const struct verdict_limits *limits,
                        const struct http_reply *reply)
{
    verdict_break(verdict, phase->status);
    verdict->unauthorized = reply->code == 401;
    verdict_say_status(verdict, phase, reply);
    if (phase->is_repeated && may_pass(reply->code)) {
        verdict->kind = VERDICT_TRANSIENT;
    } else if (verdict_is_asked_again(limits, reply)) {
        verdict->kind = VERDICT_RETRY;
        verdict_say_retry_after(verdict, reply);
    }
}
