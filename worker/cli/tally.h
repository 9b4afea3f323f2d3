/* tally: which of the invocations that were sent have their result. For submit --wait and demo.
 *
 * Pure; one thread. Results are matched by their metadata source.topic, source.partition and source.offset, so that an
 * id that occurs twice is no trouble. */
#ifndef RXP_CLI_TALLY_H
#define RXP_CLI_TALLY_H

#include "cli/sender.h"
#include "protocol/result.h"

#include <stdbool.h>
#include <stddef.h>

struct tally;

/* Expects a result for each of sent[0..n) on `topic`. NULL for want of memory. */
struct tally *tally_new(const char *topic, const struct sent *sent, size_t n);
void tally_free(struct tally *tally);

enum tally_match {
    TALLY_FOREIGN, /* not the result of one that is expected */
    TALLY_FIRST,   /* the result of one that had none yet */
    TALLY_AGAIN,   /* a further one: at-least-once can repeat */
};
/* Which of those that are expected the result is of, by a number, and whether it is the first; nothing is counted. */
enum tally_match tally_find(const struct tally *tally, const struct rxp_result *result, size_t *place);
/* Counts a result. */
enum tally_match tally_take(struct tally *tally, const struct rxp_result *result);

struct tally_counts {
    size_t expected;
    size_t seen;
    size_t again;
    size_t by_status[RXP_STATUS_REJECTED + 1];
};
const struct tally_counts *tally_counts(const struct tally *tally);

/* "940 succeeded, 30 failed, …": the statuses that occurred. */
#define TALLY_TEXT_BYTES 200
void tally_describe(const struct tally *tally, char out[TALLY_TEXT_BYTES]);

/* 1234567 as 1,234,567. */
#define TALLY_NUMBER_BYTES 32
const char *tally_number(size_t number, char out[TALLY_NUMBER_BYTES]);

#endif
