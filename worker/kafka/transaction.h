/* transaction: exactly-once batches: results and the offsets of their inputs become visible together, or not at all.
 *
 * One thread owns a transactional producer (idempotent, acks=all, transaction.timeout.ms 10 s unless the user sets another:
 * so long may a crash keep read_committed readers waiting). The Kafka (main) thread hands it one batch at a time and hears
 * of the outcome in transaction_turn. Produce calls from other threads would be refused while a transaction begins or
 * commits, therefore the batch is written out by a hook on the transaction's own thread.
 *
 *   IDLE ── commit ──> begin, hooks.produce, offsets, commit ──> hooks.settled ──> IDLE
 *
 * An outage is waited out: before the first batch (the producer must know its id) without limit, with a warning now and
 * then; in the middle of a batch the brokers abort it after the transaction's timeout, and it is settled as ABORTED once
 * they answer again. Where the outcome of a commit is not known (a time-out, an error after it was asked for) the producer is
 * made anew under the same transactional.id, which ends what is open, and the group's committed offsets tell: those that the
 * batch would have changed are now the batch's, or are still those of before.
 *
 * KIP-98 (transactions), KIP-447 (the group's metadata fences old members), KIP-360 (recovery from lost producer ids). */
#ifndef RXP_KAFKA_TRANSACTION_H
#define RXP_KAFKA_TRANSACTION_H

#include "kafka/client_conf.h"
#include "kafka/publisher.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transaction;

enum transaction_outcome {
    TRANSACTION_COMMITTED,
    TRANSACTION_ABORTED, /* nothing of it is to be seen: form a batch again. The transaction itself rests before the next one
                            where the reason asks for it, so that the caller need not */
    TRANSACTION_LOST,    /* not known: transaction_free, or a fatal end (then `fatal` was or will be called). The next process
                            reads from the group's offsets what came of it */
};

/* Valid during the hook. */
struct transaction_settled {
    enum transaction_outcome outcome;
    const char *reason; /* a sentence; "" where committed */
    /* ABORTED, since the group has moved on without this member (its generation is old, or it is no member any more): drop
     * what was lost, and take fresh group metadata for what is left. */
    bool generation_old;
    /* ABORTED, since these messages (their opaques) are not taken. Both lists are empty for every other reason.
     * refused: too large, or invalid. Brokers refuse what they got in one batch as a whole, so all of its messages are named:
     * send them `alone`, or shed them. */
    void *const *refused;
    size_t n_refused;
    bool too_large; /* each of `refused` was refused for its size: for its own, unless is_parted */
    /* Some of them were too large together. From now on less goes together (set_size.h), so that they need not go `alone`: the
     * next refusals are of each one's own size, after a few more like this one at most. */
    bool is_parted;
    /* ABORTED, since its time was over before all messages were written: fewer should go `alone`. Nothing is refused then. */
    bool is_cut;
    /* As DELIVERY_UNREACHABLE: no such partition; of optional ones, a topic that is missing or closed. (Where only the brokers'
     * refusal of a topic tells, optional ones that were not sent alone are `refused`: alone they tell which it is.) */
    void *const *unreachable;
    size_t n_unreachable;
};

struct transaction_hooks {
    /* The transaction's thread. Calls transaction_produce for each message, and returns. May be called again for the same
     * batch only after that was settled as ABORTED and handed over anew. NULL: no batch has messages. */
    void (*produce)(struct transaction *transaction, void *batch, void *opaque);
    /* The Kafka thread, from within transaction_turn or transaction_free: once for each transaction_commit. May call
     * transaction_commit, but not from within transaction_free. */
    void (*settled)(void *batch, const struct transaction_settled *settled, void *opaque);
    /* The Kafka thread, from within transaction_turn, once at most: nothing can be committed any more. Every batch from now on
     * is LOST. The sentence names the transactional.id and the way out. */
    void (*fatal)(const char *reason, void *opaque);
    void *opaque;
};

struct transaction_config {
    struct kafka_settings settings; /* group_id: the group whose offsets are sent */
    const char *transactional_id;   /* of this process alone: two with the same id would fence each other, until one gives up */
    int event_fd;                   /* a non-blocking eventfd: woken when transaction_turn has something to do */
};

/* NULL with a sentence in why[why_bytes]. Does not wait for the broker; asks for the producer's id at once. */
struct transaction *transaction_new(const struct transaction_config *config, const struct transaction_hooks *hooks, char *why,
                                    size_t why_bytes);

/* Kafka thread; not while one is under way. Takes `offsets` (at least one) and `group` (rd_kafka_consumer_group_metadata, fresh:
 * it holds the generation). A batch may have offsets alone. One with messages must change the offset or the metadata of a
 * partition at least, since a commit of unknown outcome is known by that alone. */
void transaction_commit(struct transaction *transaction, void *batch, rd_kafka_topic_partition_list_t *offsets,
                        rd_kafka_consumer_group_metadata_t *group);
/* Kafka thread: is a batch under way (handed over and not yet settled)? */
bool transaction_is_busy(const struct transaction *transaction);
/* Kafka thread: calls the hooks for what has happened. Never blocks. */
void transaction_turn(struct transaction *transaction);

/* From within hooks.produce alone. As publisher_send, `alone` and `optional` included; the topic, key and value are copied.
 * It may block for as long as a full queue takes to drain, or (`alone`, the first `optional` one of a topic) for an answer.
 *   PUBLISHER_SENT     headers taken
 *   PUBLISHER_REFUSED, PUBLISHER_UNREACHABLE
 *                      noted for the list of that name; the batch will be ABORTED. Going on finds the others of the kind. Headers
 *                      are still the caller's
 *   PUBLISHER_FATAL    nothing can be added to this batch any more, which will be ABORTED or LOST: return. Headers as above */
enum publisher_send transaction_produce(struct transaction *transaction, const struct publisher_message *message);

/* From within hooks.produce alone: a message of the batch cannot be written, for want of memory: the batch will be ABORTED. */
void transaction_spoil(struct transaction *transaction);

/* Ends within about 2 s, whatever the state: what is open is aborted if the brokers answer in time, else left to its timeout.
 * A batch under way is settled from within. NULL is harmless. */
void transaction_free(struct transaction *transaction);

#endif
