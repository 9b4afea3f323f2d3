/* Stands in for kafka/offset_fetch.c, whose thread calls rd_kafka_committed: the group's offsets of the fake broker, after a
 * while. */
#include "kafka/offset_fetch.h"

#include "sim/fake_client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct offset_fetch {
    struct happening at;
    struct instance *instance;
    rd_kafka_topic_partition_list_t *list;
    rd_kafka_resp_err_t err;
    int64_t ends_ms;
    enum { FETCH_ARRIVE, FETCH_ANSWER, FETCH_OVER } step;
};

static void fill(rd_kafka_topic_partition_t *at)
{
    const struct committed *committed = broker_committed(at->partition);
    at->offset = committed->offset;
    at->err = broker_is_unstable(at->partition) ? RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (committed->metadata_bytes == 0)
        return;
    at->metadata = strdup(committed->metadata);
    at->metadata_size = committed->metadata_bytes;
}

static void go_on(struct happening *happening)
{
    struct offset_fetch *fetch = list_entry(happening, struct offset_fetch, at);
    int64_t sleeps_ms = instance_sleeps_ms(fetch->instance);
    bool reaches = !world->is_out && !world->coordinator_is_away && !fetch->instance->is_cut;
    if (sleeps_ms > 0) {
        happen_in(happening, sleeps_ms);
    } else if (!reaches && world->now_ms < fetch->ends_ms) {
        happen_in(happening, draw(20, 300));
    } else if (!reaches) {
        fetch->err = RD_KAFKA_RESP_ERR__TIMED_OUT;
        fetch->step = FETCH_OVER;
        instance_wake(fetch->instance);
    } else if (fetch->step == FETCH_ARRIVE) {
        for (int i = 0; i < fetch->list->cnt; i++)
            fill(&fetch->list->elems[i]);
        fetch->step = FETCH_ANSWER;
        happen_in(happening, draw_latency());
    } else {
        fetch->step = FETCH_OVER;
        instance_wake(fetch->instance);
    }
}

struct offset_fetch *offset_fetch_begin(rd_kafka_t *consumer, rd_kafka_topic_partition_list_t *asked, int timeout_ms,
                                        int event_fd)
{
    (void)event_fd;
    struct offset_fetch *fetch = calloc(1, sizeof *fetch);
    assert(fetch != NULL);
    fetch->list = asked;
    fetch->instance = consumer->instance;
    fetch->ends_ms = world->now_ms + timeout_ms;
    happening_init(&fetch->at, go_on);
    happen_in(&fetch->at, draw_latency());
    return fetch;
}

bool offset_fetch_is_over(struct offset_fetch *fetch)
{
    return fetch->step == FETCH_OVER;
}

rd_kafka_topic_partition_list_t *offset_fetch_end(struct offset_fetch *fetch, rd_kafka_resp_err_t *err)
{
    rd_kafka_topic_partition_list_t *list = fetch->list;
    assert(fetch->step == FETCH_OVER);
    *err = fetch->err;
    free(fetch);
    return list;
}

bool offset_fetch_drop(struct offset_fetch *fetch, int64_t until_ms)
{
    (void)until_ms;
    if (fetch == NULL)
        return true;
    happen_not(&fetch->at);
    rd_kafka_topic_partition_list_destroy(fetch->list);
    free(fetch);
    return true;
}
