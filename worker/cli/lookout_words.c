/* What lookout takes from the configuration: the origins that have a label, and the token. */
#include "cli/lookout.h"

#include "cli/settings.h"
#include "engine/profiles.h"
#include "ops/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_MIN_BYTES 16
#define ORIGIN_BYTES 300

/* ---- origins ---- */

struct words {
    const char *at[METRICS_ORIGINS_MAX];
    char room[METRICS_ORIGINS_MAX][ORIGIN_BYTES];
    size_t n;
};

static void words_add(struct words *words, const char *word, size_t bytes)
{
    if (words->n == METRICS_ORIGINS_MAX || bytes == 0 || bytes >= ORIGIN_BYTES) {
        return;
    }
    memcpy(words->room[words->n], word, bytes);
    words->room[words->n][bytes] = '\0';
    words->at[words->n] = words->room[words->n];
    words->n++;
}

/* Scheme, host and port of a URL, where no placeholder stands in them. */
static void words_add_url(struct words *words, const char *url)
{
    const char *mark = strstr(url, "://");
    if (mark != NULL) {
        size_t bytes = (size_t)(mark - url) + 3 + strcspn(mark + 3, "/?#");
        if (memchr(url, '{', bytes) == NULL) {
            words_add(words, url, bytes);
        }
    }
}

static void words_add_profiles(struct words *words, struct profiles *profiles)
{
    size_t n = 0;
    struct profile_set *set = profiles_hold(profiles);
    const struct rxp_defaults *all = profile_set_all(set, &n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < all[i].n_metadata; j++) {
            if (strcmp(all[i].metadata[j].key, "http.url") == 0) {
                words_add_url(words, all[i].metadata[j].value);
            }
        }
    }
    profile_set_release(set);
}

const char **lookout_origins(const char *egress_allow, struct profiles *profiles, size_t *n)
{
    *n = 0;
    struct words *words = calloc(1, sizeof *words);
    size_t n_entries = 0;
    const char **entries = settings_list(egress_allow, &n_entries);
    if (words == NULL || entries == NULL) {
        free(words);
        free(entries);
        return NULL;
    }
    words_add_profiles(words, profiles);
    for (size_t i = 0; i < n_entries; i++) {
        const char *colon = strchr(entries[i], ':');
        bool is_bare_ipv6 = entries[i][0] != '[' && colon != NULL && strchr(colon + 1, ':') != NULL;
        if (strpbrk(entries[i], "*/") == NULL && !is_bare_ipv6) {
            words_add(words, entries[i], strlen(entries[i]));
        }
    }
    free(entries);
    *n = words->n;
    return words->at; /* the block's beginning */
}

/* ---- the token ---- */

static int token_check(const char *token, const char *from, char why[LOOKOUT_WHY_BYTES])
{
    if (strlen(token) < TOKEN_MIN_BYTES) {
        snprintf(why, LOOKOUT_WHY_BYTES, "%s holds %zu characters: a token that cannot be guessed has %d at least, as of "
                 "`openssl rand -hex 16`", from, strlen(token), TOKEN_MIN_BYTES);
        return -1;
    }
    for (const char *at = token; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~') {
            snprintf(why, LOOKOUT_WHY_BYTES, "%s holds a character that no HTTP header can carry as part of a token: letters, "
                     "digits and punctuation of ASCII can, spaces and line ends cannot", from);
            return -1;
        }
    }
    return 0;
}

static int token_read(const char *path, char out[LOOKOUT_TOKEN_BYTES], char why[LOOKOUT_WHY_BYTES])
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(why, LOOKOUT_WHY_BYTES, "admin-token-file '%.200s' cannot be read: %s", path, strerror(errno));
        return -1;
    }
    size_t bytes = fread(out, 1, LOOKOUT_TOKEN_BYTES, file);
    bool broke = ferror(file) != 0;
    fclose(file);
    if (broke || bytes == LOOKOUT_TOKEN_BYTES || memchr(out, '\0', bytes) != NULL) {
        snprintf(why, LOOKOUT_WHY_BYTES, "admin-token-file '%.200s' holds no token: %s", path,
                 broke ? "it cannot be read" : bytes == LOOKOUT_TOKEN_BYTES ? "it is too long" : "it holds a NUL byte");
        return -1;
    }
    while (bytes > 0 && (out[bytes - 1] == '\n' || out[bytes - 1] == '\r')) {
        bytes--;
    }
    out[bytes] = '\0';
    char from[256];
    snprintf(from, sizeof from, "admin-token-file '%.200s'", path);
    return token_check(out, from, why);
}

int lookout_token(const struct options *options, char out[LOOKOUT_TOKEN_BYTES], char why[LOOKOUT_WHY_BYTES])
{
    const char *token = settings_text(options, "admin-token");
    const char *path = settings_text(options, "admin-token-file");
    out[0] = '\0';
    if (token != NULL && path != NULL) {
        snprintf(why, LOOKOUT_WHY_BYTES, "admin-token (%s) and admin-token-file (%s) are both set: which one holds is for you to "
                 "say; leave one of them out", options_origin(options, "admin-token"),
                 options_origin(options, "admin-token-file"));
        return -1;
    }
    if (path != NULL) {
        return token_read(path, out, why);
    }
    if (token == NULL) {
        return 0;
    }
    if (strlen(token) >= LOOKOUT_TOKEN_BYTES) {
        snprintf(why, LOOKOUT_WHY_BYTES, "admin-token is longer than %d characters", LOOKOUT_TOKEN_BYTES - 1);
        return -1;
    }
    snprintf(out, LOOKOUT_TOKEN_BYTES, "%s", token);
    return token_check(token, "admin-token", why);
}
