#include "engine/verdict_text.h"

#include "engine/excerpt.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_BYTES 200

struct phase phase_of_kickoff(const char *url)
{
    return (struct phase){
        .name = "kickoff",
        .request = "kickoff to ",
        .url = url,
        .network = RXP_ERROR_KICKOFF_NETWORK,
        .status = RXP_ERROR_KICKOFF_STATUS,
        .not_json = RXP_ERROR_KICKOFF_NOT_JSON,
    };
}

struct phase phase_of_poll(const char *url)
{
    return (struct phase){
        .is_poll = true,
        .name = "poll",
        .request = "poll of ",
        .url = url,
        .network = RXP_ERROR_POLL_NETWORK,
        .status = RXP_ERROR_POLL_STATUS,
        .not_json = RXP_ERROR_POLL_NOT_JSON,
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

void verdict_say_status(struct verdict *verdict, const struct phase *phase, const char *expected,
                       const struct http_reply *reply)
{
    verdict_say(verdict, phase->name);
    verdict_say(verdict, " expected HTTP ");
    verdict_say(verdict, expected);
    verdict_say(verdict, ", got ");
    verdict_say_number(verdict, reply->code);
    if (reply->error == TRANSPORT_REDIRECT) {
        verdict_say(verdict, reply->detail[0] != '\0' ? ": " : "");
        verdict_say(verdict, reply->detail);
    } else {
        verdict_say_body(verdict, reply);
    }
    if (phase->is_poll) {
        verdict_say(verdict, " (polled ");
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
