#include "engine/sending.h"

#include "base/buf.h"
#include "engine/secret_text.h"
#include "engine/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Of a secret that a cut text ends in. */
#define PART_LEAST_BYTES 4
#define PART_MOST_BYTES 8 /* so much of its beginning is too much anywhere */

struct sending *sending_new(void)
{
    return calloc(1, sizeof(struct sending));
}

static void wipe(char *text)
{
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

void sending_free(struct sending *sending)
{
    if (sending == NULL) {
        return;
    }
    for (size_t i = 0; i < sending->n_headers; i++) {
        wipe((char *)(uintptr_t)sending->header[i].value);
    }
    for (size_t i = 0; i < sending->n_masks; i++) {
        wipe(sending->mask[i]);
    }
    free(sending->header);
    free(sending->mask);
    wipe(sending->url);
    wipe(sending->body);
    free(sending);
}

/* Takes the value, also where it fails. */
static int put(struct sending *sending, const char *name, char *value)
{
    if (value != NULL && sending->n_headers == sending->room) {
        size_t room = sending->room > 0 ? 2 * sending->room : 4;
        struct http_header *more = realloc(sending->header, room * sizeof *more);
        if (more == NULL) {
            wipe(value);
            value = NULL;
        } else {
            sending->header = more;
            sending->room = room;
        }
    }
    if (value == NULL) {
        return -1;
    }
    sending->header[sending->n_headers++] = (struct http_header){.name = name, .value = value};
    return 0;
}

int sending_put(struct sending *sending, const char *name, const char *value)
{
    return put(sending, name, strdup(value));
}

int sending_put_id(struct sending *sending, const char *name, const char *invocation_id)
{
    struct buf value;
    buf_init(&value, 3 * strlen(invocation_id));
    for (const char *at = invocation_id; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c > 0x20 && c < 0x7f && c != '%') {
            buf_put(&value, at, 1);
        } else {
            buf_putf(&value, "%%%02X", c);
        }
    }
    return put(sending, name, buf_take(&value));
}

/* ---- secrets ---- */

static void add_mask(struct sending *sending, char *value)
{
    char **more = strlen(value) >= SENDING_MASK_LEAST_BYTES
                      ? realloc(sending->mask, (sending->n_masks + 1) * sizeof *more)
                      : NULL;
    if (more == NULL) {
        wipe(value);
        return;
    }
    sending->mask = more;
    sending->mask[sending->n_masks++] = value;
}

static enum target_error parse(const struct sending_place *place, struct target *out, char *why, size_t why_bytes)
{
    return place->aims != NULL ? aims_take(place->aims, place->url, out, why, why_bytes)
                               : target_parse(out, place->url, why, why_bytes);
}

static enum secret_fill fill(const char *value, const struct target *target, const struct sending_place *place, char **out,
                             char why[SECRETS_WHY_BYTES])
{
    return secrets_fill(place->secrets, value, target->host, target->port, place->bindings, place->n_bindings, out, why);
}

/* Each ${secret:NAME} of the value by itself. */
static void remember(struct sending *sending, const char *value, const struct target *target,
                     const struct sending_place *place)
{
    for (const char *at = value; (at = strstr(at, "${secret:")) != NULL;) {
        char why[SECRETS_WHY_BYTES];
        char *filled = NULL;
        size_t bytes = strcspn(at, "}") + 1;
        char *one = at[bytes - 1] == '}' ? strndup(at, bytes) : NULL;
        if (one != NULL && fill(one, target, place, &filled, why) == SECRET_READY) {
            add_mask(sending, filled);
        }
        free(one);
        at += strlen("${secret:");
    }
}

static enum secret_fill without_memory(char why[SECRETS_WHY_BYTES])
{
    snprintf(why, SECRETS_WHY_BYTES, "out of memory for its headers");
    return SECRET_NO_MEMORY;
}

enum secret_fill sending_fill(struct sending *sending, const char *name, const char *value,
                              const struct sending_place *place, char why[SECRETS_WHY_BYTES])
{
    struct target target;
    char fault[128];
    char *filled = NULL;
    if (!secret_is_in(value)) {
        return sending_put(sending, name, value) == 0 ? SECRET_READY : without_memory(why);
    }
    if (parse(place, &target, fault, sizeof fault) != TARGET_OK) {
        return without_memory(why); /* the URL was good enough for the transport */
    }
    enum secret_fill found = fill(value, &target, place, &filled, why);
    if (found == SECRET_READY) {
        remember(sending, value, &target, place);
        sending->has_secret = true;
        found = put(sending, name, filled) == 0 ? SECRET_READY : without_memory(why);
    }
    target_deinit(&target);
    return found;
}

void sending_remember(struct sending *sending, const char *value, const struct sending_place *place)
{
    struct target target;
    char fault[128];
    if (secret_is_in(value) && parse(place, &target, fault, sizeof fault) == TARGET_OK) {
        remember(sending, value, &target, place);
        target_deinit(&target);
    }
}

/* One byte of a secret as it stands in a text, plain or as JSON or a URL may escape it: how long that is; 0: it is
 * another. */
static size_t byte_length(const char *at, char wanted)
{
    char escape[8];
    if (wanted == '\\' && at[0] == '\\' && at[1] == '\\') {
        return 2;
    }
    if (*at == wanted) {
        return 1;
    }
    if (*at == '\\' && (wanted == '/' || wanted == '"') && at[1] == wanted) {
        return 2;
    }
    if (*at != '%' && *at != '\\') {
        return 0; /* nearly always: 20k instructions fewer an invocation with a secret */
    }
    snprintf(escape, sizeof escape, *at == '%' ? "%%%02x" : "\\u%04x", (unsigned char)wanted);
    size_t bytes = strlen(escape);
    return strncasecmp(at, escape, bytes) == 0 ? bytes : 0;
}

/* Excerpts end where the sentence does, or where it goes on behind them. */
static bool may_be_cut(const char *at)
{
    return *at == '\0' || strncmp(at, "; ", 2) == 0 || strncmp(at, " (", 2) == 0;
}

/* How long the secret is that stands there; 0: none. Where the text may have been cut, its beginning is enough. */
static size_t mask_length(const char *text, const char *secret, bool is_cut)
{
    const char *at = text;
    for (const char *wanted = secret; *wanted != '\0'; wanted++) {
        size_t bytes = byte_length(at, *wanted);
        size_t part = (size_t)(wanted - secret);
        if (*at == '\0' || bytes == 0) {
            bool is_part = part >= PART_MOST_BYTES || (part >= PART_LEAST_BYTES && may_be_cut(at));
            /* How much of it was guessed is not told: echoed letter by letter, it would come out so. */
            return !is_cut || !is_part ? 0 : part >= PART_MOST_BYTES ? strlen(text) : (size_t)(at - text);
        }
        at += bytes;
    }
    return (size_t)(at - text);
}

static void mask(char *text, const char *secret, bool is_cut)
{
    char *to = text;
    for (const char *from = text; *from != '\0';) {
        size_t bytes = mask_length(from, secret, is_cut);
        if (bytes >= strlen("***")) {
            memcpy(to, "***", 3);
            to += 3;
            from += bytes;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

void sending_mask(const struct sending *sending, char *text, bool is_cut)
{
    for (size_t i = 0; sending != NULL && text != NULL && i < sending->n_masks; i++) {
        mask(text, sending->mask[i], is_cut);
    }
}

bool sending_is_held(const struct sending *sending, const char *text)
{
    for (size_t i = 0; sending != NULL && text != NULL && i < sending->n_masks; i++) {
        if (secret_is_held(text, sending->mask[i])) {
            return true;
        }
    }
    return false;
}

struct http_headers sending_headers(const struct sending *sending)
{
    if (sending == NULL) {
        return (struct http_headers){0};
    }
    return (struct http_headers){
        .header = sending->header,
        .n = sending->n_headers,
        .secret = (const char *const *)sending->mask,
        .n_secrets = sending->n_masks,
    };
}
