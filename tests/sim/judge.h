/* judge: holds what is seen in a world against what the worker promises. It looks at logs, commits and the backend alone, not
 * into workers.
 *
 *   I1  every input has a result once faults have stopped; exactly one with exactly-once results
 *   I2  what is committed never covers an input without a result, and never moves back
 *   I3  kickoffs of an input: one with checkpoints, unless its worker's life ended between the kickoff and the checkpoint; with
 *       at-most-once never two; all under the same idempotency key; one that the backend has put off, and whose sender knows,
 *       counts as none
 *   I4  a result is its own input's: id, key, source, run id and what the backend says of that
 *   I5  a stopped worker ends in its time; where others can go on with its runs, at once; it erases
 *       what was noted of inputs that it has brought to their ends
 *   and: ordered inputs begin after the result of the one before; nothing hangs; no checkpoint is left of what is done */
#ifndef RXP_SIM_JUDGE_H
#define RXP_SIM_JUDGE_H

#include "sim/broker.h"

void judge_init(void);

/* ---- what is seen ---- */

void judge_record(enum topic topic, int32_t partition, const struct record *record);
void judge_commit(int32_t partition, const struct committed *before, const struct committed *after);
/* A kickoff leaves an instance. Which one of this input's it is, for when it arrives. */
int judge_kickoff_sent(int input, int by);
/* It has reached the backend, which answers for run `run_number` of this input; -1: it begins none. */
void judge_kickoff_arrived(int input, int sending, const char *key, int run_number);
/* Its sender was told that it has begun nothing, and may be sent again. */
void judge_kickoff_put_off(int input, int sending);
/* The checkpoints of a partition were read for an instance, up to the n-th record. */
void judge_restored(int by, int32_t partition, size_t n);
/* An instance's life, or its hold on partitions, ended without order: it crashed, was frozen or cut off, lost them. */
void judge_excuse(int by);
/* It gave a partition back so long after it was asked to. */
void judge_handed_over(int by, int64_t took_ms);

/* It was stopped, and has ended. */
void judge_drained(int by, int64_t took_ms);

/* ---- what has to be so ---- */

bool judge_all_done(void);   /* each input has a result and is committed */
bool judge_no_leftovers(void); /* no checkpoint lives */
bool judge_is_orderly(void);   /* nobody had to be excused */
/* At the end: all of the above, and what only an end can show. */
void judge_end(void);

#endif
