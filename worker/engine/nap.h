/* nap: a run asleep: all that is still needed of it between two polls, in one block, instead of its awake.
 *
 *   accepted, REST before a poll ── nap_fall ──> asleep ── nap_wake ──> awake
 *
 * A run sleeps where it rests for pool_config.nap_least_ms at least. It is woken by what happens to it: its timer, a cancel. An
 * abandoned run ends as it is, and what is asked of it (run_look) is read where it lies. The invocation is kept packed
 * (protocol/packed.h), and the plan is made of it once more: the same one, which is tried before the run sleeps for the first
 * time. So only a want of memory keeps a run awake, or asleep.
 *
 * The loop thread; after hooks.ended whoever has the run. */
#ifndef RXP_ENGINE_NAP_H
#define RXP_ENGINE_NAP_H

#include "engine/run.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What takes more than this asleep, or a plan beside its room, stays awake. */
#define NAP_MAX_BYTES 4096

struct nap;

/* The run is awake and in no list but its runner's. True: it sleeps now, and has no awake any more. False: it rests for a shorter
 * time, is not one that can sleep, or there was no memory. wake_at_ms: of its timer. */
bool nap_fall(struct run *run, int64_t wake_at_ms, int64_t now_ms);
/* The run sleeps. 0: it is awake; -1 for want of memory: it sleeps on. */
int nap_wake(struct run *run);

/* Its kickoff_url ends with its host, or has its placeholders behind it. */
void nap_look(const struct nap *nap, struct run_peek *out);
/* As run_poll_url. */
const char *nap_poll_url(const struct nap *nap, char room[RUN_POLL_URL_BYTES]);
/* NULL is harmless. */
void nap_free(struct nap *nap);
/* Does the text lie in it? Of NULL it does not. */
bool nap_has(const struct nap *nap, const char *text);

#endif
