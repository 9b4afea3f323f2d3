/* cancels: the invocations that somebody asked to cancel, for an hour.
 *
 * A cancel can come before its invocation, and must not hit one that was enqueued after it: each has the moment at which
 * it was asked for, and hits inputs whose own timestamp is not later. An input without a timestamp is hit by any.
 *
 * Any thread; one lock. Bounded: beyond CANCELS_MAX (and _BYTES) the oldest is forgotten, and that is said.
 * The hour of one that claims to
 * be asked for in the future begins when it comes. */
#ifndef RXP_CORE_CANCELS_H
#define RXP_CORE_CANCELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CANCELS_MAX 100000
#define CANCELS_MAX_BYTES 67108864 /* of their ids */
#define CANCELS_KEPT_MS 3600000

struct cancels;

struct cancels *cancels_new(void); /* NULL for want of memory */
void cancels_free(struct cancels *cancels);

/* asked_at_ms: Unix time. A later one replaces an earlier one of the same id. True where it is new or later: then whoever
 * has runs under way must ask for each of them (pool_ask). False for want of memory, or where it is older than an hour. */
bool cancels_add(struct cancels *cancels, const char *invocation_id, int64_t asked_at_ms, int64_t now_wall_ms);
/* input_at_ms: the message's timestamp; -1: it has none. NULL cancels: false. Without a lock where none is kept. */
bool cancels_hit(struct cancels *cancels, const char *invocation_id, int64_t input_at_ms);
/* Forgets those that are older than an hour; cancels_add does so, too. */
void cancels_expire(struct cancels *cancels, int64_t now_wall_ms);
size_t cancels_count(const struct cancels *cancels);

#endif
