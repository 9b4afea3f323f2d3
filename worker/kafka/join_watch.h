/* join_watch: is the consumer about to join its group's next generation?
 *
 * A commit that is sent after a JoinGroup request waits behind it: a broker takes one request of a connection after
 * another, and answers this one only when all members have joined. By then the commit's generation is over, and
 * librdkafka (before 2.10) takes the refusal for the loss of the whole assignment. It tells nobody that it joins, but its
 * interceptors see each request: so commits wait from the JoinGroup to the SyncGroup answer. And for a moment after each
 * answer that can send a member joining: a heartbeat's, a SyncGroup's. (Measured with a commit each 100 ms: of some 30
 * rebalances 10 lost an assignment; with the first rule one did.)
 *
 * librdkafka's broker threads write, the Kafka thread reads. */
#ifndef RXP_KAFKA_JOIN_WATCH_H
#define RXP_KAFKA_JOIN_WATCH_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct join_watch {
    atomic_int step;
    _Atomic int64_t since_ms;
    atomic_bool was_answered; /* a JoinGroup, ever */
    _Atomic int64_t answer_ms; /* the last that can send a member joining: a heartbeat's answer, a SyncGroup's, a question */
    atomic_uint joins;         /* JoinGroup requests so far */
};

void join_watch_init(struct join_watch *watch);
/* Before rd_kafka_new; the watch must outlive the client. 0, or -1. */
int join_watch_install(struct join_watch *watch, rd_kafka_conf_t *conf);
/* librdkafka is going to join: it does so after an assign that follows a revoke. */
void join_watch_expect(struct join_watch *watch);
/* A rebalance callback came: the generation is known, and waits for the answer. */
void join_watch_over(struct join_watch *watch);
bool join_watch_is_joining(struct join_watch *watch);
/* Changes with each JoinGroup request: whose member is another now, or in another generation, has sent one. */
unsigned join_watch_joins(const struct join_watch *watch);
/* librdkafka's main thread was asked something, and so was woken: where it has a reason to join, it does so at once. */
void join_watch_woken(struct join_watch *watch);

#endif
