/* log: one line an event, JSON or text, never blocking who logs.
 *
 * log_start and log_stop belong to main. log_event is for any thread: the line goes into a bounded queue that a writer
 * thread empties; when the queue is full the line is dropped and the number dropped is said later. Before log_start
 * (and in one-shot commands, which need none) lines are written at once, as text, on stderr. */
#ifndef RXP_OPS_LOG_H
#define RXP_OPS_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_JSON, LOG_TEXT };

/* Starts the writer thread on file descriptor fd. 0, or -errno. */
int log_start(int fd, enum log_format format);
/* Writes what is queued (waiting at most a second for a reader that is stuck) and ends the thread. */
void log_stop(void);

void log_set_level(enum log_level level);
bool log_level_parse(const char *word, enum log_level *out);

/* `event` is a short constant word (snake_case) by which lines can be found; the sentence is for people. Line feeds and
 * control characters are escaped; a line is cut at 4 KiB. */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
