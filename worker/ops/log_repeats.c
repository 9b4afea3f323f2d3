#include "ops/log_repeats.h"

#include "base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Its row, or a free one: of those whose minute is over and that have nothing to tell, any will do. */
static struct log_repeat *row_for(struct log_repeats *repeats, const char *event, int64_t now_ms)
{
    struct log_repeat *found = NULL;
    for (size_t i = 0; i < LOG_REPEATS_EVENTS; i++) {
        struct log_repeat *row = &repeats->rows[i];
        if (row->event[0] != '\0' && strncmp(row->event, event, LOG_EVENT_BYTES - 1) == 0)
            return row;
        if (found == NULL && (row->event[0] == '\0' || (row->until_ms <= now_ms && row->left_out == 0)))
            found = row;
    }
    return found;
}

bool log_repeats_pass(struct log_repeats *repeats, const char *event, int64_t now_ms)
{
    struct log_repeat *row = row_for(repeats, event, now_ms);
    if (row == NULL)
        return true;
    if (strncmp(row->event, event, LOG_EVENT_BYTES - 1) != 0 || (row->until_ms <= now_ms && row->left_out == 0)) {
        snprintf(row->event, sizeof row->event, "%s", event);
        row->until_ms = now_ms + LOG_REPEATS_MS;
        row->passed = 0;
    }
    if (row->passed < LOG_REPEATS_MAX) {
        row->passed++;
        return true;
    }
    row->left_out++;
    return false;
}

int64_t log_repeats_next_ms(const struct log_repeats *repeats)
{
    int64_t next_ms = CLOCK_NEVER;
    for (size_t i = 0; i < LOG_REPEATS_EVENTS; i++) {
        if (repeats->rows[i].left_out > 0 && repeats->rows[i].until_ms < next_ms)
            next_ms = repeats->rows[i].until_ms;
    }
    return next_ms;
}

const char *log_repeats_take(struct log_repeats *repeats, int64_t now_ms, int *left_out)
{
    for (size_t i = 0; i < LOG_REPEATS_EVENTS; i++) {
        struct log_repeat *row = &repeats->rows[i];
        if (row->left_out > 0 && row->until_ms <= now_ms) {
            *left_out = row->left_out;
            row->left_out = 0;
            return row->event;
        }
    }
    return NULL;
}
