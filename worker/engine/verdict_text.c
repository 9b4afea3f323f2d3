#include "engine/verdict_text.h"

#include "engine/excerpt.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_BYTES 200

#define LISTED_CODES 10

struct phase phase_of_prepare(const char *url)
{
    return (struct phase){
        .is_first = true,
        .name = "prepare",
        .request = "prepare call to ",
        .url = url,
        .expected = "2xx",
        .network = RXP_ERROR_PREPARE_FAILED,
        .status = RXP_ERROR_PREPARE_FAILED,
        .not_json = RXP_ERROR_PREPARE_FAILED,
        .bad_url = RXP_ERROR_INVALID_METADATA,
    };
}

struct phase phase_of_kickoff(const struct rxp_http_plan *plan, const char *url)
{
    return (struct phase){
        .is_first = plan->prepare.url == NULL,
        .name = "kickoff",
        .request = "kickoff to ",
        .url = url,
        .expected = plan->polls ? NULL : "2xx",
        .codes = &plan->accept_codes,
        .network = RXP_ERROR_KICKOFF_NETWORK,
        .status = RXP_ERROR_KICKOFF_STATUS,
        .not_json = RXP_ERROR_KICKOFF_NOT_JSON,
        .bad_url = RXP_ERROR_INVALID_METADATA,
    };
}

struct phase phase_of_poll(const char *url)
{
    return (struct phase){
        .is_repeated = true,
        .name = "poll",
        .request = "poll of ",
        .asked = "polled ",
        .url = url,
        .expected = "200",
        .network = RXP_ERROR_POLL_NETWORK,
        .status = RXP_ERROR_POLL_STATUS,
        .not_json = RXP_ERROR_POLL_NOT_JSON,
        .bad_url = RXP_ERROR_POLL_URL_INVALID,
    };
}

struct phase phase_of_fetch(const char *url)
{
    return (struct phase){
        .is_repeated = true,
        .name = "result fetch",
        .request = "result fetch from ",
        .asked = "asked ",
        .url = url,
        .expected = "200",
        .network = RXP_ERROR_RESULT_FETCH,
        .status = RXP_ERROR_RESULT_FETCH,
        .not_json = RXP_ERROR_RESULT_FETCH,
        .bad_url = RXP_ERROR_RESULT_FETCH,
    };
}

void verdict_say(struct verdict *verdict, const char *text)
{
    excerpt_put(verdict->text, sizeof verdict->text, text, strlen(text), sizeof verdict->text);
}

void verdict_say_bytes(struct verdict *verdict, const char *at, size_t bytes)
{
    excerpt_put(verdict->text, sizeof verdict->text, at, bytes, SHOWN_BYTES);
}

void verdict_say_quoted(struct verdict *verdict, const char *text)
{
    verdict_say(verdict, "'");
    verdict_say_bytes(verdict, text, strlen(text));
    verdict_say(verdict, "'");
}

void verdict_say_number(struct verdict *verdict, long long number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", number);
    verdict_say(verdict, digits);
}

void verdict_say_url(struct verdict *verdict, const char *url)
{
    excerpt_put_url(verdict->text, sizeof verdict->text, url);
}

void verdict_say_body(struct verdict *verdict, const struct http_reply *reply)
{
    if (reply->body_bytes > 0) {
        verdict_say(verdict, ": ");
        verdict_say_bytes(verdict, reply->body, reply->body_bytes);
    }
}

/* "200, 201 or 202". */
static void say_expected(struct verdict *verdict, const struct phase *phase)
{
    if (phase->expected != NULL) {
        verdict_say(verdict, phase->expected);
        return;
    }
    size_t n = phase->codes->n;
    size_t listed = n <= LISTED_CODES ? n : LISTED_CODES;
    for (size_t i = 0; i < listed; i++) {
        verdict_say(verdict, i == 0 ? "" : i + 1 == n ? " or " : ", ");
        verdict_say_number(verdict, phase->codes->code[i]);
    }
    if (listed < n) {
        verdict_say(verdict, " or one of ");
        verdict_say_number(verdict, (long long)(n - listed));
        verdict_say(verdict, " others");
    }
}

void verdict_say_status(struct verdict *verdict, const struct phase *phase, const struct http_reply *reply)
{
    verdict_say(verdict, phase->name);
    verdict_say(verdict, " expected HTTP ");
    say_expected(verdict, phase);
    verdict_say(verdict, ", got ");
    verdict_say_number(verdict, reply->code);
    if (reply->error == TRANSPORT_REDIRECT) {
        verdict_say(verdict, reply->detail[0] != '\0' ? ": " : "");
        verdict_say(verdict, reply->detail);
    } else {
        verdict_say_body(verdict, reply);
    }
    if (phase->asked != NULL) {
        verdict_say(verdict, " (");
        verdict_say(verdict, phase->asked);
        verdict_say_url(verdict, phase->url);
        verdict_say(verdict, ")");
    }
}

static const char *transport_phrase(enum transport_error error)
{
    switch (error) {
    case TRANSPORT_OK:
        return "";
    case TRANSPORT_BAD_URL:
        return "the URL is not an absolute http or https URL";
    case TRANSPORT_RESOLVE:
        return "the name has no address";
    case TRANSPORT_CONNECT:
        return "no connection";
    case TRANSPORT_TLS:
        return "TLS failed";
    case TRANSPORT_NETWORK:
        return "the connection broke";
    case TRANSPORT_TIMEOUT:
        return "no answer in time";
    case TRANSPORT_TOO_LARGE:
        return "the response is too large";
    case TRANSPORT_EGRESS:
        return "the egress policy refuses it";
    case TRANSPORT_REDIRECT:
        return "the redirect cannot be followed";
    case TRANSPORT_UNAVAILABLE:
        return "its origin lets no kickoff go";
    case TRANSPORT_MEMORY:
        return "out of memory";
    }
    return "";
}

void verdict_say_failure(struct verdict *verdict, const struct phase *phase, const struct http_reply *reply)
{
    verdict_say(verdict, phase->request);
    verdict_say_url(verdict, phase->url);
    verdict_say(verdict, reply->error == TRANSPORT_EGRESS ? " refused: " : " failed: ");
    verdict_say(verdict, reply->detail[0] != '\0' ? reply->detail : transport_phrase(reply->error));
}
