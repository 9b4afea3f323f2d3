/* live_runs: which runs of a group its checkpoints tell of, for `offsets`.
 *
 * One thread. The records of the checkpoints topic are taken in the order of their partition, then it is sealed, then asked.
 * Nothing is written. Of several records of one input one counts: a run before an intent, then the later in the log. */
#ifndef RXP_CLI_LIVE_RUNS_H
#define RXP_CLI_LIVE_RUNS_H

#include "kafka/client_conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct live_runs;

struct live_count {
    int64_t runs;        /* a kickoff was accepted */
    int64_t intents;     /* a kickoff was about to go, no more is known */
    int64_t unreadable;  /* damaged, or of a later version */
    int64_t oldest_ms;   /* Unix time: when the first of the runs was started; INT64_MAX without any */
};

/* Is there something left to do about the input at that offset? */
typedef bool (*live_open_fn)(int64_t offset, const void *opaque);

/* The strings must outlive it. NULL for want of memory. */
struct live_runs *live_runs_new(const char *group, const char *const *topics, size_t n_topics);
void live_runs_free(struct live_runs *live);

/* A record of that partition of the checkpoints topic; value NULL: a tombstone. Those of other groups and topics are left
 * out. -1 for want of memory. */
int live_runs_take(struct live_runs *live, int32_t partition, const void *key, size_t key_bytes, const void *value,
                   size_t value_bytes);
/* All were taken. -1 for want of memory. */
int live_runs_seal(struct live_runs *live);
/* Sealed: the live ones of a partition that is_open holds for. */
struct live_count live_runs_count(const struct live_runs *live, const char *topic, int32_t partition, live_open_fn is_open,
                                  const void *opaque);

#define LIVE_RUNS_WHY_BYTES 512

/* Reads the checkpoints topic to its present end, without a group: sealed. Gives up when nothing comes for 10 s. NULL with a
 * sentence in why. */
struct live_runs *live_runs_read(const struct kafka_settings *settings, const char *checkpoints_topic,
                                 const char *const *topics, size_t n_topics, char why[LIVE_RUNS_WHY_BYTES]);

#endif
