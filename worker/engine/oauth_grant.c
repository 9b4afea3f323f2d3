#include "engine/oauth_grant.h"

#include "protocol/decimal.h"
#include "protocol/json.h"
#include "protocol/refusal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIELD_MAX_BYTES ((size_t)8 * 1024)
#define ERROR_MAX_BYTES 64

void oauth_free(char *text)
{
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

void oauth_grant_deinit(struct oauth_grant *grant)
{
    oauth_free(grant->token_url);
    oauth_free(grant->client_id);
    oauth_free(grant->client_secret);
    oauth_free(grant->scope);
    oauth_free(grant->audience);
    *grant = (struct oauth_grant){0};
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool oauth_grant_is_same(const struct oauth_grant *a, const struct oauth_grant *b)
{
    return same_text(a->token_url, b->token_url) && same_text(a->client_id, b->client_id) &&
           same_text(a->client_secret, b->client_secret) && same_text(a->scope, b->scope) &&
           same_text(a->audience, b->audience) && a->in_body == b->in_body;
}

/* ---- the file ---- */

static const char *const fields[] = {"token_url", "client_id", "client_secret", "scope", "audience", "auth"};
#define N_FIELDS (sizeof fields / sizeof fields[0])

static int take_auth(struct oauth_grant *out, const char *auth, char *why)
{
    if (auth != NULL && strcmp(auth, "basic") != 0 && strcmp(auth, "post") != 0) {
        snprintf(why, OAUTH_WHY_BYTES, "its auth is neither basic nor post");
        return -1;
    }
    out->in_body = auth != NULL && strcmp(auth, "post") == 0;
    return 0;
}

/* Into text[N_FIELDS], by the places of `fields`. */
static int read_field(struct json_slice key, struct json_slice value, char *text[N_FIELDS], char *why)
{
    size_t bytes = 0;
    char *name = json_text(key, &bytes);
    size_t i = 0;
    while (name != NULL && i < N_FIELDS && strcmp(name, fields[i]) != 0) {
        i++;
    }
    int failed = -1;
    if (name == NULL) {
        snprintf(why, OAUTH_WHY_BYTES, "out of memory");
    } else if (i == N_FIELDS) {
        struct rxp_refusal refusal;
        rxp_refuse_unknown(&refusal, RXP_ERROR_INVALID_METADATA, "key", name, fields, N_FIELDS);
        snprintf(why, OAUTH_WHY_BYTES, "%.180s", refusal.text);
    } else if (json_type_of(value) != JSON_STRING || value.bytes <= 2 || value.bytes > FIELD_MAX_BYTES) {
        snprintf(why, OAUTH_WHY_BYTES, "its %s is no string of 1 to %zu bytes", fields[i], FIELD_MAX_BYTES);
    } else {
        text[i] = json_text(value, &bytes);
        failed = text[i] != NULL ? 0 : -1;
        if (failed != 0) {
            snprintf(why, OAUTH_WHY_BYTES, "out of memory");
        }
    }
    free(name);
    return failed;
}

static int check_grant(const struct oauth_grant *grant, char *why)
{
    const char *missing = grant->token_url == NULL       ? "token_url"
                          : grant->client_id == NULL     ? "client_id"
                          : grant->client_secret == NULL ? "client_secret"
                                                         : NULL;
    if (missing != NULL) {
        snprintf(why, OAUTH_WHY_BYTES, "it has no %s", missing);
        return -1;
    }
    if (strncmp(grant->token_url, "https://", 8) != 0 && strncmp(grant->token_url, "http://", 7) != 0) {
        snprintf(why, OAUTH_WHY_BYTES, "its token_url is no http or https URL");
        return -1;
    }
    return 0;
}

int oauth_grant_read(const char *text, size_t bytes, struct oauth_grant *out, char why[OAUTH_WHY_BYTES])
{
    *out = (struct oauth_grant){0};
    struct json_fault fault;
    if (json_check(text, bytes, JSON_KEYS_UNIQUE, &fault) != 0) {
        snprintf(why, OAUTH_WHY_BYTES, "it is not JSON: %s at byte %zu", fault.what, fault.at_byte);
        return -1;
    }
    struct json_slice document = json_document(text, bytes);
    if (json_type_of(document) != JSON_OBJECT) {
        snprintf(why, OAUTH_WHY_BYTES, "it is no JSON object");
        return -1;
    }
    char *found[N_FIELDS] = {0};
    struct json_slice key;
    struct json_slice value;
    size_t cursor = 0;
    int failed = 0;
    while (failed == 0 && json_next(document, &cursor, &key, &value)) {
        failed = read_field(key, value, found, why);
    }
    out->token_url = found[0];
    out->client_id = found[1];
    out->client_secret = found[2];
    out->scope = found[3];
    out->audience = found[4];
    failed = failed != 0 || take_auth(out, found[5], why) != 0 || check_grant(out, why) != 0 ? -1 : 0;
    free(found[5]);
    if (failed != 0) {
        oauth_grant_deinit(out);
    }
    return failed;
}

/* ---- the request ---- */

/* To RFC 3986 unreserved characters, which every reader of forms decodes. Returns the end. */
static char *put_encoded(char *at, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("-._~", c) != NULL) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    *at = '\0';
    return at;
}

static char *put_pair(char *at, const char *name, const char *value)
{
    return value != NULL ? put_encoded(stpcpy(at, name), value) : at;
}

static size_t room_for(const char *text)
{
    return text != NULL ? 3 * strlen(text) : 0;
}

char *oauth_grant_form(const struct oauth_grant *grant)
{
    size_t room = 128 + room_for(grant->scope) + room_for(grant->audience) +
                  (grant->in_body ? room_for(grant->client_id) + room_for(grant->client_secret) : 0);
    char *form = malloc(room);
    if (form == NULL) {
        return NULL;
    }
    char *at = stpcpy(form, "grant_type=client_credentials");
    at = put_pair(at, "&scope=", grant->scope);
    at = put_pair(at, "&audience=", grant->audience);
    if (grant->in_body) {
        at = put_pair(at, "&client_id=", grant->client_id);
        put_pair(at, "&client_secret=", grant->client_secret);
    }
    return form;
}

static void put_base64(char *at, const char *text, size_t bytes)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes; i += 3) {
        size_t n = bytes - i < 3 ? bytes - i : 3;
        uint32_t bits = 0;
        for (size_t j = 0; j < 3; j++) {
            bits = bits << 8 | (j < n ? (uint32_t)(unsigned char)text[i + j] : 0);
        }
        for (size_t j = 0; j < 4; j++) {
            *at++ = (char)(j <= n ? letters[bits >> (18 - 6 * j) & 63] : '=');
        }
    }
    *at = '\0';
}

char *oauth_grant_authorization(const struct oauth_grant *grant)
{
    if (grant->in_body) {
        return NULL;
    }
    size_t room = room_for(grant->client_id) + room_for(grant->client_secret) + 2;
    char *plain = malloc(room);
    char *value = malloc(sizeof "Basic " + (room + 2) / 3 * 4);
    if (plain != NULL && value != NULL) {
        char *end = put_encoded(plain, grant->client_id);
        *end++ = ':';
        end = put_encoded(end, grant->client_secret);
        put_base64(stpcpy(value, "Basic "), plain, (size_t)(end - plain));
        oauth_free(plain);
        return value;
    }
    free(plain);
    free(value);
    return NULL;
}

/* ---- the answer ---- */

/* As RFC 6749, 5.2 names its causes: short, and of harmless characters. What holds the client's secret is not shown. */
static void say_error(const struct oauth_grant *grant, struct json_slice document, char *why)
{
    struct json_slice value;
    size_t bytes = 0;
    if (json_type_of(document) != JSON_OBJECT || !json_find(document, "error", &value) ||
        json_type_of(value) != JSON_STRING || value.bytes > ERROR_MAX_BYTES) {
        return;
    }
    char *error = json_text(value, &bytes);
    if (error != NULL && bytes > 0 && strspn(error, "abcdefghijklmnopqrstuvwxyz_") == bytes &&
        strstr(error, grant->client_secret) == NULL) {
        size_t so_far = strlen(why);
        snprintf(why + so_far, OAUTH_WHY_BYTES - so_far, " and the error %s", error);
    }
    oauth_free(error);
}

/* RFC 6750, 2.1: visible characters, so that it cannot end its header. */
static bool is_token(const char *text, size_t bytes)
{
    if (bytes == 0 || bytes > OAUTH_TOKEN_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return false;
        }
    }
    return true;
}

/* Some servers send it as a string. */
static int64_t read_life(struct json_slice document)
{
    struct json_slice value;
    struct decimal number;
    if (!json_find(document, "expires_in", &value)) {
        return OAUTH_LIFE_DEFAULT_MS;
    }
    bool is_negative = value.bytes > 0 && value.at[value.at[0] == '"'] == '-';
    if (json_type_of(value) == JSON_STRING) {
        value = (struct json_slice){value.at + 1, value.bytes - 2};
    } else if (json_type_of(value) != JSON_NUMBER) {
        return OAUTH_LIFE_DEFAULT_MS;
    }
    value.at += is_negative;
    value.bytes -= is_negative;
    if (!decimal_parse(value.at, value.bytes, &number)) {
        return OAUTH_LIFE_DEFAULT_MS;
    }
    int64_t life_ms = is_negative ? 0 : decimal_to_ms(&number, OAUTH_LIFE_MAX_MS);
    return life_ms < OAUTH_LIFE_MIN_MS ? OAUTH_LIFE_MIN_MS : life_ms;
}

static char *text_at(struct json_slice document, const char *key, size_t *bytes)
{
    struct json_slice value;
    *bytes = 0;
    return json_find(document, key, &value) && json_type_of(value) == JSON_STRING ? json_text(value, bytes) : NULL;
}

int oauth_answer_read(const struct oauth_grant *grant, int code, const char *body, size_t bytes, struct oauth_token *out,
                      char why[OAUTH_WHY_BYTES])
{
    *out = (struct oauth_token){0};
    struct json_fault fault;
    bool is_json = json_check(body, bytes, JSON_KEYS_ANY, &fault) == 0;
    struct json_slice document = is_json ? json_document(body, bytes) : (struct json_slice){0};
    if (code != 200) {
        snprintf(why, OAUTH_WHY_BYTES, "the token server answered %d%s", code,
                 code >= 300 && code < 400 ? ", and redirects are not followed for it" : "");
        if (is_json) {
            say_error(grant, document, why);
        }
        return -1;
    }
    if (!is_json || json_type_of(document) != JSON_OBJECT) {
        snprintf(why, OAUTH_WHY_BYTES, "the token server's answer is no JSON object");
        return -1;
    }
    size_t type_bytes = 0;
    size_t token_bytes = 0;
    char *type = text_at(document, "token_type", &type_bytes);
    char *token = text_at(document, "access_token", &token_bytes);
    if (type == NULL || strcasecmp(type, "Bearer") != 0) {
        snprintf(why, OAUTH_WHY_BYTES, "the token server's answer has no token_type Bearer");
    } else if (token == NULL || !is_token(token, token_bytes)) {
        snprintf(why, OAUTH_WHY_BYTES, "the token server's answer has no access_token of 1 to %zu visible characters",
                 OAUTH_TOKEN_MAX_BYTES);
    } else {
        *out = (struct oauth_token){.value = token, .life_ms = read_life(document)};
        token = NULL;
    }
    free(type);
    oauth_free(token);
    return out->value != NULL ? 0 : -1;
}
