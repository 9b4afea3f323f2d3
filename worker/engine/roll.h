/* roll: the runs of one loop, in one array, so that they can be walked in slices while they come and go.
 *
 * The loop's thread. A walk goes upward by place, which is from the oldest where few have left. Those that were there at
 * its beginning and stay are visited once each; what is added meanwhile is not. One walk at a time: the next may begin
 * whenever it likes, and ends the one before. The array during a walk:
 *
 *   | visited | to be visited | came since |
 *   0         `next`          `end`        `n`
 *
 * When a run leaves, the last of its section takes its place, and the last of the next section takes the place that is free
 * now, and so on: nobody changes sections. Without a walk there is but the last section. */
#ifndef RXP_ENGINE_ROLL_H
#define RXP_ENGINE_ROLL_H

#include <stddef.h>
#include <stdint.h>

struct run;

#define ROLL_MAX ((size_t)UINT32_MAX) /* a run knows its place by 32 bits */

struct roll {
    struct run **runs;
    size_t n;
    size_t room;
    size_t next;
    size_t end; /* 0, like `next`, while there is no walk */
};

void roll_init(struct roll *roll);
void roll_deinit(struct roll *roll);
/* Room for so many; 0, or -1 for want of memory. */
int roll_reserve(struct roll *roll, size_t n);
/* There is room. Harmless for one that is in it. */
void roll_add(struct roll *roll, struct run *run);
/* Harmless for a run that is not in it. */
void roll_remove(struct roll *roll, struct run *run);

void roll_begin(struct roll *roll);
/* The next one; NULL: the walk is over. What the walk is likely to look at of those to come is fetched ahead. */
struct run *roll_next(struct roll *roll);
/* Gives the walk up; harmless without one. */
void roll_stop(struct roll *roll);

#endif
