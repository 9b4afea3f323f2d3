/* sieve: what becomes of a batch some of whose messages were refused.
 *
 * Brokers refuse what librdkafka sent them together as a whole, and the transaction ends with the first refusal. So the batch
 * goes again in the order of its results' sizes, in which the first refusal of one that goes alone tells of all behind it
 * (fit.h), and a few at even distances, the largest among them, go alone: of ten thousand some hundred at a time, so that few
 * rounds find the place and no round has to wait for an answer to each message.
 *
 * Plain lists of jobs, no Kafka. The Kafka thread alone. */
#ifndef RXP_CORE_SIEVE_H
#define RXP_CORE_SIEVE_H

#include "core/fit.h"
#include "core/job.h"
#include "core/settle.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So many go alone for one refusal, as long as answers are fast. */
#define SIEVE_ALONE 100

struct sieve_refusal {
    void *const *refused; /* jobs of the batch; one may be named twice, for both its messages */
    size_t n_refused;
    bool too_large; /* each for its size */
    int64_t now_ms;
};

/* Sorts the batch and decides for each job what goes of it the next time. Learns for `fit`. `tell` is called for each job that
 * goes otherwise than before. Returns NULL, or a job of the batch of which nothing is left to leave out. */
struct job *sieve_refused(struct list *batch, const struct sieve_refusal *refusal, struct fit *fit,
                          void (*tell)(const struct job *job, void *opaque), void *opaque);

/* The transaction's time was over before all of the batch was answered: it goes again with fewer that go alone, chosen anew. */
void sieve_cut(struct list *batch, struct fit *fit);

/* May one more job be taken into a batch that is formed? Of those that will go alone no more than can be answered within its
 * time. *doubts counts them, from 0. */
bool sieve_has_room(struct job *job, const struct settle_config *config, const struct fit *fit, size_t *doubts);

#endif
