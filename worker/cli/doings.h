/* doings: what a few of the runs that are waited for are doing, as the progress topic tells, under submit's progress bar.
 *
 * Pure but for the terminal's width; one thread. Those that were told of first are shown until they end. */
#ifndef RXP_CLI_DOINGS_H
#define RXP_CLI_DOINGS_H

#include "base/buf.h"
#include "protocol/result.h"

#include <stddef.h>
#include <stdint.h>

#define DOINGS_SHOWN 8
#define DOINGS_ID_COLUMNS 40
#define DOINGS_STATE_COLUMNS 32

struct doing {
    uint64_t place; /* which input: the caller's number */
    char id[112];
    char state[112];
    int64_t started_at_ms;
};

struct doings {
    struct doing doing[DOINGS_SHOWN];
    size_t n;
};

/* A running result of the input `place`. */
void doings_note(struct doings *doings, uint64_t place, const struct rxp_result *result);
void doings_end(struct doings *doings, uint64_t place);
/* A line each, of at most `columns`, each begun with a line feed and ended with the erasing of its rest. */
void doings_draw(const struct doings *doings, int64_t now_wall_ms, size_t columns, struct buf *out);

#endif
