/* settings: options as the plain configuration structs of the rooms below, for the commands that need them.
 *
 * Main thread. Everything points into the options, which must outlive it, or belongs to the settings. */
#ifndef RXP_CLI_SETTINGS_H
#define RXP_CLI_SETTINGS_H

#include "core/worker.h"
#include "engine/egress.h"
#include "engine/outlet.h"
#include "engine/profiles.h"
#include "engine/secrets.h"
#include "ops/options.h"

#include <stdbool.h>

#define SETTINGS_WHY_BYTES 512

/* A text that is off when empty: NULL then. */
const char *settings_text(const struct options *options, const char *name);

/* Kafka: bootstrap servers (required: a sentence says so), group, properties. *settings is freed with
 * settings_free_kafka. 0, or -1 with why. */
int settings_kafka(const struct options *options, struct kafka_settings *settings, char why[SETTINGS_WHY_BYTES]);
void settings_free_kafka(struct kafka_settings *settings);

/* A comma list, trimmed, without empty items: *n strings. The caller frees the array (one block). NULL for want of
 * memory; *n is 0 where the list is empty. */
const char **settings_list(const char *text, size_t *n);

/* The patterns of reply-topics, into *policy (the worker's own topics are the caller's to put in). Returns what holds them,
 * which the caller frees; NULL with why. */
const char **settings_replies(const struct options *options, struct reply_policy *policy, char why[SETTINGS_WHY_BYTES]);

/* The policy; NULL with why. loopback_allowed: exec and demo. */
struct egress *settings_egress(const struct options *options, bool loopback_allowed, char why[SETTINGS_WHY_BYTES]);

/* TLS and the proxy. NULL with a sentence. */
struct outlet *settings_outlet(const struct options *options, char why[SETTINGS_WHY_BYTES]);

/* What headers may carry, its keeper started. `egress` and `outlet` (NULL: nothing is fetched, and no keeper started) are
 * borrowed. NULL with a sentence. */
struct secrets *settings_secrets(const struct options *options, const struct egress *egress, const struct outlet *outlet,
                                 char why[SETTINGS_WHY_BYTES]);

/* NULL with a sentence that names file and key. */
struct profiles *settings_profiles(const struct options *options, char why[SETTINGS_WHY_BYTES]);

/* Limits and times of runs. `egress` and `outlet` are borrowed. */
void settings_pool(const struct options *options, const struct egress *egress, const struct outlet *outlet,
                   struct pool_config *config);

#endif
