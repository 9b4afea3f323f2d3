#include "ops/metrics_origins.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool parts_read(struct origin_parts *parts, const char *text)
{
    *parts = (struct origin_parts){.host = text};
    const char *mark = strstr(text, "://");
    if (mark != NULL && mark == text + strcspn(text, ":/?#")) {
        parts->scheme = text;
        parts->scheme_bytes = (size_t)(mark - text);
        parts->host = mark + 3;
    }
    size_t bytes = strcspn(parts->host, "/?#");
    const char *end = parts->host + bytes;
    const char *host_end = memchr(parts->host, ']', bytes); /* of an IPv6 address, which has colons of its own */
    const char *colon = memchr(host_end != NULL ? host_end : parts->host, ':',
                               (size_t)(end - (host_end != NULL ? host_end : parts->host)));
    if (colon != NULL) {
        parts->port = colon + 1;
        parts->port_bytes = (size_t)(end - colon - 1);
        end = colon;
    }
    parts->host_bytes = (size_t)(end - parts->host);
    if (parts->port_bytes == 0) {
        parts->port = NULL;
    }
    if (parts->port == NULL && parts->scheme != NULL) {
        bool secure = parts->scheme_bytes == 5;
        parts->port = secure ? "443" : "80";
        parts->port_bytes = secure ? 3 : 2;
    }
    return parts->host_bytes > 0;
}

static bool same(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    return a_bytes == b_bytes && strncasecmp(a, b, a_bytes) == 0;
}

/* How much of the word the URL agrees with: 0 where it does not. */
static int agreement(const struct origin_parts *word, const struct origin_parts *url)
{
    if (!same(word->host, word->host_bytes, url->host, url->host_bytes) ||
        (word->scheme != NULL && !same(word->scheme, word->scheme_bytes, url->scheme, url->scheme_bytes)) ||
        (word->port != NULL && !same(word->port, word->port_bytes, url->port, url->port_bytes))) {
        return 0;
    }
    return 1 + (word->scheme != NULL) + (word->port != NULL);
}

size_t metrics_origins_find(const struct metrics_origins *origins, const char *url)
{
    size_t found = origins->n;
    int most = 0;
    struct origin_parts wanted;
    if (url == NULL || !parts_read(&wanted, url) || wanted.scheme == NULL) {
        return found;
    }
    for (size_t i = 0; i < origins->n; i++) {
        int agreed = agreement(&origins->parts[i], &wanted);
        if (agreed > most) {
            most = agreed;
            found = i;
        }
    }
    return found;
}

static bool is_known(const struct metrics_origins *origins, const char *word)
{
    for (size_t i = 0; i < origins->n; i++) {
        assert(origins->words[i] != NULL);
        if (strcasecmp(origins->words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

int metrics_origins_init(struct metrics_origins *origins, const char *const *words, size_t n, size_t max)
{
    *origins = (struct metrics_origins){0};
    origins->words = calloc(n + 1, sizeof *origins->words);
    origins->parts = calloc(n + 1, sizeof *origins->parts);
    if (origins->words == NULL || origins->parts == NULL) {
        free(origins->words);
        free(origins->parts);
        *origins = (struct metrics_origins){0};
        return -1;
    }
    struct origin_parts parts;
    for (size_t i = 0; i < n && origins->n < max; i++) {
        /* The label of all others must stay theirs. */
        if (!parts_read(&parts, words[i]) || is_known(origins, words[i]) || strcasecmp(words[i], "other") == 0) {
            continue;
        }
        char *word = strdup(words[i]);
        if (word == NULL) {
            metrics_origins_deinit(origins);
            return -1;
        }
        (void)parts_read(&origins->parts[origins->n], word);
        origins->words[origins->n++] = word;
    }
    return 0;
}

void metrics_origins_deinit(struct metrics_origins *origins)
{
    for (size_t i = 0; i < origins->n; i++) {
        free(origins->words[i]);
    }
    free(origins->words);
    free(origins->parts);
    *origins = (struct metrics_origins){0};
}
