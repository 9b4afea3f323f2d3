#include "kafka/join_watch.h"

#include "base/clock.h"

enum { API_JOIN_GROUP = 11, API_HEARTBEAT = 12, API_SYNC_GROUP = 14 };

/* An expected request that does not come, and an answer that no SyncGroup follows since it was a refusal: nobody waits
 * for those longer. */
enum { SOON_MS = 1000 };

/* Much longer than from such an answer through librdkafka's main thread to the JoinGroup on the socket. */
enum { ANSWER_MS = 30 };

enum step { STEP_NONE, STEP_EXPECTED, STEP_JOINING, STEP_JOINED, STEP_SYNCING };

static void set_step(struct join_watch *watch, enum step step)
{
    atomic_store(&watch->since_ms, clock_mono_ms());
    atomic_store(&watch->step, (int)step);
}

void join_watch_init(struct join_watch *watch)
{
    atomic_init(&watch->step, STEP_NONE);
    atomic_init(&watch->since_ms, 0);
    atomic_init(&watch->was_answered, false);
    atomic_init(&watch->answer_ms, INT64_MIN / 2);
    atomic_init(&watch->joins, 0);
}

static rd_kafka_resp_err_t on_request(rd_kafka_t *rk, int sockfd, const char *broker, int32_t broker_id, int16_t api,
                                      int16_t version, int32_t id, size_t bytes, void *opaque)
{
    (void)rk, (void)sockfd, (void)broker, (void)broker_id, (void)version, (void)id, (void)bytes;
    struct join_watch *watch = opaque;
    if (api == API_JOIN_GROUP) {
        atomic_fetch_add(&watch->joins, 1);
        set_step(watch, STEP_JOINING);
    } else if (api == API_SYNC_GROUP) {
        set_step(watch, STEP_SYNCING);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_response(rd_kafka_t *rk, int sockfd, const char *broker, int32_t broker_id, int16_t api,
                                       int16_t version, int32_t id, size_t bytes, int64_t rtt_us,
                                       rd_kafka_resp_err_t err, void *opaque)
{
    (void)rk, (void)sockfd, (void)broker, (void)broker_id, (void)version, (void)id, (void)bytes, (void)rtt_us, (void)err;
    struct join_watch *watch = opaque;
    if (api == API_HEARTBEAT || api == API_SYNC_GROUP)
        atomic_store(&watch->answer_ms, clock_mono_ms());
    if (api == API_JOIN_GROUP) {
        atomic_store(&watch->was_answered, true);
        set_step(watch, STEP_JOINED);
    } else if (api == API_SYNC_GROUP) {
        set_step(watch, STEP_NONE);
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *why,
                                  size_t why_bytes)
{
    (void)conf, (void)why, (void)why_bytes;
    rd_kafka_resp_err_t err = rd_kafka_interceptor_add_on_request_sent(rk, "join_watch", on_request, opaque);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        err = rd_kafka_interceptor_add_on_response_received(rk, "join_watch", on_response, opaque);
    return err;
}

int join_watch_install(struct join_watch *watch, rd_kafka_conf_t *conf)
{
    return rd_kafka_conf_interceptor_add_on_new(conf, "join_watch", on_new, watch) == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : -1;
}

void join_watch_expect(struct join_watch *watch)
{
    set_step(watch, STEP_EXPECTED);
}

void join_watch_over(struct join_watch *watch)
{
    atomic_store(&watch->step, STEP_NONE);
}

bool join_watch_is_joining(struct join_watch *watch)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms < atomic_load(&watch->answer_ms) + ANSWER_MS)
        return true;
    switch ((enum step)atomic_load(&watch->step)) {
    case STEP_NONE:
        return false;
    case STEP_EXPECTED:
    case STEP_JOINED:
        return now_ms < atomic_load(&watch->since_ms) + SOON_MS;
    case STEP_JOINING:
    case STEP_SYNCING:
        return true;
    }
    return false;
}

unsigned join_watch_joins(const struct join_watch *watch)
{
    return atomic_load(&watch->joins);
}

void join_watch_woken(struct join_watch *watch)
{
    atomic_store(&watch->answer_ms, clock_mono_ms());
}
