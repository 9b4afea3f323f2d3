/* What watchers are told of the consumer. */
#include "kafka/consumer_inside.h"
#include "kafka/tracker.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    unsigned own; /* enum pause_reason */
    enum view_pause shown;
} pauses[] = {
    {PAUSE_HOLD | PAUSE_STOPPED, VIEW_PAUSED_HOLD},
    {PAUSE_FULL, VIEW_PAUSED_WINDOW},
    {PAUSE_ASKED, VIEW_PAUSED_ASKED},
    {PAUSE_CROWDED, VIEW_PAUSED_CROWDED},
};

static enum view_state state_of(const struct consumer_partition *partition)
{
    switch (partition->phase) {
    case PARTITION_RESTORING:
        return VIEW_RESTORING;
    case PARTITION_RUNNING:
        return VIEW_RUNNING;
    case PARTITION_LEAVING:
        return VIEW_LEAVING;
    }
    return VIEW_RUNNING;
}

static struct consumer_view view_of(const struct consumer_partition *partition, int64_t now_ms)
{
    const struct tracker *tracker = partition->tracker;
    struct consumer_view view = {
        .topic = partition->topic->name,
        .partition = partition->assignment->partition,
        .state = state_of(partition),
        .committed = partition->committed,
        .frontier = OFFSET_NONE,
        .position = partition->position,
        .tracker = tracker,
        .is_read = tracker != NULL,
    };
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++)
        view.pauses |= (partition->pauses & pauses[i].own) != 0 ? (unsigned)pauses[i].shown : 0;
    if (tracker == NULL)
        return view;
    view.position -= partition->held != NULL;
    view.frontier = tracker_frontier(tracker);
    view.in_flight = tracker_in_flight(tracker);
    view.span = tracker_span(tracker);
    view.done_beyond = tracker_done_beyond(tracker);
    view.done_ahead = tracker_done_ahead(tracker);
    if (view.in_flight > 0)
        view.frontier_age_ms = moments_age(&partition->moments, view.frontier, now_ms);
    return view;
}

void consumer_each_partition(const struct consumer *consumer, int64_t now_ms, consumer_view_fn fn, void *opaque)
{
    for (const struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        const struct consumer_view view = view_of(list_entry(node, struct consumer_partition, node), now_ms);
        fn(&view, opaque);
    }
}

/* ---- trouble ---- */

static const struct consumer_topic *missing_topic(const struct consumer *consumer)
{
    for (size_t i = 0; i < consumer->n_topics; i++) {
        if (consumer->topics[i].missing)
            return &consumer->topics[i];
    }
    return NULL;
}

static const struct consumer_partition *unreadable_partition(const struct consumer *consumer)
{
    for (const struct list *node = consumer->partitions.next; node != &consumer->partitions; node = node->next) {
        const struct consumer_partition *partition = list_entry(node, struct consumer_partition, node);
        if (partition->unreadable_times > 0 && (partition->pauses & PAUSE_UNREADABLE) != 0)
            return partition;
    }
    return NULL;
}

void consumer_read_trouble(const struct consumer *consumer, int64_t now_ms, char *out, size_t out_bytes)
{
    const struct consumer_topic *topic = missing_topic(consumer);
    const struct consumer_partition *partition = unreadable_partition(consumer);
    int64_t unjoined_s = consumer->trouble.unjoined_since_ms > 0 ? (now_ms - consumer->trouble.unjoined_since_ms) / 1000 : 0;
    if (consumer->fatal)
        snprintf(out, out_bytes, "%s", consumer->why);
    else if (consumer->trouble.no_broker)
        snprintf(out, out_bytes, "no broker reachable at %s: %s", consumer->brokers,
                 consumer->trouble.reason[0] != '\0' ? consumer->trouble.reason : "no reason known");
    else if (topic != NULL)
        snprintf(out, out_bytes, "topic '%s' does not exist at %s", topic->name, consumer->brokers);
    else if (partition != NULL)
        snprintf(out, out_bytes, "%s [%" PRId32 "] offset %" PRId64 " cannot be read; it is tried again", partition->topic->name,
                 partition->assignment->partition, partition->unreadable);
    else if (consumer->trouble.last[0] != '\0')
        snprintf(out, out_bytes, "%s", consumer->trouble.last);
    else if (unjoined_s > 0)
        snprintf(out, out_bytes, "group '%s' is being joined for %" PRId64 " s", consumer->group_id, unjoined_s);
    else
        snprintf(out, out_bytes, "%s", "");
}

/* What it answered does not say that the group's coordinator does what it is asked for. */
void consumer_broker_answered(struct consumer *consumer, int64_t answered_ms)
{
    int64_t seen_ms = answered_ms > consumer->seen_ms ? answered_ms : consumer->seen_ms;
    bool is_later = answered_ms > consumer->trouble.last_ms;
    bool is_brokers = consumer->trouble.last[0] != '\0' && consumer->trouble.last_kind == TROUBLE_OF_BROKERS;
    if (is_later && (consumer->trouble.no_broker || is_brokers))
        trouble_over(consumer);
    consumer->seen_ms = seen_ms;
}
