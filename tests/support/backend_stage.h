/* backend_stage: a simulated backend in the test's own process, and a client that asks it.
 *
 * Everything is static: a test is one program. */
#ifndef RXP_TESTS_BACKEND_STAGE_H
#define RXP_TESTS_BACKEND_STAGE_H

#include "backend/backend.h"

#include <check.h>
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define DEADLINE_MS 20000

static struct backend *backend;
static CURL *curl;

static void start_recording(const char *path)
{
    char why[512] = "";
    struct backend_config config = {.listen = "127.0.0.1:0", .threads = 2, .record_path = path};
    backend = backend_start(&config, why, sizeof(why));
    ck_assert_msg(backend, "%s", why);
}

static void start(void)
{
    start_recording(NULL);
}

static void stop(void)
{
    if (curl) {
        curl_easy_cleanup(curl);
    }
    curl = NULL;
    backend_stop(backend);
    backend = NULL;
}

/* --- a client --- */

struct reply {
    CURLcode rc;
    long code;
    long redirects;
    char head[131072];
    size_t head_bytes;
    char body[65536];
    size_t body_bytes;
    size_t most_bytes; /* then it hangs up */
};
static struct reply reply;

static size_t take_body(char *bytes, size_t size, size_t n, void *opaque)
{
    (void)opaque;
    if (reply.body_bytes + size * n >= sizeof(reply.body) || reply.body_bytes + size * n > reply.most_bytes) {
        return 0;
    }
    memcpy(reply.body + reply.body_bytes, bytes, size * n);
    reply.body_bytes += size * n;
    reply.body[reply.body_bytes] = '\0';
    return size * n;
}

static size_t take_head(char *bytes, size_t size, size_t n, void *opaque)
{
    (void)opaque;
    if (reply.head_bytes + size * n >= sizeof(reply.head)) {
        return 0;
    }
    memcpy(reply.head + reply.head_bytes, bytes, size * n);
    reply.head_bytes += size * n;
    reply.head[reply.head_bytes] = '\0';
    return size * n;
}

struct asking {
    const char *method;
    const char *body;
    size_t body_bytes; /* 0: a text */
    const char *header;
    long timeout_ms;
    size_t most_bytes;
};

static const struct reply *ask_with(const char *target, const struct asking *asking)
{
    char url[8192];
    if (!curl) {
        curl = curl_easy_init();
    }
    curl_easy_reset(curl);
    memset(&reply, 0, sizeof(reply));
    reply.most_bytes = asking->most_bytes ? asking->most_bytes : SIZE_MAX;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", backend_port(backend), target);
    struct curl_slist *headers = asking->header ? curl_slist_append(NULL, asking->header) : NULL;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, asking->method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, asking->timeout_ms ? asking->timeout_ms : (long)DEADLINE_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_head);
    if (asking->body) {
        size_t bytes = asking->body_bytes ? asking->body_bytes : strlen(asking->body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)bytes);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, asking->body);
    }
    reply.rc = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.code);
    curl_easy_getinfo(curl, CURLINFO_REDIRECT_COUNT, &reply.redirects);
    curl_slist_free_all(headers);
    return &reply;
}

static const struct reply *ask(const char *method, const char *target)
{
    return ask_with(target, &(struct asking){.method = method});
}

/* The target of the run that the last answer named, whose id needs no encoding. */
static const char *poll_target(void)
{
    static char target[2048];
    const char *id = strstr(reply.body, "id\":\"");
    ck_assert_msg(id, "no id in: %s", reply.body);
    id += 5;
    snprintf(target, sizeof(target), "/runs/%.*s", (int)strcspn(id, "\""), id);
    return target;
}

static void expect(long code, const char *part)
{
    ck_assert_msg(reply.rc == CURLE_OK, "%s", curl_easy_strerror(reply.rc));
    ck_assert_msg(reply.code == code, "%ld: %s", reply.code, reply.body);
    ck_assert_msg(strstr(reply.body, part), "'%s' is not in: %s", part, reply.body);
}

#endif
