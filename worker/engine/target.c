#include "engine/target.h"

#include "engine/aim.h"
#include "engine/excerpt.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX_BYTES 255

void target_deinit(struct target *target)
{
    if (target->aim != NULL) {
        aim_give_back(target->aim);
    } else {
        curl_url_cleanup(target->url);
        free(target->origin);
    }
    *target = (struct target){0};
}

/* "https://" + host + ":65535", a NUL, and the host without brackets, all in one block. */
static char *write_origin(const char *scheme, const char *host, int port, const char **bare_host)
{
    size_t host_bytes = strlen(host);
    size_t origin_bytes = strlen(scheme) + 3 + host_bytes + 6 + 1;
    char *block = malloc(origin_bytes + host_bytes + 1);
    if (block == NULL) {
        return NULL;
    }
    char *bare = block + origin_bytes;
    bool bracketed = host[0] == '[' && host_bytes > 2;
    size_t bare_bytes = bracketed ? host_bytes - 2 : host_bytes;
    for (size_t i = 0; i < bare_bytes; i++) {
        bare[i] = (char)tolower((unsigned char)host[i + bracketed]);
    }
    bare[bare_bytes] = '\0';
    snprintf(block, origin_bytes, bracketed ? "%s://[%s]:%d" : "%s://%s:%d", scheme, bare, port);
    *bare_host = bare;
    return block;
}

/* libcurl decodes percent escapes in a host, and lets some of what they hide pass. */
static bool has_control(const char *text)
{
    while ((unsigned char)*text > ' ' && *text != 0x7f) {
        text++;
    }
    return *text != '\0';
}

/* Fills origin, host and port from target->url. */
static enum target_error read_origin(struct target *target, char *why, size_t why_bytes)
{
    enum target_error error = TARGET_MEMORY;
    CURLUcode code;
    char *scheme = NULL;
    char *host = NULL;
    char *port = NULL;
    code = curl_url_get(target->url, CURLUPART_SCHEME, &scheme, 0);
    if (code != CURLUE_OK) {
        error = code == CURLUE_OUT_OF_MEMORY ? TARGET_MEMORY : TARGET_MALFORMED;
        snprintf(why, why_bytes, "%s", error == TARGET_MEMORY ? "out of memory" : "the URL names no scheme");
        goto out;
    }
    if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0) {
        error = TARGET_NOT_HTTP;
        snprintf(why, why_bytes, "the scheme is %.20s, and only http and https are spoken", scheme);
        goto out;
    }
    code = curl_url_get(target->url, CURLUPART_HOST, &host, 0);
    if (code != CURLUE_OK) {
        error = code == CURLUE_OUT_OF_MEMORY ? TARGET_MEMORY : TARGET_MALFORMED;
        snprintf(why, why_bytes, "%s", error == TARGET_MEMORY ? "out of memory" : "the URL names no host");
        goto out;
    }
    if (has_control(host)) {
        error = TARGET_MALFORMED;
        snprintf(why, why_bytes, "the host name holds a control character");
        goto out;
    }
    if (strlen(host) > HOST_MAX_BYTES) {
        error = TARGET_MALFORMED;
        snprintf(why, why_bytes, "the host name is longer than %d bytes", HOST_MAX_BYTES);
        goto out;
    }
    if (curl_url_get(target->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK) {
        goto out;
    }
    target->port = (int)strtol(port, NULL, 10);
    target->origin = write_origin(scheme, host, target->port, &target->host);
    error = target->origin != NULL ? TARGET_OK : TARGET_MEMORY;
out:
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return error;
}

static enum target_error set_url(struct target *target, const char *url, unsigned flags, char *why, size_t why_bytes)
{
    snprintf(why, why_bytes, "out of memory");
    if (target->url == NULL) {
        return TARGET_MEMORY;
    }
    if (strlen(url) > TARGET_URL_MAX_BYTES) {
        snprintf(why, why_bytes, "the URL is longer than %zu bytes", TARGET_URL_MAX_BYTES);
        return TARGET_MALFORMED;
    }
    CURLUcode code = curl_url_set(target->url, CURLUPART_URL, url, flags);
    if (code == CURLUE_OUT_OF_MEMORY) {
        return TARGET_MEMORY;
    }
    if (code != CURLUE_OK) {
        char shown[160] = "";
        excerpt_put_url(shown, sizeof shown, url);
        snprintf(why, why_bytes, "'%s' is not a URL that can be requested: %s", shown, curl_url_strerror(code));
        return code == CURLUE_UNSUPPORTED_SCHEME ? TARGET_NOT_HTTP : TARGET_MALFORMED;
    }
    return read_origin(target, why, why_bytes);
}

enum target_error target_parse(struct target *out, const char *url, char *why, size_t why_bytes)
{
    *out = (struct target){.url = curl_url()};
    enum target_error error = set_url(out, url, 0, why, why_bytes);
    if (error != TARGET_OK) {
        target_deinit(out);
    }
    return error;
}

/* NULL for want of memory. */
static CURLU *copy_url(const struct target *target)
{
    if (target->text == NULL) {
        return curl_url_dup(target->url);
    }
    CURLU *url = curl_url();
    if (url != NULL && curl_url_set(url, CURLUPART_URL, target->text, 0) != CURLUE_OK) { /* which is plain */
        curl_url_cleanup(url);
        url = NULL;
    }
    return url;
}

enum target_error target_follow(struct target *out, const struct target *from, const char *location, char *why,
                                size_t why_bytes)
{
    *out = (struct target){.url = copy_url(from)};
    /* Servers send spaces and bytes beyond ASCII there, and every client encodes them. */
    enum target_error error = set_url(out, location, CURLU_URLENCODE | CURLU_ALLOW_SPACE, why, why_bytes);
    if (error != TARGET_OK) {
        target_deinit(out);
    }
    return error;
}

bool target_same_origin(const struct target *a, const struct target *b)
{
    return strcmp(a->origin, b->origin) == 0;
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

bool target_has_credentials(const struct target *target)
{
    return has_part(target->url, CURLUPART_USER) || has_part(target->url, CURLUPART_PASSWORD);
}
