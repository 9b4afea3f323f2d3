/* log_repeats: of one event at most LOG_REPEATS_MAX lines a minute; how many were left out is told at the minute's end.
 *
 * For log.c alone, under its lock. Pure. */
#ifndef RXP_OPS_LOG_REPEATS_H
#define RXP_OPS_LOG_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_REPEATS_MAX 10
#define LOG_REPEATS_MS 60000
#define LOG_REPEATS_EVENTS 64 /* what is beyond them is not limited */
#define LOG_EVENT_BYTES 64

struct log_repeats {
    struct log_repeat {
        char event[LOG_EVENT_BYTES]; /* "": free */
        int64_t until_ms;            /* monotonic: the minute's end */
        int passed;
        int left_out;
    } rows[LOG_REPEATS_EVENTS];
};

/* False: it is one too many. */
bool log_repeats_pass(struct log_repeats *repeats, const char *event, int64_t now_ms);
/* When log_repeats_take has something; CLOCK_NEVER: nothing was left out. */
int64_t log_repeats_next_ms(const struct log_repeats *repeats);
/* An event whose minute is over and of which *left_out lines were left out, which is forgotten; or NULL. Valid until the next
 * call. */
const char *log_repeats_take(struct log_repeats *repeats, int64_t now_ms, int *left_out);

#endif
