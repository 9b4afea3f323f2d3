#include "ops/log.h"

#include "base/clock.h"
#include "protocol/result.h"

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

#define LINE_MAX_BYTES 4096
#define QUEUE_MAX_BYTES ((size_t)512 * 1024)
#define STOP_WAIT_SECONDS 1

static const char *const level_words[] = {"debug", "info", "warn", "error"};
static const char *const level_capitals[] = {"DEBUG", "INFO", "WARN", "ERROR"};

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
    bool broken; /* the descriptor refuses for good: lines are thrown away */
    bool stopping;
    bool finished;
    bool orphan;
    pthread_cond_t work;
    pthread_cond_t end;
};

static atomic_int threshold = LOG_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct logger *current; /* under lock */
static atomic_int shape = LOG_TEXT;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

bool log_level_parse(const char *word, enum log_level *out)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(word, level_words[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

/* A line under construction; what does not fit is left out, and `tail` bytes are kept free for the frame's end. */
struct line {
    char at[LINE_MAX_BYTES];
    size_t bytes;
    bool full;
};

static void line_put(struct line *line, const char *text, size_t bytes, size_t tail)
{
    if (line->full || bytes > sizeof line->at - tail - line->bytes) {
        line->full = true;
        return;
    }
    memcpy(line->at + line->bytes, text, bytes);
    line->bytes += bytes;
}

static void line_puts(struct line *line, const char *text, size_t tail)
{
    line_put(line, text, strlen(text), tail);
}

/* Length of the well-formed UTF-8 sequence at `at` (RFC 3629), or 0. */
static size_t utf8_length(const unsigned char *at)
{
    size_t n = at[0] < 0x80 ? 1 : at[0] < 0xC2 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : at[0] < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    }
    if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) || (at[0] == 0xF0 && at[1] < 0x90) ||
        (at[0] == 0xF4 && at[1] > 0x8F))
        return 0;
    return n;
}

/* Appends text so that it can neither end a line, nor command a terminal, nor be invalid UTF-8. */
static void line_put_escaped(struct line *line, const char *text, bool json, size_t tail)
{
    const unsigned char *at = (const unsigned char *)text;
    while (*at != '\0' && !line->full) {
        char escape[8];
        size_t n = utf8_length(at);
        if (n == 0) {
            line_puts(line, "\xEF\xBF\xBD", tail);
            n = 1;
        } else if (*at == '\n' || *at == '\r' || *at == '\t') {
            line_puts(line, *at == '\n' ? "\\n" : *at == '\r' ? "\\r" : "\\t", tail);
        } else if (*at < 0x20 || *at == 0x7F || (n == 2 && at[0] == 0xC2 && at[1] < 0xA0)) {
            snprintf(escape, sizeof escape, "\\u%04x", n == 2 ? at[1] : at[0]);
            line_puts(line, escape, tail);
        } else if (json && (*at == '"' || *at == '\\')) {
            escape[0] = '\\';
            escape[1] = (char)*at;
            line_put(line, escape, 2, tail);
        } else {
            line_put(line, (const char *)at, n, tail);
        }
        at += n;
    }
}

static void line_make(struct line *line, enum log_format format, enum log_level level, const char *event,
                      const char *message)
{
    char stamp[RXP_STAMP_BYTES];
    rxp_stamp_write(clock_wall_ms(), stamp);
    line->bytes = 0;
    line->full = false;
    const char *frame_end = format == LOG_JSON ? "\"}\n" : "\n";
    size_t tail = strlen(frame_end);
    bool json = format == LOG_JSON;
    line_puts(line, json ? "{\"time\":\"" : "", tail);
    line_puts(line, stamp, tail);
    line_puts(line, json ? "\",\"level\":\"" : " ", tail);
    line_puts(line, json ? level_words[level] : level_capitals[level], tail);
    line_puts(line, json ? "\",\"event\":\"" : " ", tail);
    /* An event is a short word: a runaway one is cut by itself, so that the frame stays whole. */
    char word[64];
    snprintf(word, sizeof word, "%s", event);
    line_put_escaped(line, word, json, tail);
    line_puts(line, json ? "\",\"message\":\"" : " ", tail);
    line_put_escaped(line, message, json, tail);
    line->full = false;
    line_put(line, frame_end, tail, 0);
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

static void *logger_main(void *opaque)
{
    struct logger *logger = opaque;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (logger->queued_bytes == 0 && logger->dropped == 0 && !logger->stopping)
            pthread_cond_wait(&logger->work, &lock);
        if (logger->queued_bytes == 0 && logger->dropped == 0)
            break;
        char *chunk = logger->queue;
        size_t bytes = logger->queued_bytes;
        logger->queue = logger->out;
        logger->out = chunk;
        logger->queued_bytes = 0;
        /* These were dropped after the chunk was full, and before anything is queued again. */
        unsigned long long dropped = logger->dropped;
        logger->dropped = 0;
        logger_write(logger, chunk, bytes);
        if (dropped > 0) {
            char sentence[128];
            struct line line;
            snprintf(sentence, sizeof sentence,
                     "%llu log lines were dropped, since whoever reads this log does not keep up", dropped);
            line_make(&line, logger->format, LOG_WARN, "log_dropped", sentence);
            logger_write(logger, line.at, line.bytes);
        }
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
    pthread_cond_init(&logger->work, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
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

/* A full queue drops. Once one line is dropped so are those behind it, until the writer comes: the count then stands
 * where the gap is. */
static void logger_take(struct logger *logger, const struct line *line)
{
    if (line->bytes > QUEUE_MAX_BYTES - logger->queued_bytes || logger->dropped > 0) {
        logger->dropped++;
    } else {
        memcpy(logger->queue + logger->queued_bytes, line->at, line->bytes);
        logger->queued_bytes += line->bytes;
    }
    pthread_cond_signal(&logger->work);
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    char message[LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);

    struct line line;
    line_make(&line, (enum log_format)atomic_load(&shape), level, event, message);
    pthread_mutex_lock(&lock);
    bool started = current != NULL;
    if (started)
        logger_take(current, &line);
    pthread_mutex_unlock(&lock);
    if (!started)
        (void)write_all(STDERR_FILENO, line.at, line.bytes);
}
