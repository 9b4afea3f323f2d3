#include "protocol/plan_keys.h"

#include "protocol/http_plan.h"

#include <string.h>

static const char *const names[PLAN_KEYS] = {
#define PLAN_KEY_NAME(key, name, traits) [KEY_##key] = (name),
    PLAN_KEY_TABLE(PLAN_KEY_NAME)
};

static const unsigned traits_of[PLAN_KEYS] = {
#define PLAN_KEY_TRAITS(key, name, traits) [KEY_##key] = (traits),
    PLAN_KEY_TABLE(PLAN_KEY_TRAITS)
};

const char *plan_key_name(enum plan_key key)
{
    return names[key];
}

bool plan_key_is(enum plan_key key, enum plan_key_trait trait)
{
    return (traits_of[key] & (unsigned)trait) != 0;
}

const char *const *plan_key_names(void)
{
    return names;
}

bool plan_key_is_ours(const char *key)
{
    return strncmp(key, "http.", 5) == 0 || strncmp(key, "rxp.", 4) == 0 || strncmp(key, "var.", 4) == 0;
}

bool plan_key_find(const char *key, enum plan_key *out, const char **name)
{
    for (enum plan_key k = 0; k < PLAN_KEYS; k++) {
        size_t prefix_bytes = strlen(names[k]) - strlen("NAME");
        bool is_family = plan_key_is(k, PLAN_FAMILY);
        if (is_family ? strncmp(key, names[k], prefix_bytes) == 0 : strcmp(key, names[k]) == 0) {
            *out = k;
            *name = is_family ? key + prefix_bytes : NULL;
            return true;
        }
    }
    return false;
}

const char *const *rxp_http_plan_keys(size_t *n)
{
    *n = PLAN_KEYS;
    return names;
}
