#include "cli/mask.h"

#include "engine/excerpt.h"
#include "engine/secrets.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ESCAPED 4 /* bytes that one can become: \xNN */

bool mask_is_credential(const char *name, size_t bytes)
{
    static const char *const words[] = {"auth",   "cookie",     "key",  "token", "secret", "passw", "pwd",
                                        "signature", "credential", "session", "jwt"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t word_bytes = strlen(words[i]);
        for (size_t at = 0; at + word_bytes <= bytes; at++) {
            if (strncasecmp(name + at, words[i], word_bytes) == 0) {
                return true;
            }
        }
    }
    return bytes == 3 && strncasecmp(name, "sig", 3) == 0;
}

void mask_put_text(struct buf *out, const char *text, size_t bytes, size_t max_bytes)
{
    size_t shown = bytes < max_bytes ? bytes : max_bytes;
    char *clean = malloc(ESCAPED * shown + 1);
    if (clean == NULL) {
        return;
    }
    clean[0] = '\0';
    excerpt_put(clean, ESCAPED * shown + 1, text, bytes, shown);
    buf_puts(out, clean);
    buf_puts(out, bytes > shown ? "…" : "");
    free(clean);
}

static void put_whole(struct buf *out, const char *text)
{
    size_t bytes = strlen(text);
    mask_put_text(out, text, bytes, bytes);
}

void mask_put_header_value(struct buf *out, const char *name, const char *value)
{
    /* An idempotency key opens nothing. */
    bool is_harmless = strcasestr(name, "idempotency") != NULL || !mask_is_credential(name, strlen(name));
    if (is_harmless || secret_is_in(value)) {
        put_whole(out, value);
        return;
    }
    const char *space = strcasestr(name, "authorization") != NULL ? strchr(value, ' ') : NULL;
    if (space != NULL) {
        mask_put_text(out, value, (size_t)(space - value), (size_t)(space - value));
        buf_puts(out, " ");
    }
    buf_puts(out, value[0] != '\0' ? "***" : "");
}

static void put_query(struct buf *out, const char *query)
{
    const char *at = query;
    while (*at != '\0') {
        size_t bytes = strcspn(at, "&#");
        const char *equals = memchr(at, '=', bytes);
        size_t shown = equals != NULL && mask_is_credential(at, (size_t)(equals - at)) ? (size_t)(equals + 1 - at) : bytes;
        mask_put_text(out, at, shown, shown);
        buf_puts(out, shown < bytes ? "***" : "");
        at += bytes;
        if (*at != '\0') {
            buf_put(out, at++, 1);
        }
    }
}

void mask_put_url(struct buf *out, const char *url)
{
    const char *slashes = strstr(url, "://");
    const char *host = slashes != NULL ? slashes + 3 : url;
    const char *at_sign = memchr(host, '@', strcspn(host, "/?#"));
    size_t head = strcspn(url, "?");
    if (at_sign != NULL) {
        mask_put_text(out, url, (size_t)(host - url), (size_t)(host - url));
        buf_puts(out, "***");
        mask_put_text(out, at_sign, head - (size_t)(at_sign - url), head);
    } else {
        mask_put_text(out, url, head, head);
    }
    if (url[head] == '?') {
        buf_puts(out, "?");
        put_query(out, url + head + 1);
    }
}
