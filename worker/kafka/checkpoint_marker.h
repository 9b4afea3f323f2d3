/* checkpoint_marker: appends markers to partitions of the checkpoints topic.
 *
 * What the brokers say is the end of a partition may be old: a leader that was replaced and does not know, or one that is new
 * and lags. But a marker that all in-sync replicas have acknowledged lies behind all that was acknowledged before it was sent,
 * whoever leads; who has read up to it has read that. A marker has no value, so that cleaning the log takes it away.
 *
 * One thread, that of checkpoints; a producer of its own. Since brokers may make a topic that a producer asks for, and not a
 * compacted one, nothing is asked for before checkpoint_marker_open. */
#ifndef RXP_KAFKA_CHECKPOINT_MARKER_H
#define RXP_KAFKA_CHECKPOINT_MARKER_H

#include "kafka/client_conf.h"

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

struct checkpoint_marker;

/* From within checkpoint_marker_turn: where the marker lies; or, with an error, that none may be counted on. */
typedef void (*checkpoint_marked_fn)(int32_t partition, uint64_t ticket, rd_kafka_resp_err_t err, int64_t offset,
                                     void *opaque);

/* event_fd is woken when a turn has something to do. `settings` are only used within the call; `topic` must outlive it.
 * NULL with a sentence in why[why_bytes]. */
struct checkpoint_marker *checkpoint_marker_new(const struct kafka_settings *settings, const char *topic, int event_fd,
                                                char *why, size_t why_bytes);
/* The topic is there: asks for its leaders, so that the first marker need not wait for that. Blocks for half a second at
 * most. Again whenever the topic was made sure of. */
void checkpoint_marker_open(struct checkpoint_marker *marker);
/* Sends one marker; there is one report to each that was sent, within 10 s or a little more. */
rd_kafka_resp_err_t checkpoint_marker_send(struct checkpoint_marker *marker, int32_t partition, uint64_t ticket);
void checkpoint_marker_turn(struct checkpoint_marker *marker, checkpoint_marked_fn marked, void *opaque);

/* Reports of markers under way are not given any more. The client is the caller's now, to be ended by client_end. */
rd_kafka_t *checkpoint_marker_free(struct checkpoint_marker *marker);

#endif
