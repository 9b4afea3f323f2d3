/* job: the baton. One input from message to commit, with one holder at a time:
 *
 *   intake ──> pool (loop thread) ──> settle (loop thread) ──> publisher ──> settle (Kafka thread) ──> freed
 *
 * Made and freed on the Kafka thread, since that owns the assignment. Handing over goes through a mailbox or through
 * librdkafka's queues; job_hand_over and job_take_over stand on both sides of the latter, because a sanitizer (and a
 * reader) cannot see into it. */
#ifndef RXP_CORE_JOB_H
#define RXP_CORE_JOB_H

#include "core/answer.h"
#include "core/checkpoint.h"
#include "core/envelope.h"
#include "core/parcel.h"
#include "core/reply.h"
#include "engine/run.h"
#include "kafka/consumer.h"

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What goes out next for it; see settle.h. */
enum job_stage {
    JOB_RUNNING,
    JOB_DEAD_LETTER,
    JOB_REPLY,
    JOB_RESULT,
    JOB_READY, /* its dead letter and result wait for a batch */
};

/* Why it came back to the Kafka thread's mailbox. */
enum job_return {
    JOB_ABANDONED,  /* no result is due */
    JOB_RETRY,      /* could not be sent just now */
    JOB_BATCHED,    /* its result is to go in a batch */
    JOB_UNSENDABLE, /* can never be sent */
};

/* The writers whose checkpoints are to be erased with an input. More than so many are left to the next restore. */
#define JOB_TAGS_MAX 8
struct job_tags {
    uint64_t writer[JOB_TAGS_MAX];
    size_t n;
    bool lacked_memory; /* of ledger_take: what was found could not be read */
};

struct gate;
struct job;
struct ledger_write;
struct profile_set;
struct slabs;

/* What is wanted until its run was accepted; see job_drop_begin. */
struct job_begin {
    struct job *job;
    /* The input, copied: the message itself would pin its whole fetch buffer. */
    char *value; /* freed once parsed, unless dead letters are on; NULL also where it has none */
    struct checkpoint *checkpoint; /* what ledger_take found; NULL: nothing. Owned */
    struct run_resume resume;      /* the run's `resume` where it goes on: points into the checkpoint */
    struct ledger_write *intent;   /* the ledger's: under way */
    struct list permit_node;       /* of permits.h, while its kickoff waits for one */
    uint64_t ticket;               /* the same */
    /* crowds.h, under its lock. */
    struct list crowd_node;
    struct gate *crowd; /* that it joined, while nobody has looked; held. NULL: none */
    bool has_joined;    /* one, at some time; of whoever has the job */
};

/* A million of them wait for their runs, so it holds what all of these need. What two threads may write at a time are bytes,
 * not bits. */
struct job {
    struct parcel parcel; /* first: it is what a delivery report finds */
    atomic_bool handed;
    uint8_t n_tags;      /* in `tail`: the writers that ledger_take named */
    bool noted;          /* a record was made for it, under its assignment's writer */
    bool noted_again;    /* more than one */
    bool prepared;       /* its run was asked for what it is */
    bool cancel_counted; /* a cancel has hit it */
    bool told_status;    /* progress.h: told of, with a status */
    /* Publishing: of the one who has it. */
    enum job_stage stage : 4;
    enum answer_shed shed : 4;
    enum job_return returned : 4;
    enum reply_refusal reply_refusal : 4;
    unsigned has_reply : 1;               /* one is due, where reply_find says */
    unsigned reply_partition_ignored : 1; /* as reply_find said */
    unsigned alone : 1; /* refused once as too large: it goes again in a batch of its own before anything is shed */
    unsigned dead_letter : 1; /* one is due */
    unsigned dead_letter_shed : 1;
    unsigned refused : 1; /* since its messages were last made for a batch */
    unsigned guessed : 1; /* http.result was left out without a try: others of its size were refused */
    unsigned in_slab : 1; /* job_free's */
    uint32_t charged;     /* in flight_bytes; flight_charge's alone */
    uint32_t value_bytes; /* of its message, also when that is not kept any more */
    uint32_t envelope_bytes;
    struct ref ref;
    struct profile_set *profiles; /* held: what the run's plan may point into; NULL: none */
    int64_t message_ms;           /* the input's own timestamp (Unix time); -1: it has none */
    uint64_t input_hash;          /* see job_new */
    struct job_begin *begin;      /* owned; NULL: it is over */
    struct ledger_write *note;    /* the ledger's, of its run: under way */
    struct run run; /* run.node is also the job's: in its lane before it is submitted, in mailboxes, lists and batches once its
                     * run has ended */
    union {
        uint32_t told_ms; /* progress.h, while it runs: when it was last told of, the low bits of monotonic time; 0: never */
        uint32_t sent_bytes; /* then its result, when that was last made for a batch: value, key and headers; 0: never */
    };
    unsigned char tail[]; /* tags and envelope, as long as it lives: job_put_tags, job_envelope */
};

/* Copies what it needs of the message; takes a hold on the assignment. NULL for want of memory. Its hash is that of the whole
 * message where other processes are to know it again, else of what is quickly read of it. */
struct job *job_new(struct slabs *slabs, struct assignment *assignment, const rd_kafka_message_t *message,
                    const struct job_tags *tags, bool hash_whole);
void job_free(struct job *job);

/* Its run was accepted, and points to nothing of the beginning: no kickoff, and no rejection, is to come. Harmless a second
 * time. The intent was written, and it is in nobody's list. */
void job_drop_begin(struct job *job);
/* Its value alone. */
void job_drop_value(struct job *job);
/* What `begin` takes up. */
size_t job_begin_bytes(const struct job *job);

void job_put_tags(const struct job *job, struct job_tags *out);

/* Of what the producer wrote, and when, so that a topic that was made anew does not take up an old one's runs. Never change
 * it: checkpoints of other processes and versions hold it. key, value: NULL for none. */
uint64_t job_hash_input(int64_t timestamp_ms, const void *key, size_t key_bytes, const void *value, size_t value_bytes);

/* Of a job's block, which may end before what would be padding. */
static inline size_t job_bytes(size_t n_tags, size_t envelope_bytes)
{
    size_t bytes = offsetof(struct job, tail) + n_tags * sizeof(uint64_t) + envelope_bytes;
    return bytes > sizeof(struct job) ? bytes : sizeof(struct job);
}

static inline struct envelope job_envelope(const struct job *job)
{
    return (struct envelope){job->tail + job->n_tags * sizeof(uint64_t), job->envelope_bytes};
}

static inline struct job *job_of_run(struct run *run)
{
    return list_entry(run, struct job, run);
}

void job_hand_over(struct job *job);
void job_take_over(struct job *job);

#endif
