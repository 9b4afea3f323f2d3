#include "sim/fake_client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define AHEAD_MAX 40 /* what is read ahead of one partition */

void fetch_drop(rd_kafka_t *rk, int32_t partition)
{
    struct list *next;
    for (struct list *node = rk->queue.ops.next; node != &rk->queue.ops; node = next) {
        next = node->next;
        struct rd_kafka_op_s *op = list_entry(node, struct rd_kafka_op_s, node);
        if ((op->kind == OP_MESSAGE || op->kind == OP_END) && op->partition == partition) {
            list_remove(node);
            op_free(op);
        }
    }
}

static int count_ahead(const rd_kafka_t *rk, int32_t partition)
{
    int n = 0;
    for (const struct list *node = rk->queue.ops.next; node != &rk->queue.ops; node = node->next)
        n += list_entry(node, struct rd_kafka_op_s, node)->kind == OP_MESSAGE &&
             list_entry(node, struct rd_kafka_op_s, node)->partition == partition;
    return n;
}

static size_t find_record(const struct log *log, int64_t offset)
{
    size_t i = 0;
    while (i < log->n && log->record[i].offset < offset)
        i++;
    return i;
}

/* True where there is more to be read. */
static bool fetch_some(rd_kafka_t *rk, int32_t partition)
{
    struct fetcher *fetcher = &rk->fetcher[partition];
    const struct log *log = broker_log(TOPIC_IN, partition);
    int64_t most = draw(1, 10);
    size_t i = find_record(log, fetcher->position);
    if (count_ahead(rk, partition) >= AHEAD_MAX)
        return true;
    for (; i < log->n && most > 0; i++, most--) {
        struct rd_kafka_op_s *op = op_push(rk, client_queue(rk), OP_MESSAGE);
        op->partition = partition;
        op->record = i;
        op->offset = log->record[i].offset;
        fetcher->position = op->offset + 1;
    }
    if (i == log->n && fetcher->told_end != log->end) {
        struct rd_kafka_op_s *op = op_push(rk, client_queue(rk), OP_END);
        op->partition = partition;
        op->offset = log->end;
        fetcher->told_end = log->end;
        fetcher->position = log->end;
    }
    return i < log->n;
}

static void fetch(struct happening *happening)
{
    rd_kafka_t *rk = list_entry(happening, rd_kafka_t, fetch);
    bool more = false;
    int64_t sleeps_ms = instance_sleeps_ms(rk->instance);
    if (sleeps_ms > 0) {
        happen_in(happening, sleeps_ms);
        return;
    }
    for (int32_t i = 0; i < PARTITIONS_MAX; i++) {
        const struct fetcher *fetcher = &rk->fetcher[i];
        if (!fetcher->is_on || fetcher->is_paused)
            continue;
        more = !client_reaches(rk, false) || fetch_some(rk, i) || more;
    }
    if (more)
        happen_in(happening, draw(5, 60));
}

void fetch_init(rd_kafka_t *rk)
{
    happening_init(&rk->fetch, fetch);
}

void fetch_wake(rd_kafka_t *rk)
{
    happen_sooner(&rk->fetch, draw_latency());
}
