#include "engine/exchange_answer.h"

#include "engine/excerpt.h"

#include <stdio.h>
#include <string.h>

/* Its answer to CONNECT was no. */
static bool is_refused_by_proxy(const struct exchange *exchange)
{
    long code = 0;
    return curl_easy_getinfo(exchange->easy, CURLINFO_HTTP_CONNECTCODE, &code) == CURLE_OK && code != 0 && code / 100 != 2;
}

static enum transport_error error_before_sending(const struct exchange *exchange)
{
    switch (exchange->code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return TRANSPORT_BAD_URL;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return TRANSPORT_RESOLVE;
    case CURLE_OPERATION_TIMEDOUT:
        return exchange->sockets == 0 ? TRANSPORT_RESOLVE : TRANSPORT_CONNECT;
    case CURLE_COULDNT_CONNECT:
        return TRANSPORT_CONNECT;
    case CURLE_OUT_OF_MEMORY:
        return TRANSPORT_MEMORY;
    default:
        if (is_refused_by_proxy(exchange)) {
            return TRANSPORT_CONNECT;
        }
        /* The connection stood, so it was the handshake; without TLS nothing lies between connecting and sending. */
        return strncmp(exchange->target->origin, "https:", 6) == 0 ? TRANSPORT_TLS : TRANSPORT_CONNECT;
    }
}

static enum transport_error error_after_sending(const struct exchange *exchange)
{
    return exchange->code == CURLE_OUT_OF_MEMORY || buf_failed(&exchange->body) ? TRANSPORT_MEMORY
                                                                               : TRANSPORT_NETWORK;
}

/* A single header line without end never reaches on_header: curl gives up at 100 KB, and calls that (until 8.6) a want
 * of memory. */
static bool is_line_too_large(const struct exchange *exchange)
{
    curl_off_t first_byte_us = 0;
    bool is_refused = exchange->code == CURLE_OUT_OF_MEMORY;
#if LIBCURL_VERSION_NUM >= 0x080600
    is_refused = is_refused || exchange->code == CURLE_TOO_LARGE;
#endif
    return is_refused && !exchange->headers_end && !buf_failed(&exchange->body) &&
           curl_easy_getinfo(exchange->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_byte_us) == CURLE_OK &&
           first_byte_us > 0;
}

static void say(struct http_reply *reply, const char *text)
{
    excerpt_put(reply->detail, sizeof reply->detail, text, strlen(text), sizeof reply->detail);
}

static void say_failure(const struct exchange *exchange, struct http_reply *reply)
{
    if (exchange->code == CURLE_ABORTED_BY_CALLBACK) {
        say(reply, "the connection closed before an answer came, and the request is not sent twice");
        return;
    }
    if (reply->error == TRANSPORT_CONNECT && exchange->why[0] != '\0' && exchange->sockets == 0) {
        say(reply, exchange->why);
        return;
    }
    say(reply, exchange->error[0] != '\0' ? exchange->error : curl_easy_strerror(exchange->code));
    if (exchange->refusals > 0 && exchange->sends == 0) {
        say(reply, "; of its addresses some were refused: ");
        say(reply, exchange->why);
    }
}

static void say_too_large(const struct exchange *exchange, struct http_reply *reply)
{
    const char *what = "body exceeds";
    size_t limit = exchange->settings->max_response_bytes;
    if (exchange->headers_too_large) {
        what = "headers exceed";
        limit = EXCHANGE_MAX_HEADER_BYTES;
    } else if (exchange->wire_too_large) {
        what = "bytes on the wire, chunk extensions and all, exceed";
        limit = exchange_max_wire_bytes(exchange);
    }
    snprintf(reply->detail, sizeof reply->detail, "the response's %s %zu bytes", what, limit);
}

static void read_answer(struct exchange *exchange, struct http_reply *reply)
{
    struct reply_headers *headers = &exchange->reply_headers;
    long code = 0;
    if (reply_headers_read(headers, exchange->easy, exchange->want_header, exchange->target) != 0) {
        reply->error = TRANSPORT_MEMORY;
        say(reply, "out of memory");
        return;
    }
    curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &code);
    reply->code = (int)code;
    reply->body = exchange->body.at != NULL ? exchange->body.at : "";
    reply->body_bytes = exchange->body.bytes;
    reply->retry_after = headers->retry_after;
    reply->wanted_raw = headers->wanted_raw;
    reply->wanted_url = headers->wanted_url;
}

void exchange_answer_read(struct exchange *exchange, struct http_reply *reply)
{
    *reply = (struct http_reply){.sent = exchange->sends > 0, .body = ""};
    if (is_line_too_large(exchange)) {
        exchange->too_large = true;
        exchange->headers_too_large = true;
    }
    if (exchange->code == CURLE_OK && !exchange->headers_end) {
        reply->error = TRANSPORT_NETWORK;
        say(reply, "the connection closed within the headers of the answer");
    } else if (exchange->code == CURLE_OK) {
        read_answer(exchange, reply);
    } else if (exchange->too_large) {
        reply->error = TRANSPORT_TOO_LARGE;
        say_too_large(exchange, reply);
    } else if (exchange->refusals > 0 && exchange->sockets == 0) {
        reply->error = TRANSPORT_EGRESS;
        say(reply, exchange->why);
    } else {
        reply->error = exchange->sends > 0 ? error_after_sending(exchange) : error_before_sending(exchange);
        say_failure(exchange, reply);
    }
}
