/* transaction_inside: what the files of the transaction share. Nobody else includes it.
 *
 *   transaction           the Kafka thread's side, the hand-over, the thread
 *   transaction_batch     one batch, from begin to what came of it
 *   transaction_producer  the producer: making it, what its errors mean, its end
 *   transaction_sets      how much is sent together
 *   transaction_committed what the group has committed, and whether it is ours
 *   transaction_topics    are the topics of optional messages there? */
#ifndef RXP_KAFKA_TRANSACTION_INSIDE_H
#define RXP_KAFKA_TRANSACTION_INSIDE_H

#include "kafka/group_offsets.h"
#include "kafka/set_size.h"
#include "kafka/transaction.h"

#include <pthread.h>
#include <stdatomic.h>

enum { TRANSACTION_WHY_BYTES = 768 };

/* Where the batch is: the Kafka thread moves it to HANDED and EMPTY, the transaction's to the others. */
enum batch_place { BATCH_EMPTY, BATCH_HANDED, BATCH_UNDER_WAY, BATCH_SETTLED };

/* A message of the batch: its place in `sent` is what librdkafka carries as opaque. */
struct sent {
    void *opaque;
    bool optional;
    bool alone;
    bool is_over; /* reported, as delivered or not */
};

struct batch {
    void *opaque;
    rd_kafka_topic_partition_list_t *offsets;
    rd_kafka_consumer_group_metadata_t *group;

    /* What came of it. */
    enum transaction_outcome outcome;
    bool generation_old;
    char reason[TRANSACTION_WHY_BYTES];
    struct refused {
        void **list;
        size_t n;
        size_t room;
    } refused, unreachable;

    /* The transaction's thread, while it is under way. */
    uint32_t number; /* reports of another batch are told by it */
    struct sent *sent;
    size_t n_sent;
    size_t sent_room;
    int64_t begun_ms; /* 0: not yet */
    bool is_broken;   /* librdkafka takes no more messages for it */
    bool is_closed;   /* one that went alone is not answered: what came behind it could share its request */
    bool is_cut;      /* messages are missing: it was told to take no more of them */
    bool is_late;     /* for that reason alone it was given up */
    bool has_died;    /* nor does it send those that it has */
    bool has_gap;     /* in its messages' numbers, by which brokers count: some were numbered, and then refused */
    bool is_too_large; /* each of `refused` was refused for its size */
    bool is_parted;    /* some of them only together with others */
    rd_kafka_resp_err_t failed; /* the first message that failed for another reason than its own */
    char failed_topic[250];
};

enum { TOPICS_KNOWN = 64 };

/* What was seen when a topic of optional messages was looked for. */
struct known_topic {
    char name[250];
    rd_kafka_resp_err_t err;
    int32_t n_partitions;
    int64_t until_ms;
};

struct transaction {
    struct transaction_hooks hooks;
    int event_fd;
    char *id;
    char *group_id;
    rd_kafka_conf_t *conf; /* what each producer is made from */
    rd_kafka_conf_t *reader_conf;
    int64_t timeout_ms;    /* transaction.timeout.ms */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock. */
    enum batch_place place;
    bool failed;
    char failed_why[TRANSACTION_WHY_BYTES];
    bool is_ending; /* no batch is under way any more: what follows is over within CLIENT_END_MS */
    bool thread_is_over;
    bool is_left; /* the owner is gone: the thread frees what is left */
    bool is_producing; /* hooks.produce is running */
    atomic_bool stop; /* set under lock, read anywhere */

    struct batch batch; /* whose it is, `place` tells */

    /* Kafka thread. */
    bool told;

    /* The transaction's thread. */
    rd_kafka_t *rk; /* NULL: to be made */
    bool has_gap; /* the batch before had one: this one may be aborted for it */
    struct set_size set_size;
    bool has_id;    /* init_transactions is over */
    rd_kafka_t *reader; /* a consumer that asks for the group's offsets, and does nothing else; NULL until it is needed */
    rd_kafka_topic_partition_list_t *committed; /* of this generation, as far as is known */
    void *generation; /* the group's metadata as bytes: another one means that `committed` may be of others */
    size_t generation_bytes;
    int n_damaged;   /* batches aborted since their messages arrived damaged, since the last that was committed or refused */
    int64_t rest_ms; /* before the next batch; doubled by each that fails */
    int64_t remade_ms[5]; /* when it was made anew for want of another way, the last few times */
    size_t n_remade;
    int64_t topics_missing_since_ms;
    struct known_topic topics[TOPICS_KNOWN];
    size_t next_topic;
};

/* ---- transaction ---- */

/* False once the transaction is to stop, at once or after some time of rest. */
bool transaction_rest(struct transaction *transaction, int64_t ms);
bool transaction_goes_on(void *transaction);
/* Nothing can be committed any more. The first sentence stays. */
void transaction_fail(struct transaction *transaction, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool transaction_has_failed(struct transaction *transaction);

/* ---- transaction_batch ---- */

/* Sets the outcome. */
void batch_run(struct transaction *transaction, struct batch *batch);
void batch_forget(struct batch *batch); /* frees what it holds */
/* librdkafka's, on the thread of the transaction. */
void batch_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *transaction);

/* ---- transaction_committed ---- */

/* Sees to it that what the group has, of this generation, is known of these partitions: against it a commit of unknown outcome
 * is judged. False: the transaction is to stop, or has failed. */
bool committed_learn(struct transaction *transaction, const rd_kafka_topic_partition_list_t *offsets,
                     const rd_kafka_consumer_group_metadata_t *group);
void committed_note(struct transaction *transaction, const rd_kafka_topic_partition_list_t *offsets);
/* After a commit of unknown outcome has ended. False as above. */
bool committed_judge(struct transaction *transaction, const rd_kafka_topic_partition_list_t *wanted, enum group_verdict *verdict);

/* ---- transaction_topics ---- */

/* Why a message to it would be refused; NO_ERROR where it may be sent, as far as can be told. */
rd_kafka_resp_err_t optional_topic_fault(struct transaction *transaction, const char *name, int32_t partition);

/* ---- transaction_sets ---- */

/* A message was refused for its size by a broker. `alone`: it was sent so. */
void sets_note(struct transaction *transaction, const rd_kafka_message_t *message, bool alone);
/* At a batch's end: where some were too large together, less goes together from now on, by a new producer. */
void sets_learn(struct transaction *transaction, struct batch *batch);

/* ---- transaction_producer ---- */

/* What is to be done about an error of the producer. */
enum remedy {
    REMEDY_ABORT,      /* try the batch again */
    REMEDY_GENERATION, /* as that, without the partitions that were lost */
    REMEDY_REMAKE,     /* this producer is of no use any more */
    REMEDY_NONE,       /* transaction_fail was called */
};

int producer_make(struct transaction *transaction, char *why, size_t why_bytes);
/* Messages and headers as rd_kafka_producev takes them. */
rd_kafka_resp_err_t producer_send(rd_kafka_t *rk, const struct publisher_message *message, void *opaque);
/* Makes it where there is none, and gives it its id. -1 where the transaction is to stop or has failed. */
int producer_ready(struct transaction *transaction);
void producer_drop(struct transaction *transaction, int64_t end_ms);
/* Takes and frees the error; its text goes into why. */
enum remedy producer_remedy(struct transaction *transaction, rd_kafka_error_t *error, char why[TRANSACTION_WHY_BYTES]);
/* One more time of a few a minute; else it fails. */
enum remedy producer_remake(struct transaction *transaction, const char *why);

#endif
