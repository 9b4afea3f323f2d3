#include "protocol/plan_keys.h"

#include "protocol/http_plan.h"

#include <limits.h>
#include <string.h>

static const char *const names[PLAN_KEYS] = {
#define PLAN_KEY_NAME(key, name, traits) [KEY_##key] = (name),
    PLAN_KEY_TABLE(PLAN_KEY_NAME)
};

const unsigned char plan_key_traits[PLAN_KEYS] = {
#define PLAN_KEY_TRAITS(key, name, traits) [KEY_##key] = (traits),
    PLAN_KEY_TABLE(PLAN_KEY_TRAITS)
};

const char *plan_key_name(enum plan_key key)
{
    return names[key];
}

const char *const *plan_key_names(void)
{
    return names;
}

bool plan_key_is_ours(const char *key)
{
    switch (key[0]) {
    case 'h':
        return strncmp(key, "http.", 5) == 0;
    case 'r':
        return strncmp(key, "rxp.", 4) == 0;
    case 'v':
        return strncmp(key, "var.", 4) == 0;
    default:
        return false;
    }
}

/* Their lengths, to find the few names that a key can be without looking at the others: so some 60 instructions a key
 * instead of 400. A family has none. */
#define NO_LENGTH UCHAR_MAX
static const unsigned char length_of[PLAN_KEYS] = {
#define PLAN_KEY_LENGTH(key, name, traits) [KEY_##key] = ((traits) & PLAN_FAMILY) != 0 ? NO_LENGTH : sizeof(name) - 1,
    PLAN_KEY_TABLE(PLAN_KEY_LENGTH)
};

static const enum plan_key families[] = {KEY_HEADER, KEY_VAR};

static bool find_family(const char *key, enum plan_key *out, const char **name)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        const char *family = names[families[i]];
        size_t prefix_bytes = strlen(family) - strlen("NAME");
        if (key[0] != family[0] || strncmp(key, family, prefix_bytes) != 0)
            continue;
        *out = families[i];
        *name = key + prefix_bytes;
        return true;
    }
    return false;
}

bool plan_key_find(const char *key, enum plan_key *out, const char **name)
{
    size_t bytes = strlen(key);
    const unsigned char *end = length_of + PLAN_KEYS;
    const unsigned char *at = bytes < NO_LENGTH ? length_of : end;

    for (; at < end && (at = memchr(at, (int)bytes, (size_t)(end - at))) != NULL; at++) {
        *out = (enum plan_key)(at - length_of);
        *name = NULL;
        if (memcmp(key, names[*out], bytes) == 0)
            return true;
    }
    return find_family(key, out, name);
}

const char *const *rxp_http_plan_keys(size_t *n)
{
    *n = PLAN_KEYS;
    return names;
}
