/* control: reads the control topic: what workers are asked to cancel.
 *
 * Every worker reads all of it, with a client and a thread of its own and without a group: from an hour back, which is how long
 * a cancel waits for its invocation, and then whatever comes. A message's timestamp is the moment at which it was asked for. What
 * is none is said and passed over; a topic that is not there, or not allowed, is said, seldom, and asked for again. */
#ifndef RXP_CORE_CONTROL_H
#define RXP_CORE_CONTROL_H

#include "kafka/client_conf.h"

#include <stdbool.h>
#include <stddef.h>

struct cancels;
struct control;
struct metrics;
struct pool;

/* All that it points to must outlive it. */
struct control_config {
    struct kafka_settings kafka;
    const char *topic;
    struct cancels *cancels;
    struct pool *pool;       /* asked after each batch of cancels; NULL: nobody is */
    struct metrics *metrics; /* NULL: nothing is counted */
    int event_fd;            /* woken once control_has_caught_up */
};

/* So long at most inputs wait for the past hour to be read. */
#define CONTROL_CATCH_UP_MS 10000

/* NULL with a sentence in why[why_bytes]. Does not wait for the broker. */
struct control *control_new(const struct control_config *config, char *why, size_t why_bytes);
/* Takes a second or so where brokers do not answer. NULL is harmless. */
void control_free(struct control *control);

/* Any thread. What was asked for before the start is known, or cannot be known soon: inputs may be taken. Stays true. */
bool control_has_caught_up(const struct control *control);

#endif
