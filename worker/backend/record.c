#include "backend/record.h"

#include "base/buf.h"
#include "base/clock.h"
#include "ops/log.h"
#include "protocol/json_writer.h"
#include "protocol/utf8.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_WAITING_BYTES ((size_t)4 << 20)
#define FLUSH_BYTES ((size_t)1 << 20)

struct record {
    int fd;
    pthread_t writer;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t wake;
    pthread_cond_t written;
    struct buf waiting;
    bool closing;
};

/* What can't be written is left out, and said once. */
static void write_all(const struct record *record, const char *bytes, size_t n, bool *said)
{
    while (n > 0) {
        ssize_t written = write(record->fd, bytes, n);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            if (!*said) {
                log_event(LOG_ERROR, "record_failed", "the record of requests has gaps: %s", strerror(errno));
            }
            *said = true;
            return;
        }
        bytes += written;
        n -= (size_t)written;
    }
}

static void *writer_main(void *opaque)
{
    struct record *record = opaque;
    bool said = false;
    struct buf out;
    buf_init(&out, MAX_WAITING_BYTES);
    pthread_mutex_lock(&record->lock);
    while (!record->closing || record->waiting.bytes > 0) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec++;
        while (!record->closing && record->waiting.bytes < FLUSH_BYTES) {
            if (pthread_cond_timedwait(&record->wake, &record->lock, &until) == ETIMEDOUT) {
                break;
            }
        }
        struct buf full = record->waiting;
        record->waiting = out;
        pthread_cond_broadcast(&record->written);
        pthread_mutex_unlock(&record->lock);
        write_all(record, full.at, full.bytes, &said);
        buf_clear(&full);
        out = full;
        pthread_mutex_lock(&record->lock);
    }
    pthread_mutex_unlock(&record->lock);
    buf_deinit(&out);
    return NULL;
}

struct record *record_open(const char *path, char *why, size_t why_bytes)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        snprintf(why, why_bytes, "cannot record requests in '%s': %s", path, strerror(errno));
        return NULL;
    }
    struct record *record = calloc(1, sizeof(*record));
    if (!record) {
        goto out;
    }
    record->fd = fd;
    buf_init(&record->waiting, MAX_WAITING_BYTES);
    pthread_mutex_init(&record->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&record->wake, &attributes);
    pthread_cond_init(&record->written, NULL);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&record->writer, NULL, writer_main, record) == 0) {
        return record;
    }
    pthread_cond_destroy(&record->wake);
    pthread_cond_destroy(&record->written);
    pthread_mutex_destroy(&record->lock);
out:
    snprintf(why, why_bytes, "cannot record requests in '%s': out of memory or threads", path);
    free(record);
    close(fd);
    return NULL;
}

void record_close(struct record *record)
{
    if (!record) {
        return;
    }
    pthread_mutex_lock(&record->lock);
    record->closing = true;
    pthread_cond_signal(&record->wake);
    pthread_mutex_unlock(&record->lock);
    pthread_join(record->writer, NULL);
    buf_deinit(&record->waiting);
    pthread_cond_destroy(&record->wake);
    pthread_cond_destroy(&record->written);
    pthread_mutex_destroy(&record->lock);
    close(record->fd);
    free(record);
}

static bool is_text(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t length = bytes[i] ? utf8_length(bytes + i, n - i) : 0;
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}

static void put_base64(struct json_writer *line, const char *bytes, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    json_put(line, "\"");
    for (size_t i = 0; i < n; i += 3) {
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++) {
            group = group << 8 | (i + k < n ? (unsigned char)bytes[i + k] : 0);
        }
        char four[5] = {digits[group >> 18], digits[group >> 12 & 63], digits[group >> 6 & 63], digits[group & 63], 0};
        if (i + 1 >= n) {
            four[2] = '=';
        }
        if (i + 2 >= n) {
            four[3] = '=';
        }
        json_put(line, four);
    }
    json_put(line, "\"");
}

struct header_walk {
    struct json_writer *line;
    bool any;
};

static bool put_header(const char *name, const char *value, void *opaque)
{
    struct header_walk *walk = opaque;
    char *text = NULL;
    if (asprintf(&text, "%s: %s", name, value ? value : "") < 0) {
        return false;
    }
    json_put(walk->line, walk->any ? "," : "");
    json_put_string(walk->line, text);
    walk->any = true;
    free(text);
    return true;
}

static void put_target(struct json_writer *line, const char *target)
{
    const char *query = strchr(target, '?');
    char *path = strndup(target, query ? (size_t)(query - target) : strlen(target));
    json_put(line, ",\"path\":");
    json_put_string(line, path);
    free(path);
    if (query) {
        json_put(line, ",\"query\":");
        json_put_string(line, query + 1);
    }
}

void record_request(struct record *record, const struct http_exchange *exchange, int64_t wall_us, int code,
                    const char *run_id)
{
    struct json_writer line;
    json_writer_init(&line, 512);
    size_t body_bytes;
    const char *body = http_exchange_body(exchange, &body_bytes);
    const char *key = http_exchange_header(exchange, "Idempotency-Key");
    json_put(&line, "{\"ms\":");
    json_put_int(&line, wall_us / 1000);
    json_put(&line, ",\"us\":");
    json_put_int(&line, wall_us);
    json_put(&line, ",\"method\":");
    json_put_string(&line, http_exchange_method(exchange));
    put_target(&line, http_exchange_target(exchange));
    if (key) {
        json_put(&line, ",\"key\":");
        json_put_string(&line, key);
    }
    if (run_id) {
        json_put(&line, ",\"run_id\":");
        json_put_string(&line, run_id);
    }
    json_put(&line, ",\"bytes\":");
    json_put_int(&line, (int64_t)body_bytes);
    json_put(&line, ",\"code\":");
    json_put_int(&line, code);
    if (body_bytes <= RECORD_BODY_BYTES) {
        struct header_walk walk = {&line, false};
        json_put(&line, ",\"headers\":[");
        http_exchange_headers(exchange, put_header, &walk);
        if (is_text(body, body_bytes)) {
            json_put(&line, "],\"body\":");
            json_put_string(&line, body);
        } else {
            json_put(&line, "],\"body_base64\":");
            put_base64(&line, body, body_bytes);
        }
    }
    json_put(&line, "}\n");
    size_t bytes;
    char *text = json_writer_take(&line, &bytes);
    if (!text) {
        return;
    }
    assert(bytes < MAX_WAITING_BYTES);
    pthread_mutex_lock(&record->lock);
    /* A slow disk slows the backend rather than make gaps. */
    while (bytes > MAX_WAITING_BYTES - record->waiting.bytes && record->waiting.bytes > 0) {
        pthread_cond_wait(&record->written, &record->lock);
    }
    buf_put(&record->waiting, text, bytes);
    if (record->waiting.bytes >= FLUSH_BYTES) {
        pthread_cond_signal(&record->wake);
    }
    pthread_mutex_unlock(&record->lock);
    free(text);
}
