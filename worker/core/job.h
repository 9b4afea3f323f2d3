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
struct lane;
struct ledger_write;
struct profile_set;

struct job {
    struct parcel parcel; /* first: it is what a delivery report finds */
    struct list node; /* the Kafka thread's mailbox and lists; its lane while it waits there */
    struct lane *lane; /* the lane that it holds; NULL: none */
    struct ref ref;
    struct run run;
    struct profile_set *profiles;      /* held: what the run's plan may point into; NULL: none */
    struct trace_context *trace;       /* owned; run.trace is this; NULL: its message names none */
    /* The input, copied: the message itself would pin its whole fetch buffer. */
    char *value; /* freed once parsed, unless dead letters are on; NULL also where it has none */
    size_t value_bytes;
    size_t input_bytes;  /* value, key and headers, for the limit on bytes in flight */
    size_t plan_bytes;   /* what its plan takes beside the message, for the same */
    size_t result_bytes; /* of http.result, for the same */
    ptrdiff_t charged;   /* what the engine has for its run, and what was given up since it was taken, for the same */
    int64_t message_ms; /* the input's own timestamp (Unix time); -1: it has none */
    /* Checkpoints. */
    uint64_t input_hash;           /* of the message; 0 where nobody asked for it */
    struct checkpoint *checkpoint; /* what ledger_take found; NULL: nothing. Owned */
    struct job_tags tags;          /* the same */
    struct ledger_write *intent;   /* the ledger's: under way */
    struct ledger_write *note;     /* the same, of its run */
    bool prepared;                 /* its run was asked for what it is */
    bool noted;                    /* a record was made for it, under its assignment's writer */
    bool noted_again;              /* more than one */
    struct run_resume resume;      /* the run's `resume` where it goes on: points into the checkpoint */
    struct list permit_node;       /* of permits.h, while its kickoff waits for one */
    uint64_t ticket;               /* the same */
    /* crowds.h, under its lock. */
    struct list crowd_node;
    struct gate *crowd; /* that it joined, while nobody has looked; held. NULL: none */
    /* What the streams beside the results know of it; its loop's. */
    int64_t told_ms;    /* progress.h: when it was last told of, monotonic; 0: never */
    bool told_status;   /* the same: with a status */
    bool cancel_counted; /* a cancel has hit it */
    /* Publishing. */
    struct reply reply; /* topic is a part of the envelope */
    enum job_stage stage;
    enum answer_shed shed;
    enum job_return returned;
    bool alone; /* refused once as too large: it goes again in a batch of its own before anything is shed */
    bool dead_letter; /* one is due */
    bool dead_letter_shed;
    bool refused; /* since its messages were last made for a batch */
    bool guessed; /* http.result was left out without a try: others of its size were refused */
    size_t sent_bytes; /* its result, when that was last made for a batch: value, key and headers; 0: never */
    atomic_bool handed;
    uint32_t envelope_bytes;
    unsigned char envelope[]; /* its message's key and headers: job_envelope */
};

/* Copies what it needs of the message; takes a hold on the assignment. NULL for want of memory. */
struct job *job_new(struct assignment *assignment, const rd_kafka_message_t *message);
void job_free(struct job *job);

/* Of what the producer wrote, and when, so that a topic that was made anew does not take up an old one's runs. Never change
 * it: checkpoints of other processes and versions hold it. key, value: NULL for none. */
uint64_t job_hash_input(int64_t timestamp_ms, const void *key, size_t key_bytes, const void *value, size_t value_bytes);

/* Of a job's block. The envelope may lie in what would else be padding. */
static inline size_t job_bytes(size_t envelope_bytes)
{
    size_t bytes = offsetof(struct job, envelope) + envelope_bytes;
    return bytes > sizeof(struct job) ? bytes : sizeof(struct job);
}

static inline struct envelope job_envelope(const struct job *job)
{
    return (struct envelope){job->envelope, job->envelope_bytes};
}

static inline struct job *job_of_run(struct run *run)
{
    return list_entry(run, struct job, run);
}

void job_hand_over(struct job *job);
void job_take_over(struct job *job);

#endif
