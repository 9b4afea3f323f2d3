/* sending: what one request takes along from its making to its answer: a URL and a body that had to be filled, and its
 * headers, which are made as it leaves the queue.
 *
 * Of a run or an errand; the loop that has it. Everything in it may hold secrets: it is overwritten before it is freed. */
#ifndef RXP_ENGINE_SENDING_H
#define RXP_ENGINE_SENDING_H

#include "engine/aim.h"
#include "engine/secrets.h"
#include "engine/transport.h"

#include <stdbool.h>
#include <stddef.h>

/* Shorter ones would be found everywhere. */
#define SENDING_MASK_LEAST_BYTES 6

struct sending {
    char *url;  /* NULL: it is somebody else's */
    char *body; /* NULL: none, or somebody else's */
    struct http_header *header; /* the values are owned */
    size_t n_headers;
    size_t room;
    char **mask; /* values that must not be told on: owned */
    size_t n_masks;
    bool has_secret; /* a header bears one */
};

/* Where a header goes, and what it may hold there. */
struct sending_place {
    const char *url;
    struct aims *aims; /* by which it is parsed; NULL: whole */
    struct secrets *secrets; /* NULL: none is known */
    const struct rxp_pair *bindings; /* of the run's profile */
    size_t n_bindings;
};

/* NULL for want of memory. */
struct sending *sending_new(void);
/* NULL is harmless. */
void sending_free(struct sending *sending);

/* The name must live as long as the sending. 0, or -1 for want of memory. */
int sending_put(struct sending *sending, const char *name, const char *value);
/* The invocation_id as visible ASCII: every other byte, and the percent sign itself, becomes %XX, so that different ids stay
 * different. The same. */
int sending_put_id(struct sending *sending, const char *name, const char *invocation_id);
/* With its secrets filled in. Of what is not READY, DENIED and UNAVAILABLE have a sentence in why. For want of memory
 * UNAVAILABLE. */
enum secret_fill sending_fill(struct sending *sending, const char *name, const char *value,
                              const struct sending_place *place, char why[SECRETS_WHY_BYTES]);
/* Its secrets are not sent, but were to that place, or will be: nor must they be told on. Without memory, or where they
 * may not go there, nothing. */
void sending_remember(struct sending *sending, const char *value, const struct sending_place *place);
/* Puts *** for each secret of at least SENDING_MASK_LEAST_BYTES in a text, also as JSON or a URL may write it; where the text may
 * have been cut, for the beginning of one at its end, too, and for all that comes behind a longer beginning of one. Harmless
 * for NULLs. */
void sending_mask(const struct sending *sending, char *text, bool is_cut);

/* Does an id or a URL that a backend names hold a secret (secret_text.h)? Whoever writes the message may choose a header that
 * comes back there, and where it goes then. Harmless for NULLs. */
bool sending_is_held(const struct sending *sending, const char *text);

/* What was put; empty where nothing was, and of NULL. */
struct http_headers sending_headers(const struct sending *sending);

#endif
