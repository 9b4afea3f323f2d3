/* client_end: the end of a librdkafka client, within bounds.
 *
 * rd_kafka_destroy waits for librdkafka's threads, and there are cases where those do not end: while a broker is frozen, or
 * (2.0.2) once a topic was deleted while a partition of it was assigned. A worker must end even so. */
#ifndef RXP_KAFKA_CLIENT_END_H
#define RXP_KAFKA_CLIENT_END_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

/* How long an end is waited for. Librdkafka 2.8's broker threads may sleep through the end for a whole second (2.0.2's do
 * not), and a publisher has two clients that end one after the other. */
#define CLIENT_END_MS 3000

/* Destroys the client, without leaving its group. True once it is gone. False where that is not over at until_ms
 * (monotonic; some moments are given in any case): it goes on in a thread of its own until the process ends, and uses what
 * the client was configured with, interceptors' opaques that is, but calls no callback that a poll would. Its queues and topic
 * handles must be released before. */
bool client_end(rd_kafka_t *rk, int64_t until_ms);

/* The same in two steps, so that several clients can end at the same time. client_end_begin gives NULL where that is over
 * already, and client_end_await takes that for true. */
struct client_ending;
struct client_ending *client_end_begin(rd_kafka_t *rk);
bool client_end_await(struct client_ending *ending, int64_t until_ms);

#endif
