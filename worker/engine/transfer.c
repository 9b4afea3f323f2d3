#include "engine/transfer.h"

#include "engine/secret_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int copy_request(struct transfer *transfer, const struct http_request *request)
{
    size_t method_bytes = strlen(request->method) + 1;
    size_t type_bytes = request->content_type != NULL ? strlen(request->content_type) + 1 : 0;
    transfer->owned = malloc(method_bytes + type_bytes);
    if (transfer->owned == NULL) {
        return -1;
    }
    char *at = transfer->owned;
    transfer->request = *request;
    transfer->request.method = memcpy(at, request->method, method_bytes);
    if (request->content_type != NULL) {
        transfer->request.content_type = memcpy(at + method_bytes, request->content_type, type_bytes);
    }
    return 0;
}

struct transfer *transfer_new(const struct http_request *request)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (transfer == NULL) {
        return NULL;
    }
    list_init(&transfer->node);
    origin_claim_init(&transfer->claim);
    timer_init(&transfer->timer);
    if (copy_request(transfer, request) != 0) {
        free(transfer);
        return NULL;
    }
    return transfer;
}

void transfer_free(struct transfer *transfer)
{
    target_deinit(&transfer->target);
    free(transfer->detail);
    free(transfer->owned);
    free(transfer);
}

bool transfer_is_on_wire(const struct transfer *transfer)
{
    return transfer->exchange != NULL && transfer->claim.place != ORIGIN_NOWHERE;
}

void transfer_set_error(struct transfer *transfer, enum transport_error error, const char *detail)
{
    transfer->error = error;
    free(transfer->detail);
    transfer->detail = strdup(detail);
}

struct hop transfer_hop(struct transfer *transfer)
{
    const struct http_request *request = &transfer->request;
    return (struct hop){
        .target = &transfer->target,
        .method = request->method,
        .body = request->body,
        .body_bytes = request->body_bytes,
        .content_type = request->content_type,
        .headers = transfer->headers.header,
        .n_headers = transfer->headers.n,
        .want_header = request->want_header,
        .connect_timeout_ms = request->connect_timeout_ms,
        .once = request->once,
        .opaque = transfer,
    };
}

void transfer_hold_gate(struct transfer *transfer)
{
    struct gate *gate = origin_claim_gate(&transfer->claim);
    transfer->gate = gate != NULL ? gate_hold(gate) : NULL;
}

void transfer_tell_gate(struct transfer *transfer, enum transport_error error, int64_t now_ms)
{
    if (transfer->gate == NULL) {
        return;
    }
    switch (error) {
    case TRANSPORT_OK:
    case TRANSPORT_TOO_LARGE:
        gate_answered(transfer->gate, now_ms);
        break;
    case TRANSPORT_RESOLVE:
    case TRANSPORT_CONNECT:
    case TRANSPORT_TLS:
    case TRANSPORT_NETWORK:
    case TRANSPORT_TIMEOUT:
        gate_failed(transfer->gate, now_ms);
        break;
    case TRANSPORT_BAD_URL:
    case TRANSPORT_EGRESS:
    case TRANSPORT_REDIRECT:
    case TRANSPORT_UNAVAILABLE:
    case TRANSPORT_MEMORY:
        break;
    }
    gate_release(transfer->gate, now_ms);
    transfer->gate = NULL;
}

bool transfer_is_redirect(int code)
{
    return code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
}

bool transfer_may_follow(const struct transfer *transfer, const struct target *target, char *why, size_t why_bytes)
{
    char *url = NULL;
    bool is_held = false;
    if (target_has_credentials(target)) {
        snprintf(why, why_bytes, "its Location holds a user name or password");
        return false;
    }
    if (curl_url_get(target->url, CURLUPART_URL, &url, 0) != CURLUE_OK) {
        snprintf(why, why_bytes, "out of memory");
        return false;
    }
    for (size_t i = 0; i < transfer->headers.n_secrets; i++) {
        is_held = is_held || secret_is_held(url, transfer->headers.secret[i]);
    }
    explicit_bzero(url, strlen(url));
    curl_free(url);
    if (is_held) {
        snprintf(why, why_bytes, "its Location holds a secret that was sent");
    }
    return !is_held;
}

void transfer_redirect(struct transfer *transfer, int code, struct target target)
{
    struct http_request *request = &transfer->request;
    if (!target_same_origin(&transfer->target, &target)) {
        transfer->headers.n = 0;
    }
    if (code != 307 && code != 308) {
        transfer->moved = true;
        if (strcmp(request->method, "HEAD") != 0) {
            request->method = "GET";
        }
        request->body = NULL;
        request->body_bytes = 0;
        request->content_type = NULL;
    }
    target_deinit(&transfer->target);
    transfer->target = target;
    transfer->redirects++;
}
