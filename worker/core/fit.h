/* fit: which results their topic takes, as far as was learned from what it refused, and for how long that is believed.
 *
 * In a batch each refusal costs a round: an abort, and all of the batch again. So what one of them taught counts for the
 * others: those that are as large as one that was refused for its own size are made smaller before they are sent. Smaller ones
 * are tried, so that each such refusal is of a smaller result than all before it. Sizes are those before compression, so that a
 * guess can be wrong: it never costs more than http.result, and never that of a smaller result than one that was refused.
 *
 * The Kafka thread; during a batch the transaction's instead. */
#ifndef RXP_CORE_FIT_H
#define RXP_CORE_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Somebody may raise the topic's max.message.bytes: then one is tried whole again. */
#define FIT_BELIEVED_MS 60000
/* So many of a batch go alone for one refusal, as long as answers are fast. */
#define FIT_ALONE 100

struct fit {
    size_t refused_bytes; /* the least that was refused; 0: none */
    int64_t refused_ms;   /* when */
    bool is_stale;        /* that is too long ago to leave anything out for */
    size_t alone_most;    /* of a batch; fewer where answers take so long that one was cut */
};

void fit_init(struct fit *fit);
void fit_note_accepted(struct fit *fit, size_t bytes);
/* Only of one that was refused for its own size, whole or not. */
void fit_note_refused(struct fit *fit, size_t bytes, int64_t now_ms);
/* Before each batch. */
void fit_turn(struct fit *fit, int64_t now_ms);
/* The batch's time was over before all of its messages were answered: fewer of the next one go alone. */
void fit_note_cut(struct fit *fit);
/* A batch was committed: one more of the next may go alone, up to FIT_ALONE. */
void fit_note_committed(struct fit *fit);

/* Would it be refused? */
bool fit_is_too_large(const struct fit *fit, size_t bytes);

#endif
