/* roll: the runs of one loop, in one array, so that they can be walked in slices while they come and go.
 *
 * The loop's thread. A walk goes downward by place: what is added meanwhile is not visited; when a run leaves, the last
 * one takes its place, so that one that was visited may be visited again, and none that stays is missed. Who walks must not
 * mind that. */
#ifndef RXP_ENGINE_ROLL_H
#define RXP_ENGINE_ROLL_H

#include <stddef.h>
#include <stdint.h>

struct run;

struct roll {
    struct run **runs;
    size_t n;
    size_t room;
};

void roll_init(struct roll *roll);
void roll_deinit(struct roll *roll);
/* Room for so many; 0, or -1 for want of memory. */
int roll_reserve(struct roll *roll, size_t n);
/* There is room. */
void roll_add(struct roll *roll, struct run *run);
/* Harmless for a run that is not in it. */
void roll_remove(struct roll *roll, struct run *run);

#endif
