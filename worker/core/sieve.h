/* sieve: what becomes of a batch some of whose messages were refused.
 *
 * The transaction ends with the first refusal, so that the batch goes again: in the order of its results' sizes, in which the
 * first refusal tells of all behind it (fit.h). Of those that were refused for their own size less goes along. Those that were too
 * large together go as they are, since less goes together.
 *
 * For another reason brokers refuse what librdkafka sent them together as a whole: then a few of those, at even distances, go
 * alone: of ten thousand some hundred at a time, so that few rounds find the place and no round has to wait for an answer to
 * each message.
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

struct sieve_refusal {
    void *const *refused; /* jobs of the batch; one may be named twice, for both its messages */
    size_t n_refused;
    bool too_large; /* each for its size: for its own, unless is_parted */
    bool is_parted; /* less of them goes together from now on */
    int64_t now_ms;
};

/* Sorts the batch and decides for each job what goes of it the next time. Learns for `fit`. `tell` is called for each job that
 * goes otherwise than before. Returns NULL, or a job of the batch of which nothing is left to leave out. */
struct job *sieve_refused(struct list *batch, const struct sieve_refusal *refusal, struct fit *fit,
                          void (*tell)(const struct job *job, void *opaque), void *opaque);

/* The transaction's time was over before all of the batch was answered: it goes again with fewer that go alone, chosen anew. */
void sieve_cut(struct list *batch, struct fit *fit);

#endif
