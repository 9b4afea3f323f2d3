#include "ops/log.h"

#include "base/clock.h"
#include "ops/log_line.h"
#include "ops/log_repeats.h"
#include "ops/metrics.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_MAX_BYTES ((size_t)512 * 1024)
#define STOP_WAIT_SECONDS 1
/* At 7,000 lines a second a write for each, and a wake of the writer, are 5 us of a run's 70. A line that comes alone, a warning,
 * and what has waited so long already is written at once. */
#define GATHER_MS 5
#define GATHER_MAX_BYTES ((size_t)64 * 1024)

/* One log_start. Two halves: `queue` is filled under the lock while the writer empties `out` without it; the writer
 * swaps them. A writer that is stuck in write(2) when log_stop gives up keeps the struct (orphan) and frees it. */
struct logger {
    pthread_t thread;
    int fd;
    enum log_format format;
    char *queue;
    char *out;
    size_t queued_bytes;
    unsigned long long dropped;
    int64_t gather_until_ms; /* of what is not urgent */
    bool is_urgent;          /* something in the queue */
    bool broken; /* the descriptor refuses for good: lines are thrown away */
    bool stopping;
    bool finished;
    bool orphan;
    struct log_repeats repeats;
    pthread_cond_t work;
    pthread_cond_t end;
};

static atomic_int threshold = LOG_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct logger *current; /* under lock */
static struct metrics *counted; /* the same */
static atomic_int shape = LOG_TEXT;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

bool log_level_parse(const char *word, enum log_level *out)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(word, log_level_word((enum log_level)i)) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* Writes all; -errno where the descriptor refuses for good. */
static int write_all(int fd, const char *at, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, at, bytes);
        if (n >= 0) {
            at += n;
            bytes -= (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            (void)poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static void logger_free(struct logger *logger)
{
    pthread_cond_destroy(&logger->work);
    pthread_cond_destroy(&logger->end);
    free(logger->queue);
    free(logger->out);
    free(logger);
}

/* Writes a chunk without the lock, which is held before and after. */
static void logger_write(struct logger *logger, const char *at, size_t bytes)
{
    if (logger->broken)
        return;
    pthread_mutex_unlock(&lock);
    int failed = write_all(logger->fd, at, bytes);
    pthread_mutex_lock(&lock);
    logger->broken = failed < 0;
}

static bool logger_is_full(const struct logger *logger)
{
    return logger->queued_bytes >= GATHER_MAX_BYTES || logger->dropped > 0;
}

/* A full queue drops. Once one line is dropped so are those behind it, until the writer comes: the count then stands
 * where the gap is. */
static void logger_take(struct logger *logger, const struct log_line *line, bool is_urgent)
{
    bool was_awaited = logger_is_full(logger) || logger->is_urgent;
    bool was_empty = logger->queued_bytes == 0 && logger->dropped == 0;
    if (line->bytes > QUEUE_MAX_BYTES - logger->queued_bytes || logger->dropped > 0) {
        logger->dropped++;
    } else {
        memcpy(logger->queue + logger->queued_bytes, line->at, line->bytes);
        logger->queued_bytes += line->bytes;
    }
    logger->is_urgent = logger->is_urgent || is_urgent;
    if (was_empty || (!was_awaited && (logger_is_full(logger) || is_urgent))) {
        pthread_cond_signal(&logger->work);
    }
}

static bool logger_has_work(const struct logger *logger)
{
    return logger->queued_bytes > 0 || logger->dropped > 0 || logger->stopping ||
           log_repeats_next_ms(&logger->repeats) <= clock_mono_ms();
}

static void logger_wait_until(struct logger *logger, int64_t until_ms)
{
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    (void)pthread_cond_timedwait(&logger->work, &lock, &until);
}

static void logger_wait(struct logger *logger)
{
    int64_t next_ms = log_repeats_next_ms(&logger->repeats);
    if (next_ms == CLOCK_NEVER) {
        pthread_cond_wait(&logger->work, &lock);
        return;
    }
    logger_wait_until(logger, next_ms + 1); /* it would wake within the millisecond before, and find nothing to do */
}

/* Lines come closely: more of them go with one write. */
static void logger_gather(struct logger *logger)
{
    while (!logger->stopping && !logger->is_urgent && !logger_is_full(logger) &&
           clock_mono_ms() < logger->gather_until_ms) {
        logger_wait_until(logger, logger->gather_until_ms);
    }
}

/* At the end also of minutes that are not over. */
static void logger_tell_repeats(struct logger *logger)
{
    int64_t now_ms = logger->stopping ? CLOCK_NEVER : clock_mono_ms();
    int left_out;
    for (const char *event; (event = log_repeats_take(&logger->repeats, now_ms, &left_out)) != NULL;) {
        char sentence[160];
        struct log_line line;
        snprintf(sentence, sizeof sentence, "%d more lines of the event %s were left out, since there are %d a minute at most",
                 left_out, event, LOG_REPEATS_MAX);
        log_line_make(&line, logger->format, LOG_WARN, "log_repeats", sentence, NULL, 0);
        logger_take(logger, &line, true);
    }
}

static void *logger_main(void *opaque)
{
    struct logger *logger = opaque;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!logger_has_work(logger))
            logger_wait(logger);
        logger_gather(logger);
        logger_tell_repeats(logger);
        if (logger->queued_bytes == 0 && logger->dropped == 0)
            break;
        char *chunk = logger->queue;
        size_t bytes = logger->queued_bytes;
        logger->queue = logger->out;
        logger->out = chunk;
        logger->queued_bytes = 0;
        logger->is_urgent = false;
        /* These were dropped after the chunk was full, and before anything is queued again. */
        unsigned long long dropped = logger->dropped;
        logger->dropped = 0;
        logger_write(logger, chunk, bytes);
        if (dropped > 0) {
            char sentence[128];
            struct log_line line;
            snprintf(sentence, sizeof sentence,
                     "%llu log lines were dropped, since whoever reads this log does not keep up", dropped);
            log_line_make(&line, logger->format, LOG_WARN, "log_dropped", sentence, NULL, 0);
            logger_write(logger, line.at, line.bytes);
        }
        logger->gather_until_ms = clock_mono_ms() + GATHER_MS;
    }
    logger->finished = true;
    bool orphan = logger->orphan;
    pthread_cond_signal(&logger->end);
    pthread_mutex_unlock(&lock);
    if (orphan)
        logger_free(logger);
    return NULL;
}

int log_start(int fd, enum log_format format)
{
    struct logger *logger = calloc(1, sizeof *logger);
    if (logger == NULL)
        return -ENOMEM;
    logger->fd = fd;
    logger->format = format;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&logger->work, &monotonic);
    pthread_cond_init(&logger->end, &monotonic);
    pthread_condattr_destroy(&monotonic);
    logger->queue = malloc(QUEUE_MAX_BYTES);
    logger->out = malloc(QUEUE_MAX_BYTES);
    int failed = logger->queue == NULL || logger->out == NULL ? ENOMEM : 0;
    if (failed == 0)
        failed = pthread_create(&logger->thread, NULL, logger_main, logger);
    if (failed != 0) {
        logger_free(logger);
        return -failed;
    }
    pthread_mutex_lock(&lock);
    assert(current == NULL);
    current = logger;
    atomic_store(&shape, (int)format);
    pthread_mutex_unlock(&lock);
    return 0;
}

void log_stop(void)
{
    pthread_mutex_lock(&lock);
    struct logger *logger = current;
    current = NULL;
    atomic_store(&shape, (int)LOG_TEXT);
    if (logger == NULL) {
        pthread_mutex_unlock(&lock);
        return;
    }
    logger->stopping = true;
    pthread_cond_signal(&logger->work);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += STOP_WAIT_SECONDS;
    int waited = 0;
    while (!logger->finished && waited == 0)
        waited = pthread_cond_timedwait(&logger->end, &lock, &until);
    bool finished = logger->finished;
    pthread_t thread = logger->thread;
    logger->orphan = !finished;
    pthread_mutex_unlock(&lock);
    if (finished) {
        pthread_join(thread, NULL);
        logger_free(logger);
    } else {
        pthread_detach(thread);
    }
}

void log_use_metrics(struct metrics *metrics)
{
    pthread_mutex_lock(&lock);
    counted = metrics;
    pthread_mutex_unlock(&lock);
}

/* What is told once a run, or once for ever, is never too much. What is no warning tells of the worker's own doings, which are
 * few. */
static bool is_limited(enum log_level level, const char *event)
{
    return level >= LOG_WARN && strcmp(event, "run_ended") != 0 && strcmp(event, "worker_fatal") != 0;
}

/* Counts it; false where it has come too often. */
static bool admit(enum log_level level, const char *event)
{
    pthread_mutex_lock(&lock);
    metrics_add_shared(counted, METRIC_LOG_LINES_TOTAL, (unsigned)level, 1);
    bool admitted = current == NULL || !is_limited(level, event) ||
                    log_repeats_pass(&current->repeats, event, clock_mono_ms());
    if (!admitted)
        pthread_cond_signal(&current->work); /* it may wait for no time yet */
    pthread_mutex_unlock(&lock);
    return admitted;
}

static void log_line(enum log_level level, const char *event, const struct log_field *fields, size_t n_fields,
                     const char *format, va_list arguments)
{
    if (!log_is_on(level) || !admit(level, event))
        return;
    char message[LOG_LINE_BYTES];
    vsnprintf(message, sizeof message, format, arguments);
    struct log_line line;
    log_line_make(&line, (enum log_format)atomic_load(&shape), level, event, message, fields, n_fields);
    pthread_mutex_lock(&lock);
    bool started = current != NULL;
    if (started)
        logger_take(current, &line, level >= LOG_WARN);
    pthread_mutex_unlock(&lock);
    if (!started)
        (void)write_all(STDERR_FILENO, line.at, line.bytes);
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line(level, event, NULL, 0, format, arguments);
    va_end(arguments);
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t n, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line(level, event, fields, n, format, arguments);
    va_end(arguments);
}
