/* fit: which results their topic takes, as far as was learned from what it refused, and for how long that is believed.
 *
 * In a batch each refusal costs a round: an abort, and all of the batch again. So what one of them taught counts for the
 * others: those that are as large as one that was refused alone are made smaller before they are sent, and those of which
 * nobody knows go alone, where a refusal says which of them it is about. Sizes are those before compression, so that a guess
 * can be wrong: it never costs more than http.result, and never that of a smaller result than one that was refused.
 *
 * Each that goes alone has to be answered before the next one, within the transaction's time: so only so many of a batch do.
 *
 * The Kafka thread; during a batch the transaction's instead. */
#ifndef RXP_CORE_FIT_H
#define RXP_CORE_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Somebody may raise the topic's max.message.bytes: then one is tried whole again. */
#define FIT_BELIEVED_MS 60000
/* So many of a batch go alone since they are in doubt: 3.2 s with answers that take 100 ms, of a transaction's 10 s. */
#define FIT_ALONE 32

struct fit {
    size_t accepted_bytes; /* the largest that was committed; 0: none */
    size_t refused_bytes;  /* the least that was refused alone; 0: none */
    int64_t refused_ms;    /* when */
    bool is_stale;         /* that is too long ago to leave anything out for */
    size_t alone_most;     /* of a batch; fewer where answers take so long that one was cut */
    size_t alone_left;     /* of this batch */
};

void fit_init(struct fit *fit);
void fit_note_accepted(struct fit *fit, size_t bytes);
/* Only of one that went alone, whole or not, and was refused for its size. */
void fit_note_refused(struct fit *fit, size_t bytes, int64_t now_ms);
/* Before each batch. */
void fit_turn(struct fit *fit, int64_t now_ms);
/* The batch's time was over before all of its messages were answered: fewer of the next one go alone. */
void fit_note_cut(struct fit *fit);
/* A batch was committed: one more of the next may go alone, up to FIT_ALONE. */
void fit_note_committed(struct fit *fit);
/* One more of this batch goes alone. False where that is one too many. */
bool fit_take_alone(struct fit *fit);

/* Would it be refused? */
bool fit_is_too_large(const struct fit *fit, size_t bytes);
/* Is it larger than all that was taken, so that a refusal may be about it? */
bool fit_is_new(const struct fit *fit, size_t bytes);
/* Is that likely, since others that were not much larger were refused before? */
bool fit_is_in_doubt(const struct fit *fit, size_t bytes);

#endif
