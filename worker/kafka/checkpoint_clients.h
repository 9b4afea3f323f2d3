/* checkpoint_clients: the librdkafka clients of checkpoints: one that reads and administers, and the marker's. */
#ifndef RXP_KAFKA_CHECKPOINT_CLIENTS_H
#define RXP_KAFKA_CHECKPOINT_CLIENTS_H

#include "kafka/checkpoint_marker.h"
#include "kafka/client_conf.h"

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

struct checkpoint_clients {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic; /* the checkpoints', for reading */
    struct checkpoint_marker *marker;
};

/* From rd_kafka_poll of `rk`. */
typedef void (*checkpoint_clients_error_fn)(rd_kafka_t *rk, int err, const char *reason, void *opaque);

/* `topic` must outlive them; event_fd is the marker's. -1 with a sentence in why[why_bytes]: end them even so. */
int checkpoint_clients_open(struct checkpoint_clients *clients, const struct kafka_settings *settings, const char *topic,
                            int event_fd, checkpoint_clients_error_fn error, void *opaque, char *why, size_t why_bytes);
/* Both at once, within until_ms (see client_end). */
void checkpoint_clients_end(struct checkpoint_clients *clients, int64_t until_ms);

#endif
