/* marks: what is to be told of done offsets once the group has accepted a commit that covers them.
 *
 * Pure; the Kafka thread alone. A mark waits, is taken by the first commit that covers its offset, and either given back
 * (the commit was accepted) or waits again. At most one commit is under way. */
#ifndef RXP_KAFKA_MARKS_H
#define RXP_KAFKA_MARKS_H

#include "kafka/tracker.h"

#include <stddef.h>
#include <stdint.h>

struct consumer_mark {
    int64_t offset;
    uint64_t tag;
};

/* All zero: empty. */
struct marks {
    struct consumer_mark *mark; /* those that are taken first */
    size_t n;
    size_t room;
    size_t taken;
};

/* 0, or -1 for want of memory. */
int marks_add(struct marks *marks, int64_t offset, uint64_t tag);
/* A commit of the tracker's frontier, with a map that reaches to `map_end` (0: without one), is on its way. */
void marks_take(struct marks *marks, const struct tracker *tracker, int64_t map_end);
/* It was refused. */
void marks_give_back(struct marks *marks);
/* It was accepted: those that it had taken are `out`'s (out->n of them), which the caller empties with marks_clear. */
void marks_accept(struct marks *marks, struct marks *out);
void marks_clear(struct marks *marks);

#endif
