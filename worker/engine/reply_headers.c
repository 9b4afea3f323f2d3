#include "engine/reply_headers.h"

#include "protocol/url.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_AFTER_MAX_BYTES 128 /* the longest that can be read is a date: "Wednesday, 09-Nov-94 08:49:37 GMT" */
#define BLANKS " \t\r\n"

const char *reply_header_find(CURL *easy, const char *name)
{
    struct curl_header *header = NULL;
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK ||
        header->value[strspn(header->value, BLANKS)] == '\0') { /* curl leaves the end of an empty line there */
        return NULL;
    }
    return header->value;
}

/* *out stays NULL where there is no such header. 0, or -1 for want of memory. */
static int copy_header(CURL *easy, const char *name, char **out)
{
    const char *value = reply_header_find(easy, name);
    if (value == NULL) {
        return 0;
    }
    value += strspn(value, BLANKS);
    size_t bytes = strlen(value);
    while (strchr(BLANKS, value[bytes - 1]) != NULL) {
        bytes--;
    }
    *out = strndup(value, bytes);
    return *out != NULL ? 0 : -1;
}

/* Of a target that may be requested: *out stays NULL where its URL may not be a run's. */
static int write_url(const struct target *target, char **out)
{
    char *text = NULL;
    if (target_has_credentials(target)) {
        return 0;
    }
    if (curl_url_set(target->url, CURLUPART_FRAGMENT, NULL, 0) != CURLUE_OK ||
        curl_url_get(target->url, CURLUPART_URL, &text, 0) != CURLUE_OK) {
        return -1;
    }
    int failed = 0;
    if (strlen(text) <= URL_MAX_BYTES) {
        *out = strdup(text); /* curl's memory goes back by curl_free */
        failed = *out != NULL ? 0 : -1;
    }
    curl_free(text);
    return failed;
}

static int resolve(const char *raw, const struct target *answered, char **out)
{
    struct target target;
    char why[128];
    switch (target_follow(&target, answered, raw, why, sizeof why)) {
    case TARGET_OK:
        break;
    case TARGET_MALFORMED:
    case TARGET_NOT_HTTP:
        return 0;
    case TARGET_MEMORY:
        return -1;
    }
    int failed = write_url(&target, out);
    target_deinit(&target);
    return failed;
}

int reply_headers_read(struct reply_headers *out, CURL *easy, const char *wanted, const struct target *answered)
{
    *out = (struct reply_headers){0};
    if (copy_header(easy, "Retry-After", &out->retry_after) != 0) {
        return -1;
    }
    if (out->retry_after != NULL && strlen(out->retry_after) > RETRY_AFTER_MAX_BYTES) {
        free(out->retry_after);
        out->retry_after = NULL;
    }
    if (wanted == NULL) {
        return 0;
    }
    if (copy_header(easy, wanted, &out->wanted_raw) != 0) {
        return -1;
    }
    return out->wanted_raw != NULL ? resolve(out->wanted_raw, answered, &out->wanted_url) : 0;
}

void reply_headers_deinit(struct reply_headers *headers)
{
    free(headers->retry_after);
    free(headers->wanted_raw);
    free(headers->wanted_url);
    *headers = (struct reply_headers){0};
}
