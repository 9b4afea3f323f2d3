#include "core/ebb.h"

#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

static void give_back(void)
{
#if defined(__GLIBC__)
    (void)malloc_trim(0);
#endif
}

bool ebb_turn(struct ebb *ebb, size_t bytes, int64_t now_ms)
{
    if (bytes > ebb->most_bytes) {
        ebb->most_bytes = bytes;
    }
    size_t less_bytes = ebb->most_bytes - bytes;
    bool is_much = less_bytes >= EBB_LEAST_BYTES && less_bytes >= ebb->most_bytes / 16;
    if ((!is_much && !ebb->is_due_again) || now_ms < ebb->next_ms) {
        return false;
    }
    ebb->is_due_again = is_much;
    give_back();
    ebb->most_bytes = bytes;
    ebb->next_ms = now_ms + EBB_EVERY_MS;
    return true;
}
