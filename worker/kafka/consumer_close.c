#include "base/clock.h"
#include "kafka/client_end.h"
#include "kafka/consumer_inside.h"
#include "ops/log.h"

/* COMMITTING: all trackers are committed, all writes acknowledged. UNSUBSCRIBED: the group takes its partitions back. CLOSING: librdkafka leaves
 * the group. Closing without the step between could hang before the first assignment (librdkafka before 2.4). Leaving
 * must not take longer than an orchestrator waits, so each step has its bound.
 *
 * A static member must not leave, or the group would deal its partitions out before it is back: unsubscribing makes
 * librdkafka leave even so, closing does not. Nothing that it has is given to another before the session timeout, so once
 * all is committed there is nothing to hand over, and where it has no partition there is nothing to close. */
enum { COMMIT_MS = 3000, REVOKE_MS = 3000, LEAVE_MS = 3000, LOOK_EVERY_MS = 20 };

static void set_step(struct consumer *consumer, enum close_step step, int64_t ends_ms)
{
    consumer->close_step = step;
    consumer->close_step_ends_ms = ends_ms;
}

static bool all_settled(const struct consumer *consumer)
{
    for (const struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        const struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (!commit_is_settled(partition) || atomic_load(&partition->assignment->writes) > 0)
            return false;
    }
    return true;
}

static void begin_closing(struct consumer *consumer)
{
    if (consumer->is_static && consumer->n_partitions == 0 && consumer->claims == CLAIMS_TRUE) {
        set_step(consumer, CLOSE_DONE, CLOCK_NEVER);
        return;
    }
    consumer->closing = rd_kafka_queue_new(consumer->rk);
    consumer_wake_by(consumer, consumer->closing);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(consumer->rk, consumer->closing);
    if (error == NULL) {
        set_step(consumer, CLOSE_CLOSING, consumer->now_ms + LEAVE_MS);
        return;
    }
    log_event(LOG_DEBUG, "consumer_close", "%s", rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    set_step(consumer, CLOSE_DONE, CLOCK_NEVER);
}

/* Giving partitions back goes on in librdkafka's own thread, and a close that overtakes it leaves the group without a
 * word (seen with 2.0.2): the heir would wait for the session timeout. Leaving is what resets the member's id. */
static bool has_left(struct consumer *consumer)
{
    char *member_id = rd_kafka_memberid(consumer->rk);
    bool left = member_id == NULL || member_id[0] == '\0';
    if (member_id != NULL)
        rd_kafka_mem_free(consumer->rk, member_id);
    return left;
}

void close_serve(struct consumer *consumer)
{
    bool late = consumer->now_ms >= consumer->close_step_ends_ms;
    switch (consumer->close_step) {
    case CLOSE_NOT:
    case CLOSE_DONE:
        break;
    case CLOSE_COMMITTING:
        if (!all_settled(consumer) && !late && !consumer->fatal) {
            commit_hurry(consumer);
            break;
        }
        if (consumer->is_static) {
            begin_closing(consumer);
            break;
        }
        rd_kafka_unsubscribe(consumer->rk);
        set_step(consumer, CLOSE_UNSUBSCRIBED, consumer->now_ms + REVOKE_MS);
        break;
    case CLOSE_UNSUBSCRIBED:
        if ((consumer->n_partitions == 0 && list_is_empty(&consumer->revokes) && has_left(consumer)) || late)
            begin_closing(consumer);
        break;
    case CLOSE_CLOSING:
        if (!rd_kafka_consumer_closed(consumer->rk) && !late)
            break;
        if (!rd_kafka_consumer_closed(consumer->rk) && !consumer->is_static)
            log_event(LOG_WARN, "group_not_left", "group '%s' could not be left in time: the broker will notice by the "
                      "session timeout", consumer->group_id);
        set_step(consumer, CLOSE_DONE, CLOCK_NEVER);
        break;
    }
}

void close_serve_queue(struct consumer *consumer)
{
    if (consumer->closing == NULL)
        return;
    rd_kafka_queue_poll_callback(consumer->closing, 0);
    notices_tell(consumer);
}

/* No event tells that the group is left. */
int64_t close_next_ms(const struct consumer *consumer)
{
    return consumer->close_step == CLOSE_NOT || consumer->close_step == CLOSE_DONE ? CLOCK_NEVER
                                                                                   : consumer->now_ms + LOOK_EVERY_MS;
}

void consumer_begin_close(struct consumer *consumer, int64_t now_ms)
{
    if (consumer->close_step != CLOSE_NOT)
        return;
    consumer_stop_intake(consumer);
    consumer->joined = false;
    set_step(consumer, CLOSE_COMMITTING, now_ms + COMMIT_MS);
    commit_hurry(consumer);
}

bool consumer_is_closed(const struct consumer *consumer)
{
    return consumer->close_step == CLOSE_DONE;
}

/* A member that has joined and got no assignment has a sticky assignor without state, which librdkafka (2.0.2) asserts to be
 * there when it is destroyed. The process ends soon anyway, so that client is left to it. */
bool close_destroy(struct consumer *consumer)
{
    if (!consumer->was_assigned && atomic_load(&consumer->join_watch.was_answered))
        return false;
    return client_end(consumer->rk, clock_mono_ms() + CLIENT_END_MS);
}
