/* roll: the runs of one loop, in one array, so that they can be walked in slices while they come and go.
 *
 * The loop's thread. A walk goes downward by place: when a run leaves, the last one takes its place. Those that were there
 * at its beginning and stay are visited once each; what is added meanwhile is not. One walk at a time: the next may begin
 * when the one before is over, or is given up. */
#ifndef RXP_ENGINE_ROLL_H
#define RXP_ENGINE_ROLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run;

#define ROLL_MAX ((size_t)UINT32_MAX) /* a run knows its place by 32 bits */

struct roll {
    struct run **runs;
    size_t n;
    size_t room;
    bool lap; /* a run that has this one was visited by the walk, or came after its beginning */
};

struct roll_walk {
    size_t left; /* places below it are to be visited */
};

void roll_init(struct roll *roll);
void roll_deinit(struct roll *roll);
/* Room for so many; 0, or -1 for want of memory. */
int roll_reserve(struct roll *roll, size_t n);
/* There is room. Harmless for one that is in it. */
void roll_add(struct roll *roll, struct run *run);
/* Harmless for a run that is not in it. */
void roll_remove(struct roll *roll, struct run *run);

void roll_begin(struct roll *roll, struct roll_walk *walk);
/* The next one; NULL: the walk is over. */
struct run *roll_next(const struct roll *roll, struct roll_walk *walk);

#endif
