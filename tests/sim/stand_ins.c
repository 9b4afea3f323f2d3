/* Stands in for small rooms that a simulated process does without: random numbers from the system, the log, threads that watch
 * topics, mailboxes with locks. */
#include "base/mailbox.h"
#include "kafka/topic_watch.h"
#include "ops/log.h"
#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

/* ---- the system ---- */

ssize_t __wrap_getrandom(void *bytes, size_t n, unsigned flags);

ssize_t __wrap_getrandom(void *bytes, size_t n, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)chance_draw(&world->chance);
    return (ssize_t)n;
}

/* ---- ops/log.h ---- */

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    char text[700];
    bool is_fatal = strcmp(event, "worker_fatal") == 0;
    if (!is_fatal && (!world->is_traced || level < LOG_INFO))
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    trace(-1, "%s: %s", event, text);
    if (is_fatal)
        fail(-1, "a worker ends by itself: %s", text);
}

bool log_is_on(enum log_level level)
{
    (void)level;
    return false;
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields, size_t n, const char *format, ...)
{
    (void)level, (void)event, (void)fields, (void)n, (void)format;
}

/* ---- kafka/topic_watch.h ---- */

struct topic_watch {
    int unused;
};

struct topic_watch *topic_watch_start(rd_kafka_t *rk, rd_kafka_topic_t *const *topics, size_t n, int64_t missing_ms,
                                      topic_watch_fn missing, void *opaque)
{
    static struct topic_watch watch;
    (void)rk, (void)topics, (void)n, (void)missing_ms, (void)missing, (void)opaque;
    return &watch;
}

void topic_watch_stop(struct topic_watch *watch)
{
    (void)watch;
}

void topic_watch_sentence(const char *topic, rd_kafka_resp_err_t err, char why[TOPIC_WATCH_WHY_BYTES])
{
    snprintf(why, TOPIC_WATCH_WHY_BYTES, "topic '%s': %s", topic, rd_kafka_err2str(err));
}

/* ---- base/mailbox.h ---- */

int mailbox_init(struct mailbox *mailbox, int event_fd)
{
    list_init(&mailbox->items);
    mailbox->event_fd = event_fd;
    mailbox->owns_fd = false;
    return 0;
}

void mailbox_deinit(struct mailbox *mailbox)
{
    (void)mailbox;
}

void mailbox_post(struct mailbox *mailbox, struct list *item)
{
    list_push(&mailbox->items, item);
}

void mailbox_take(struct mailbox *mailbox, struct list *into)
{
    list_splice(into, &mailbox->items);
}

void mailbox_drain_fd(int event_fd)
{
    (void)event_fd;
}

void mailbox_wake(const struct mailbox *mailbox)
{
    (void)mailbox;
}
