/* ebb: after a flood of inputs, what malloc holds and nobody uses goes back to the system.
 *
 * A run that waits for its kickoff takes some 2 kB; one that waits for its backend, less than a quarter of that. malloc keeps the
 * difference, in holes. (100,000 that came fast: 1,000 bytes of resident memory each, and 726 where it is given back, in 3 ms.) That is
 * a pass over malloc's free lists, whose locks are held meanwhile: so it is done rarely, and only where there is much. The Kafka
 * thread. */
#ifndef RXP_CORE_EBB_H
#define RXP_CORE_EBB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So much less than there was, and a sixteenth of it, no oftener than that. */
#define EBB_LEAST_BYTES ((size_t)4 * 1024 * 1024)
#define EBB_EVERY_MS 10000

struct ebb {
    size_t most_bytes; /* since the last time */
    int64_t next_ms;
    bool is_due_again; /* what the libraries held then is free a while later: once more */
};

/* Each turn, with what is in use now. True: it was time, and it was given back. */
bool ebb_turn(struct ebb *ebb, size_t bytes, int64_t now_ms);

#endif
