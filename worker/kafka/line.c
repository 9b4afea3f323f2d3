#include "kafka/line.h"

#include "base/clock.h"
#include "kafka/client_end.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPTIONAL_MISSING_MS = 5000, PURGE_STEP_MS = 10 };

static void set(rd_kafka_conf_t *conf, const char *property, const char *value)
{
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, property, value, NULL, 0);
    assert(result == RD_KAFKA_CONF_OK);
}

static rd_kafka_conf_t *make_conf(const rd_kafka_conf_t *plain, enum line_kind kind)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(plain);
    if (kind == LINE_ALONE || kind == LINE_OPTIONAL_ALONE) {
        set(conf, "batch.num.messages", "1");
        set(conf, "linger.ms", "0");
    }
    if (kind == LINE_OPTIONAL || kind == LINE_OPTIONAL_ALONE) {
        char value[32] = "";
        size_t bytes = sizeof value;
        rd_kafka_conf_get(conf, "topic.metadata.propagation.max.ms", value, &bytes);
        if (strtoll(value, NULL, 10) > OPTIONAL_MISSING_MS) {
            snprintf(value, sizeof value, "%d", (int)OPTIONAL_MISSING_MS);
            set(conf, "topic.metadata.propagation.max.ms", value);
        }
    }
    return conf;
}

static int line_open(struct lines *lines, struct line *line, char *why, size_t why_bytes)
{
    static const uint64_t one = 1;
    line->rk = rd_kafka_new(RD_KAFKA_PRODUCER, line->conf, why, why_bytes);
    if (line->rk == NULL)
        return -1;
    line->conf = NULL;
    line->queue = rd_kafka_queue_get_main(line->rk);
    rd_kafka_queue_io_event_enable(line->queue, lines->event_fd, &one, sizeof one);
    /* Only a queue that was empty wakes, and librdkafka's threads may have been quicker than this one. A full counter is awake
     * enough. */
    if (write(lines->event_fd, &one, sizeof one) < 0)
        return 0;
    return 0;
}

int lines_init(struct lines *lines, rd_kafka_conf_t *conf, int event_fd, char *why, size_t why_bytes)
{
    *lines = (struct lines){.event_fd = event_fd};
    pthread_mutex_init(&lines->lock, NULL);
    lines->lines[LINE_PLAIN].conf = conf;
    for (enum line_kind kind = LINE_ALONE; kind < LINE_KINDS; kind++)
        lines->lines[kind].conf = make_conf(conf, kind);
    return line_open(lines, &lines->lines[LINE_PLAIN], why, why_bytes);
}

rd_kafka_t *lines_get(struct lines *lines, enum line_kind kind, char *why, size_t why_bytes)
{
    struct line *line = &lines->lines[kind];
    if (kind == LINE_PLAIN)
        return line->rk; /* made before any thread could ask */
    pthread_mutex_lock(&lines->lock);
    if (line->rk == NULL && line->conf != NULL)
        line_open(lines, line, why, why_bytes);
    rd_kafka_t *rk = line->rk;
    pthread_mutex_unlock(&lines->lock);
    return rk;
}

rd_kafka_t *lines_look(struct lines *lines, enum line_kind kind)
{
    pthread_mutex_lock(&lines->lock);
    rd_kafka_t *rk = lines->lines[kind].rk;
    pthread_mutex_unlock(&lines->lock);
    return rk;
}

void lines_purge(struct lines *lines, int64_t until_ms)
{
    for (enum line_kind kind = LINE_PLAIN; kind < LINE_KINDS; kind++) {
        rd_kafka_t *rk = lines->lines[kind].rk;
        if (rk == NULL)
            continue;
        rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        while (rd_kafka_outq_len(rk) > 0 && clock_mono_ms() < until_ms)
            rd_kafka_poll(rk, PURGE_STEP_MS);
        rd_kafka_poll(rk, 0);
    }
}

void lines_deinit(struct lines *lines, int64_t until_ms)
{
    for (enum line_kind kind = LINE_PLAIN; kind < LINE_KINDS; kind++) {
        struct line *line = &lines->lines[kind];
        if (line->conf != NULL)
            rd_kafka_conf_destroy(line->conf);
        if (line->rk == NULL)
            continue;
        rd_kafka_queue_io_event_enable(line->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(line->queue);
        client_end(line->rk, until_ms); /* one that is left behind has nothing of ours */
    }
    pthread_mutex_destroy(&lines->lock);
}
