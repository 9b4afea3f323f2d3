/* log: one line an event, JSON or text, never blocking who logs.
 *
 * log_start and log_stop belong to main. log_event is for any thread: the line goes into a bounded queue that a writer
 * thread empties, each 5 ms where lines come closely; when the queue is full the line is dropped and the number dropped is said
 * later. A process that is killed or aborts takes with it what was not written yet: 5 ms of lines at most, none of them before a
 * warning that was written. Before log_start (and in one-shot commands, which need none) lines are written at once, as text, on
 * stderr. */
#ifndef RXP_OPS_LOG_H
#define RXP_OPS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct metrics;

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_JSON, LOG_TEXT };

/* Starts the writer thread on file descriptor fd. 0, or -errno. */
int log_start(int fd, enum log_format format);
/* Writes what is queued (waiting at most a second for a reader that is stuck) and ends the thread. */
void log_stop(void);

void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);
bool log_level_parse(const char *word, enum log_level *out);
const char *log_level_word(enum log_level level);

/* From now on events are counted there; NULL: no more, and the metrics may be freed. */
void log_use_metrics(struct metrics *metrics);

/* `event` is a short constant word (snake_case) by which lines can be found; the sentence is for people. Line feeds and
 * control characters are escaped; a line is cut at 4 KiB. Of one event 10 warnings or errors a minute are written, and then
 * how many more there were; but every run_ended. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* For programs: members of the JSON object after "message"; as text name=value. Names are constant and of snake_case. */
struct log_field {
    const char *key;
    enum { LOG_FIELD_TEXT, LOG_FIELD_NUMBER, LOG_FIELD_SECONDS } kind;
    const char *text; /* NULL: the field is left out */
    int64_t number;   /* LOG_FIELD_SECONDS: milliseconds, written as seconds: 1.234 */
};
static inline struct log_field log_text(const char *key, const char *text)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_TEXT, .text = text};
}
static inline struct log_field log_number(const char *key, int64_t number)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_NUMBER, .number = number};
}
static inline struct log_field log_seconds(const char *key, int64_t ms)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_SECONDS, .number = ms};
}

/* As log_event, with fields: 3 KB of them at most, a field that does not fit is left out. */
void log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t n, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
