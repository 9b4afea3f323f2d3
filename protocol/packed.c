#include "protocol/packed.h"

#include "protocol/plan_keys.h"

#include <assert.h>
#include <string.h>

/* The kind as a byte; timeout_ms and the number of pairs, seven bits a byte, the lowest first, the eighth set where more
 * follow; invocation_id and runtime_name; each pair's key and value; PAIRS_END. Texts end with a NUL.
 *
 * A key of the table is one byte, KEY_FIRST and its number. Another is its text, which few begin with anything below
 * KEY_TEXT: those have KEY_ESCAPE before them. */
#define PAIRS_END 0x00
#define KEY_ESCAPE 0x01
#define KEY_FIRST 0x02
#define KEY_TEXT 0x40
_Static_assert(KEY_FIRST + PLAN_KEYS <= KEY_TEXT, "more keys than numbers for them");

/* ---- to bytes: with out NULL they are only counted; `at` is how many there are ---- */

static size_t put_byte(char *out, size_t at, unsigned byte)
{
    if (out != NULL)
        out[at] = (char)byte;
    return at + 1;
}

static size_t put_number(char *out, size_t at, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        at = put_byte(out, at, 0x80 | (unsigned)(number & 0x7F));
    return put_byte(out, at, (unsigned)number);
}

static size_t put_text(char *out, size_t at, const char *text)
{
    size_t bytes = strlen(text) + 1;

    if (out != NULL)
        memcpy(out + at, text, bytes);
    return at + bytes;
}

static size_t put_pair(char *out, size_t at, const struct rxp_pair *pair)
{
    enum plan_key key;
    const char *name;

    if (plan_key_find(pair->key, &key, &name) && !plan_key_is(key, PLAN_FAMILY)) {
        if (plan_key_is(key, PLAN_START))
            return at;
        at = put_byte(out, at, KEY_FIRST + (unsigned)key);
    } else {
        if ((unsigned char)pair->key[0] < KEY_TEXT)
            at = put_byte(out, at, KEY_ESCAPE);
        at = put_text(out, at, pair->key);
    }
    return put_text(out, at, pair->value);
}

static size_t pack(char *out, const struct rxp_invocation *invocation)
{
    size_t at = put_byte(out, 0, (unsigned)invocation->kind);

    at = put_number(out, at, (uint64_t)invocation->timeout_ms);
    at = put_number(out, at, invocation->n_metadata);
    at = put_text(out, at, invocation->invocation_id);
    at = put_text(out, at, invocation->runtime_name);
    for (size_t i = 0; i < invocation->n_metadata; i++)
        at = put_pair(out, at, &invocation->metadata[i]);
    return put_byte(out, at, PAIRS_END);
}

size_t rxp_packed_bytes(const struct rxp_invocation *invocation)
{
    return pack(NULL, invocation);
}

size_t rxp_packed_write(char *out, const struct rxp_invocation *invocation)
{
    return pack(out, invocation);
}

/* ---- and back: *at moves on ---- */

static uint64_t take_number(const char **at)
{
    uint64_t number = 0;
    unsigned char byte;

    for (unsigned bits = 0;; bits += 7) {
        byte = (unsigned char)*(*at)++;
        number |= (uint64_t)(byte & 0x7F) << bits;
        if (byte < 0x80)
            return number;
    }
}

static const char *take_text(const char **at)
{
    const char *text = *at;

    *at += strlen(text) + 1;
    return text;
}

/* False at the end. */
static bool take_pair(const char **at, struct rxp_pair *out)
{
    unsigned char first = (unsigned char)**at;

    if (first == PAIRS_END)
        return false;
    if (first >= KEY_TEXT) {
        out->key = take_text(at);
    } else {
        (*at)++;
        out->key = first == KEY_ESCAPE ? take_text(at) : plan_key_name((enum plan_key)(first - KEY_FIRST));
    }
    out->value = take_text(at);
    return true;
}

/* Behind the names are the pairs. */
static const char *take_names(const char *packed, struct rxp_invocation *out, size_t *n_pairs)
{
    const char *at = packed + 1;

    *out = (struct rxp_invocation){.kind = (enum rxp_kind)packed[0]};
    out->timeout_ms = (int64_t)take_number(&at);
    *n_pairs = (size_t)take_number(&at);
    out->invocation_id = take_text(&at);
    out->runtime_name = take_text(&at);
    return at;
}

size_t rxp_packed_pairs(const char *packed)
{
    const char *at = packed + 1;

    (void)take_number(&at);
    return (size_t)take_number(&at);
}

void rxp_packed_read(const char *packed, struct rxp_pair *pairs, struct rxp_invocation *out)
{
    size_t most;
    const char *at = take_names(packed, out, &most);
    size_t n = 0;
    struct rxp_pair pair;

    while (take_pair(&at, &pair)) {
        assert(n < most);
        pairs[n++] = pair;
    }
    out->metadata = pairs;
    out->n_metadata = n;
}

const char *rxp_packed_id(const char *packed)
{
    struct rxp_invocation names;
    size_t n;

    take_names(packed, &names, &n);
    return names.invocation_id;
}

const char *rxp_packed_name(const char *packed)
{
    struct rxp_invocation names;
    size_t n;

    take_names(packed, &names, &n);
    return names.runtime_name;
}

static const char *find_value(const char *packed, enum plan_key key)
{
    struct rxp_invocation names;
    struct rxp_pair pair;
    size_t n;
    const char *at = take_names(packed, &names, &n);

    while (take_pair(&at, &pair)) {
        if (strcmp(pair.key, plan_key_name(key)) == 0)
            return pair.value;
    }
    return NULL;
}

const char *rxp_packed_url(const char *packed)
{
    return find_value(packed, KEY_URL);
}

const char *rxp_packed_poll_url(const char *packed)
{
    return find_value(packed, KEY_POLL_URL_TEMPLATE);
}
