#include "kafka/moments.h"

#include <string.h>

enum { LEAST_GAP_MS = 1000, GAPS_OF_AGE = 32 };

/* Those below the last one that is not beyond the frontier say nothing any more. */
static size_t first_of_use(const struct moments *moments, int64_t frontier)
{
    size_t first = 0;
    while (first + 1 < moments->n && moments->at[first + 1].offset <= frontier)
        first++;
    return first;
}

/* Every other one goes, the first not. The gaps between those that stay are twice as large, and small for the age, which has
 * grown more than that since they were made. */
static void thin(struct moments *moments)
{
    size_t n = 0;
    for (size_t i = 0; i < moments->n; i += 2)
        moments->at[n++] = moments->at[i];
    moments->n = n;
}

void moments_take(struct moments *moments, int64_t offset, int64_t frontier, int64_t now_ms)
{
    if (frontier == offset) {
        moments->n = 0; /* nothing else is in flight */
    } else if (moments->n > 0) {
        size_t first = first_of_use(moments, frontier);
        int64_t gap_ms = (now_ms - moments->at[first].taken_ms) / GAPS_OF_AGE;
        if (now_ms - moments->at[moments->n - 1].taken_ms < (gap_ms > LEAST_GAP_MS ? gap_ms : LEAST_GAP_MS))
            return;
        moments->n -= first;
        memmove(moments->at, moments->at + first, moments->n * sizeof *moments->at);
        if (moments->n == MOMENTS_MAX)
            thin(moments);
    }
    moments->at[moments->n++] = (struct moment){offset, now_ms};
}

int64_t moments_age(const struct moments *moments, int64_t frontier, int64_t now_ms)
{
    return moments->n > 0 ? now_ms - moments->at[first_of_use(moments, frontier)].taken_ms : 0;
}
