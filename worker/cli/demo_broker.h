/* demo_broker: a Kafka broker inside this process (librdkafka's mock cluster), for the demo that needs no set-up.
 *
 * Its threads are its own; new and free belong to the main thread. It keeps what fits in memory, 5 MB a partition. */
#ifndef RXP_CLI_DEMO_BROKER_H
#define RXP_CLI_DEMO_BROKER_H

#include <stddef.h>

struct demo_broker;

#define DEMO_BROKER_WHY_BYTES 512

/* With the topics, each of so many partitions. NULL with why. */
struct demo_broker *demo_broker_new(const char *const *topics, size_t n_topics, int partitions,
                                    char why[DEMO_BROKER_WHY_BYTES]);
void demo_broker_free(struct demo_broker *broker);

/* HOST:PORT; lives as long as the broker. */
const char *demo_broker_address(const struct demo_broker *broker);

#endif
