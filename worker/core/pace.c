#include "core/pace.h"

void pace_init(struct pace *pace)
{
    pace->most_bytes = PACE_FIRST_BYTES;
}

static void slow_down(struct pace *pace)
{
    pace->most_bytes = pace->most_bytes / 2 > PACE_LEAST_BYTES ? pace->most_bytes / 2 : PACE_LEAST_BYTES;
}

void pace_note_committed(struct pace *pace, size_t bytes, int64_t took_ms)
{
    if (took_ms > PACE_SLOW_MS)
        slow_down(pace);
    else if (took_ms < PACE_QUICK_MS && bytes >= pace->most_bytes / 2 && pace->most_bytes < PACE_MOST_BYTES)
        pace->most_bytes *= 2;
}

void pace_note_late(struct pace *pace)
{
    slow_down(pace);
}
