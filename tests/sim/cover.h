/* cover: which inputs of a partition a commit says are done. */
#ifndef RXP_SIM_COVER_H
#define RXP_SIM_COVER_H

#include "sim/broker.h"

struct cover {
    bool done[INPUTS_MAX];
    int32_t partition;
    int64_t base;
};

/* A map that cannot be read is a failure of the world. */
struct cover cover_read(int32_t partition, const struct committed *committed);

#endif
