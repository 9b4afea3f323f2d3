/* loop: one thread with one epoll: it turns a runner and its curl transport.
 *
 * A turn: wait for sockets, timers or the mailbox; read the clock; serve the sockets; report answers; due timers,
 * commands and new runs, a slice of each; begin what may leave the queues. So the oldest deadlines wait at most for a
 * few slices. Nothing blocks the thread but epoll, for a second at most.
 *
 * loop_submit, loop_command and the counts are for any thread, the rest for the pool's owner. */
#ifndef RXP_ENGINE_LOOP_H
#define RXP_ENGINE_LOOP_H

#include "engine/pool.h"
#include "engine/runner.h"

#include <stddef.h>
#include <stdint.h>

struct loop;

struct loop_config {
    const struct pool_config *pool; /* outlives the loop, like the hooks */
    const struct pool_hooks *hooks;
    size_t origin_max_active;
    size_t max_active;
    size_t max_connections;
    uint64_t seed;
};

/* Starts the thread, with all signals blocked. NULL with a sentence in why[why_bytes]. */
struct loop *loop_new(const struct loop_config *config, char *why, size_t why_bytes);
/* Every run ends abandoned, every query that was put before is answered or given up, then the thread ends and is joined. */
void loop_free(struct loop *loop);

void loop_submit(struct loop *loop, struct run *run);
/* Concerns the runs submitted before it; bits of enum runner_command. */
void loop_command(struct loop *loop, unsigned commands);
/* Takes the part; concerns the runs submitted before it. */
void loop_query(struct loop *loop, struct query_part *part);
/* CPU time that its thread has used; -1: it is not known. */
int64_t loop_cpu_us(struct loop *loop);

struct loop_counts {
    size_t in_flight;
    size_t in_requests;
    size_t n_errands;
    int64_t turn_mono_ms; /* when the last turn began */
};
void loop_read_counts(const struct loop *loop, struct loop_counts *out);

#endif
