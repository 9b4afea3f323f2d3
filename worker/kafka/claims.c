#include "base/clock.h"
#include "kafka/consumer_inside.h"
#include "ops/log.h"

#include <inttypes.h>

/* A member that the group gives up while a revoke is open keeps what is not being revoked, as far as librdkafka knows: it joins
 * again, as a new member, and claims that it has it. Others may have had it in between, and may be handing it over at this very
 * moment, so that two would have it in one generation. To claim nothing, all has to be unsubscribed from, and given back:
 *
 *     TRUE ──> STALE: what was kept is lost ──> DROPPED: unsubscribed ──> all is given back: subscribed again, TRUE */
enum { LOOK_EVERY_MS = 20 };

static void set_step(struct consumer *consumer, enum claims_step step)
{
    static const char *const names[] = {"true", "stale", "dropped"};
    log_event(LOG_DEBUG, "claims", "%s -> %s", names[consumer->claims], names[step]);
    consumer->claims = step;
}

void claims_refuse(struct consumer *consumer)
{
    consumer->joined = false;
    if (consumer->claims == CLAIMS_TRUE)
        set_step(consumer, CLAIMS_STALE);
}

/* A subscription that is still there says that librdkafka has put the unsubscribing off, until a rebalance is over. */
static bool has_nothing(struct consumer *consumer)
{
    rd_kafka_topic_partition_list_t *topics = NULL;
    rd_kafka_topic_partition_list_t *partitions = NULL;
    bool nothing = rd_kafka_subscription(consumer->rk, &topics) == RD_KAFKA_RESP_ERR_NO_ERROR && topics->cnt == 0 &&
                   rd_kafka_assignment(consumer->rk, &partitions) == RD_KAFKA_RESP_ERR_NO_ERROR && partitions->cnt == 0;
    if (topics != NULL)
        rd_kafka_topic_partition_list_destroy(topics);
    if (partitions != NULL)
        rd_kafka_topic_partition_list_destroy(partitions);
    return nothing;
}

void claims_serve(struct consumer *consumer)
{
    char why[CONSUMER_WHY_BYTES];
    if (consumer->close_step != CLOSE_NOT || consumer->fatal)
        return;
    switch (consumer->claims) {
    case CLAIMS_TRUE:
        break;
    case CLAIMS_STALE:
        rd_kafka_unsubscribe(consumer->rk);
        set_step(consumer, CLAIMS_DROPPED);
        break;
    case CLAIMS_DROPPED:
        if (consumer->n_partitions > 0 || !list_is_empty(&consumer->revokes) || !has_nothing(consumer))
            break;
        consumer->rejoin_follows = false;
        set_step(consumer, CLAIMS_TRUE);
        if (consumer_subscribe(consumer, why, sizeof why) != 0)
            trouble_fatal(consumer, "%s", why);
        break;
    }
}

/* No event tells that all is given back. */
int64_t claims_next_ms(const struct consumer *consumer)
{
    return consumer->claims == CLAIMS_TRUE || consumer->close_step != CLOSE_NOT ? CLOCK_NEVER
                                                                                : consumer->now_ms + LOOK_EVERY_MS;
}
