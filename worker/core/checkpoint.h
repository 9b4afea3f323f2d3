/* checkpoint: what is known of an input whose kickoff was accepted, or is about to go, as a record that outlives the
 * process.
 *
 *   run      a kickoff was accepted: whoever gets the input next polls on, and starts nothing
 *   intent   a kickoff was about to go: whether it went is not known (kickoff-guarantee=at-most-once)
 *
 * Pure and thread-safe. Written as one JSON object; RxP's rules for JSON (json.h) hold for it. Fields that a reader does
 * not know are ignored, so that a new version may add some and still be read by the one before it; a change that an older
 * worker must not act upon raises readable_since, and that worker stops. Nothing secret is ever in one. */
#ifndef RXP_CORE_CHECKPOINT_H
#define RXP_CORE_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What this worker writes, and the newest readable_since that it understands. */
#define CHECKPOINT_VERSION 1
/* The latest moment that a record may name: in the year 33658, so that sums of times cannot overflow. */
#define CHECKPOINT_MAX_MS INT64_C(1000000000000000)

/* A longer invocation_id is left out of the record: the hash tells the input apart as well. A worker that wants an id in each
 * record finds such a one unreadable, which it takes for no checkpoint, or at-most-once for an intent. */
#define CHECKPOINT_ID_MAX_BYTES 1024
/* More of it is cut off. */
#define CHECKPOINT_WORKER_ID_MAX_BYTES 256
/* No record that is written is larger, as long as run ids and URLs keep to RXP_RUN_ID_MAX_BYTES and URL_MAX_BYTES, even if
 * JSON makes six bytes of each of theirs: so none is too large for a topic of Kafka's default, 1 MiB. */
#define CHECKPOINT_MAX_BYTES ((size_t)128 * 1024)

enum checkpoint_kind { CHECKPOINT_RUN, CHECKPOINT_INTENT };

/* A plain value; the strings are its owner's (checkpoint_write) or its own (checkpoint_read). */
struct checkpoint {
    enum checkpoint_kind kind;
    /* Made for a record that cannot be read, where that must count as an intent: it is about whatever input has its
     * offset. Everything else is empty. Never written. */
    bool unreadable;
    const char *invocation_id; /* read: NULL where it was left out */
    uint64_t input_hash;
    const char *run_id;      /* NULL: none known */
    const char *prepared_id; /* NULL: none */
    const char *poll_url;    /* NULL: none, only in an intent */
    int64_t started_at_ms;   /* Unix time: when the kickoff began; of an intent, when it was written */
    int64_t deadline_ms;     /* Unix time; of an intent 0 */
    int polls;               /* sent so far */
    const char *worker_id;   /* who wrote it, for people */
};

enum checkpoint_reading {
    CHECKPOINT_READ,
    CHECKPOINT_UNREADABLE, /* damaged, or none of ours: it says nothing */
    CHECKPOINT_TOO_NEW,    /* of a newer worker that says that this one must not act upon it */
    CHECKPOINT_NO_MEMORY,  /* what it says is not known */
};

#define CHECKPOINT_WHY_BYTES 256

/* READ: *out is one block, which the caller frees with free(). Else *out is NULL and why has a phrase ("no field
 * 'poll_url'"; for TOO_NEW "version 3, readable since 2"). */
enum checkpoint_reading checkpoint_read(const char *value, size_t bytes, struct checkpoint **out,
                                        char why[CHECKPOINT_WHY_BYTES]);
/* One line of JSON, which the caller frees; times and polls that no record may hold become the nearest that it may. NULL
 * for want of memory. What it writes, every later version must read. */
char *checkpoint_write(const struct checkpoint *checkpoint, size_t *bytes);
/* For a record that cannot be read where that must count as an intent. One block; NULL for want of memory. */
struct checkpoint *checkpoint_new_unreadable(void);

/* Is it about this very input? An offset alone is not enough: a topic that was deleted and made anew counts from 0. */
bool checkpoint_matches(const struct checkpoint *checkpoint, const char *invocation_id, uint64_t input_hash);

/* Of two that were found for one offset in different places, is `other` the better one to go on with? A run that can be
 * polled before one of which nothing is known; then the one that was started last, and of one run what was polled last. */
bool checkpoint_yields_to(const struct checkpoint *checkpoint, const struct checkpoint *other);

#endif
