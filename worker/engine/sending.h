/* sending: what one request takes along from its making to its answer: a URL and a body that had to be filled, and its
 * headers, which are made as it leaves the queue.
 *
 * Of a run or an errand; the loop that has it. Everything in it may hold secrets: it is overwritten before it is freed. */
#ifndef RXP_ENGINE_SENDING_H
#define RXP_ENGINE_SENDING_H

#include "engine/transport.h"

#include <stddef.h>

struct sending {
    char *url;  /* NULL: it is somebody else's */
    char *body; /* NULL: none, or somebody else's */
    struct http_header *header; /* the values are owned */
    size_t n_headers;
    size_t room;
};

/* NULL for want of memory. */
struct sending *sending_new(void);
/* NULL is harmless. */
void sending_free(struct sending *sending);

/* The name must live as long. 0, or -1 for want of memory. */
int sending_put(struct sending *sending, const char *name, const char *value);
/* The invocation_id as visible ASCII: every other byte, and the percent sign itself, becomes %XX, so that different ids stay
 * different. The same. */
int sending_put_id(struct sending *sending, const char *name, const char *invocation_id);
/* What was put; empty where nothing was, and of NULL. */
struct http_headers sending_headers(const struct sending *sending);

#endif
