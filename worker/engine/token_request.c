#include "engine/token_request.h"

#include "engine/excerpt.h"
#include "engine/target.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_MAX_BYTES ((size_t)64 * 1024)
#define HEADERS_MAX_BYTES ((size_t)64 * 1024)

struct token_request {
    CURLM *multi; /* NULL: it is not on it */
    CURL *easy;
    struct curl_slist *headers;
    struct target target;
    const struct egress *egress;
    bool is_proxied; /* the proxy resolves and filters then */
    char *form;
    void *opaque;
    size_t header_bytes;
    bool too_large;
    char refusal[EGRESS_WHY_BYTES];
    char error[CURL_ERROR_SIZE];
    size_t answer_bytes;
    char answer[ANSWER_MAX_BYTES + 1]; /* in place: what grows leaves copies behind */
};

static size_t on_body(char *bytes, size_t size, size_t n, void *opaque)
{
    struct token_request *request = opaque;
    assert(size == 1);
    if (n > ANSWER_MAX_BYTES - request->answer_bytes) {
        request->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    memcpy(request->answer + request->answer_bytes, bytes, n);
    request->answer_bytes += n;
    return n;
}

static size_t on_header(char *bytes, size_t size, size_t n, void *opaque)
{
    struct token_request *request = opaque;
    (void)bytes;
    assert(size == 1);
    request->header_bytes += n;
    request->too_large = request->too_large || request->header_bytes > HEADERS_MAX_BYTES;
    return request->too_large ? CURL_WRITEFUNC_ERROR : n;
}

static curl_socket_t on_open(void *opaque, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct token_request *request = opaque;
    assert(purpose == CURLSOCKTYPE_IPCXN);
    if (!request->is_proxied &&
        !egress_check_address(request->egress, request->target.host, request->target.port, &address->addr,
                              request->refusal)) {
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
}

static int add_header(struct token_request *request, const char *name, const char *value)
{
    size_t room = strlen(name) + strlen(value) + 1;
    char *line = malloc(room);
    if (line == NULL) {
        return -1;
    }
    stpcpy(stpcpy(line, name), value);
    struct curl_slist *headers = curl_slist_append(request->headers, line);
    oauth_free(line);
    if (headers == NULL) {
        return -1;
    }
    request->headers = headers;
    return 0;
}

static int add_headers(struct token_request *request, const struct oauth_grant *grant)
{
    char *authorization = oauth_grant_authorization(grant);
    bool failed = authorization == NULL && !grant->in_body;
    if (authorization != NULL) {
        failed = add_header(request, "Authorization: ", authorization) != 0;
    }
    oauth_free(authorization);
    return failed || add_header(request, "Accept: ", "application/json") != 0 ||
                   add_header(request, "Expect:", "") != 0
               ? -1
               : 0;
}

#define SET(option, value) (failed |= curl_easy_setopt(request->easy, option, value) != CURLE_OK)

static int set_up(struct token_request *request, const struct token_settings *settings)
{
    bool failed = false;
    SET(CURLOPT_PRIVATE, request);
    SET(CURLOPT_ERRORBUFFER, request->error);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, request);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, request);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open);
    SET(CURLOPT_OPENSOCKETDATA, request);
    SET(CURLOPT_USERAGENT, "rxp-worker/" RXP_VERSION);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)settings->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
    SET(CURLOPT_CURLU, request->target.url);
    SET(CURLOPT_HTTPHEADER, request->headers);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(request->form));
    SET(CURLOPT_POSTFIELDS, request->form);
    SET(CURLOPT_POST, 1L);
    failed |= outlet_set_up(settings->outlet, request->easy) != 0;
    failed |= outlet_aim(settings->outlet, request->easy, &request->target) != 0;
    return failed ? -1 : 0;
}

struct token_request *token_request_start(CURLM *multi, const struct token_settings *settings,
                                          const struct oauth_grant *grant, void *opaque, char why[OAUTH_WHY_BYTES])
{
    snprintf(why, OAUTH_WHY_BYTES, "out of memory");
    struct token_request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    char fault[EGRESS_WHY_BYTES] = "";
    request->egress = settings->egress;
    request->opaque = opaque;
    request->form = oauth_grant_form(grant);
    request->easy = curl_easy_init();
    enum target_error parsed = target_parse(&request->target, grant->token_url, fault, sizeof fault);
    if (request->form == NULL || request->easy == NULL || parsed == TARGET_MEMORY) {
        goto out;
    }
    request->is_proxied = parsed == TARGET_OK && outlet_is_proxied(settings->outlet, &request->target);
    enum egress_way way = request->is_proxied ? EGRESS_BY_PROXY : EGRESS_DIRECT;
    if (parsed != TARGET_OK ||
        !egress_check_host(request->egress, request->target.host, request->target.port, way, fault)) {
        snprintf(why, OAUTH_WHY_BYTES, "its token_url: %.180s", fault);
        goto out;
    }
    if (add_headers(request, grant) == 0 && set_up(request, settings) == 0 &&
        curl_multi_add_handle(multi, request->easy) == CURLM_OK) {
        request->multi = multi;
        return request;
    }
out:
    token_request_free(request);
    return NULL;
}

void token_request_free(struct token_request *request)
{
    if (request == NULL) {
        return;
    }
    if (request->multi != NULL) {
        curl_multi_remove_handle(request->multi, request->easy);
    }
    curl_easy_cleanup(request->easy);
    for (struct curl_slist *line = request->headers; line != NULL; line = line->next) {
        explicit_bzero(line->data, strlen(line->data));
    }
    curl_slist_free_all(request->headers);
    target_deinit(&request->target);
    oauth_free(request->form);
    explicit_bzero(request, sizeof *request);
    free(request);
}

struct token_request *token_request_next_ended(CURLM *multi, CURLcode *code)
{
    int more;
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &more)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            char *found = NULL;
            *code = message->data.result;
            CURLcode got = curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &found);
            assert(got == CURLE_OK);
            return (struct token_request *)(void *)found;
        }
    }
    return NULL;
}

void *token_request_opaque(const struct token_request *request)
{
    return request->opaque;
}

int token_request_read(const struct token_request *request, CURLcode code, const struct oauth_grant *grant,
                       struct oauth_token *out, char why[OAUTH_WHY_BYTES])
{
    *out = (struct oauth_token){0};
    if (code == CURLE_OK) {
        long status = 0;
        curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
        return oauth_answer_read(grant, (int)status, request->answer, request->answer_bytes, out, why);
    }
    if (request->too_large) {
        snprintf(why, OAUTH_WHY_BYTES, "the token server's answer exceeds %zu bytes", ANSWER_MAX_BYTES);
        return -1;
    }
    const char *text = request->refusal[0] != '\0' ? request->refusal
                       : request->error[0] != '\0' ? request->error
                                                   : curl_easy_strerror(code);
    char shown[160] = "";
    excerpt_put(shown, sizeof shown, text, strlen(text), sizeof shown);
    snprintf(why, OAUTH_WHY_BYTES, "the token server %s:%d: %.120s", request->target.host, request->target.port, shown);
    return -1;
}
