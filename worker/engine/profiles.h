/* profiles: what operators lay down for the invocations of a runtime_name: the files NAME.json of a directory.
 *
 *   {"runtime_kind": "http_async", "metadata": {"http.url": "https://…", "var.model": "…"},
 *    "secrets": {"ARCHON_TOKEN": "api.internal:443"}, "kickoffs_per_second": 5}
 *
 * All keys but metadata may be left out. A set of profiles is read whole, never changes, and lives as long as somebody
 * holds it; profiles_reload puts another in its place, or leaves all as it is where a file is wrong. A runtime_name is
 * looked up among what was read: it is never made a path. Of other files the log says that they are ignored, each time, but
 * not of hidden ones. Any thread. */
#ifndef RXP_ENGINE_PROFILES_H
#define RXP_ENGINE_PROFILES_H

#include "protocol/http_plan.h"
#include "protocol/refusal.h"

#include <stdbool.h>
#include <stddef.h>

#define PROFILES_WHY_BYTES 1024

struct profiles;
struct profile_set;

struct profiles_config {
    const char *dir; /* it must be there; NULL: no profiles */
    bool only; /* a message may set little beside its profile, and needs one */
};

/* NULL with a sentence that names file and key. */
struct profiles *profiles_new(const struct profiles_config *config, char why[PROFILES_WHY_BYTES]);
/* Sets that are held outlive it. NULL is harmless. */
void profiles_free(struct profiles *profiles);
/* 0, or -1 with a sentence: the old set stays. */
int profiles_reload(struct profiles *profiles, char why[PROFILES_WHY_BYTES]);

/* The set of now; to be released. Of NULL it is NULL. */
struct profile_set *profiles_hold(struct profiles *profiles);
/* NULL is harmless. */
void profile_set_release(struct profile_set *set);

/* *out: the defaults of a runtime_name, as long as the set is held, or NULL where it has none (or the set is NULL). 0, or -1
 * with *why: unknown_profile. */
int profile_set_find(const struct profile_set *set, const char *runtime_name, const struct rxp_defaults **out,
                     struct rxp_refusal *why);
/* In the order of their names; *n of NULL is 0. */
const struct rxp_defaults *profile_set_all(const struct profile_set *set, size_t *n);

#endif
