/* moments: when offsets of a partition were taken, kept for few of them: for the age of the lowest that is not done.
 *
 * Pure; the Kafka thread alone. Of what is in flight at most one a second is kept, and the farther back the fewer, so that a
 * fixed room does: an age is too high by at most two seconds or a sixteenth of it, whichever is more, and never too low. */
#ifndef RXP_KAFKA_MOMENTS_H
#define RXP_KAFKA_MOMENTS_H

#include <stddef.h>
#include <stdint.h>

#define MOMENTS_MAX 64

struct moments {
    size_t n;
    struct moment {
        int64_t offset;
        int64_t taken_ms;
    } at[MOMENTS_MAX]; /* both ascend */
};

/* frontier: the lowest offset that is not done now, `offset` itself or one that was taken before. Offsets ascend. */
void moments_take(struct moments *moments, int64_t offset, int64_t frontier, int64_t now_ms);
/* Since when `frontier` is in flight. It must be. */
int64_t moments_age(const struct moments *moments, int64_t frontier, int64_t now_ms);

#endif
