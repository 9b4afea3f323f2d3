/* batcher: results-guarantee=exactly-once: results that are due and the offsets of their inputs, in one transaction.
 *
 *   batcher_add ──> due ── a batch is formed: offsets marked done, snapshot taken ──> batch ── committed ──> landed
 *                    ^                                                                 │  ^
 *                    └───────────── (nothing goes back) ─────────            aborted ──┘──┘ the whole batch again
 *
 * What is marked done in a tracker is exactly what is in the batch or was committed before: so an aborted batch goes again as
 * a whole, with a fresh snapshot, before anything else is marked. Runs are not repeated; of what was refused for its size
 * less goes along. Of a partition that was lost nothing goes at all, nor what became due after a revoked one's last offsets.
 *
 * HTTP happens outside: a slow run holds no transaction open. A batch is formed as soon as something is due and the last one
 * began transaction_ms ago, so that a lone result does not wait. How much it takes, pace.h says: what brokers do not take within
 * a transaction's time goes again and again, until they do. The Kafka thread alone. */
#ifndef RXP_CORE_BATCHER_H
#define RXP_CORE_BATCHER_H

#include "core/flight.h"
#include "kafka/consumer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batcher;
struct metrics_shard;

/* What a transactional.id begins with, for who grants rights on it. */
#define BATCHER_TRANSACTIONAL_ID_PREFIX "rxp-worker-"

/* All of it must outlive the batcher. */
struct batcher_config {
    struct kafka_settings kafka;
    const struct settle_config *settle;
    struct flight *flight;
    struct consumer *consumer; /* a transactional one */
    int64_t transaction_ms;
    int event_fd; /* woken when batcher_turn has something to do */
    struct metrics_shard *shard; /* the Kafka thread's; NULL: nothing is counted */
    void (*fatal)(const char *reason, void *opaque);
    void *opaque;
};

/* NULL with a sentence in why[why_bytes]. Does not wait for the broker. */
struct batcher *batcher_new(const struct batcher_config *config, char *why, size_t why_bytes);
/* Hands its jobs back to the flight. NULL is harmless. */
void batcher_free(struct batcher *batcher);

/* flight_hooks.ready. */
void batcher_add(struct batcher *batcher, struct job *job);
/* After consumer_turn. Never blocks. *next_ms (monotonic): when it wants to be called at the latest. */
void batcher_turn(struct batcher *batcher, int64_t now_ms, int64_t *next_ms);

#endif
