/* fake_client: librdkafka's clients, as the worker's code sees them: what it calls of librdkafka is defined here and in the
 * files named below, and so linked instead of it (plain values, such as lists and errors, are librdkafka's own).
 *
 *   fake_client.c     conf, clients, queues, topics
 *   fake_producer.c   produce, delivery reports
 *   fake_consumer.c   what the application calls of a consumer: poll, assign, pause, seek
 *   fake_commit.c     commits, and events about them
 *   fake_member.c     what a consumer does by itself: join, sync, heartbeats, leave
 *   fake_fetch.c      what it reads ahead
 *   fake_group.c      the group's coordinator, at the broker
 *
 * A request goes out, arrives, and is answered, each after a while. A client that is frozen does not send, nor take answers;
 * one that is cut off reaches nobody. When it dies what is on its way arrives all the same. */
#ifndef RXP_SIM_FAKE_CLIENT_H
#define RXP_SIM_FAKE_CLIENT_H

#include "sim/broker.h"
#include "sim/instance.h"

#include <librdkafka/rdkafka.h>

struct rd_kafka_conf_s {
    void *opaque;
    void (*rebalance)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *, void *);
    void (*delivered)(rd_kafka_t *, const rd_kafka_message_t *, void *);
    rd_kafka_interceptor_f_on_new_t *on_new;
    void *on_new_opaque;
    bool is_alone; /* batch.num.messages=1 */
};

enum op_kind { OP_ASSIGN, OP_REVOKE, OP_MESSAGE, OP_END, OP_COMMITTED };

/* What waits in a queue for the application. */
struct rd_kafka_op_s {
    struct list node;
    enum op_kind kind;
    unsigned partitions; /* bits */
    int32_t partition;
    size_t record; /* of a message, in its log */
    int64_t offset;
    rd_kafka_resp_err_t err;
    rd_kafka_topic_partition_list_t *list;
};

struct rd_kafka_queue_s {
    struct list ops;
    bool is_own; /* a part of its client */
};

struct fetcher {
    bool is_on;
    bool is_paused;
    int64_t position; /* the next to be read ahead */
    int64_t app_position; /* the next to be given out */
    int64_t told_end;     /* up to where the application knows of the end; -1: not */
    int64_t ready_ms;     /* it refuses to be set before */
};

enum member_step { MEMBER_OUT, MEMBER_JOINING, MEMBER_WAITING, MEMBER_SYNCING, MEMBER_STEADY, MEMBER_LEAVING };

struct outgoing { /* one produced message */
    struct list node;
    enum topic topic;
    int32_t partition;
    char *key;
    size_t key_bytes;
    char *value;
    size_t value_bytes;
    void *opaque;
    bool is_orphan; /* the application has had its report */
    bool is_applied;
    rd_kafka_resp_err_t err;
};

struct rd_kafka_s {
    struct list node; /* of all clients */
    rd_kafka_type_t type;
    struct rd_kafka_conf_s *conf;
    struct instance *instance; /* NULL once dead: nothing is sent any more, and nobody hears of anything */
    bool is_destroyed;         /* by the application */
    rd_kafka_interceptor_f_on_request_sent_t *on_request;
    rd_kafka_interceptor_f_on_response_received_t *on_response;
    void *watch_opaque;
    /* A producer. */
    struct list waiting; /* outgoing */
    struct list flying;
    struct list reports;
    struct happening pump;
    enum { PUMP_SEND, PUMP_ARRIVE, PUMP_ANSWER } pump_step;
    size_t outstanding;
    /* A consumer. */
    struct rd_kafka_queue_s queue;
    struct rd_kafka_queue_s *closing; /* takes the queue's place */
    bool is_closed;
    struct fetcher fetcher[PARTITIONS_MAX];
    struct happening fetch;
    char member_id[16];
    int32_t generation;
    enum member_step step;
    struct happening member;
    struct happening heart;
    enum { HEART_BEAT, HEART_ARRIVE, HEART_ANSWER } heart_step;
    int64_t heard_ms; /* the coordinator's last answer */
    rd_kafka_resp_err_t answer; /* to a join or sync, on its way */
    rd_kafka_resp_err_t heart_answer;
    int32_t joined_generation; /* the join's answer */
    unsigned owned;   /* bits */
    unsigned target;  /* the sync's answer */
    unsigned added;   /* to be assigned after a revoke */
    bool has_added;
    /* Of the application; REMOVAL: what it has given back is being stopped. */
    enum { CALL_NONE, CALL_ASSIGN, CALL_UNASSIGN, CALL_REMOVAL } awaited;
    int64_t awaited_ms;
    bool rejoins;
    bool leaves;
    bool is_subscribed;
    bool subscribes; /* once it has left */
    bool is_lost;
    int commits; /* under way */
};

/* ---- fake_client.c ---- */

void clients_init(void);
void clients_deinit(void); /* frees what is left of them */
void clients_die(struct instance *instance);
void clients_fetch_all(void);
/* Does a request get to the broker now? The coordinator is a broker of its own. */
bool client_reaches(const rd_kafka_t *rk, bool coordinator);
void client_unuse(rd_kafka_t *rk); /* frees one that is destroyed, with nothing on its way */
rd_kafka_topic_t *topic_handle(enum topic topic);
rd_kafka_topic_partition_list_t *list_of(unsigned partitions);
unsigned bits_of(const rd_kafka_topic_partition_list_t *list);
struct rd_kafka_op_s *op_push(rd_kafka_t *rk, struct rd_kafka_queue_s *queue, enum op_kind kind);
void op_free(struct rd_kafka_op_s *op);
struct rd_kafka_queue_s *client_queue(rd_kafka_t *rk);
rd_kafka_t *client_of_queue(const struct rd_kafka_queue_s *queue); /* that closes by it; NULL: none */

/* ---- fake_producer.c ---- */

void producer_init(rd_kafka_t *rk);
void producer_deinit(rd_kafka_t *rk);

/* ---- fake_fetch.c ---- */

void fetch_init(rd_kafka_t *rk);
void fetch_wake(rd_kafka_t *rk);
void fetch_drop(rd_kafka_t *rk, int32_t partition); /* what was read ahead */

/* ---- fake_member.c ---- */

void member_init(rd_kafka_t *rk);
void member_join(rd_kafka_t *rk);
void member_leave(rd_kafka_t *rk);
void member_lose(rd_kafka_t *rk, const char *why);
/* The application has called what was awaited. */
void member_assigned(rd_kafka_t *rk);
void member_unassigned(rd_kafka_t *rk);

/* ---- fake_group.c ---- */

void group_init(void);
/* Fills in member_id where it is empty. The answer comes by group_joined_fn. */
rd_kafka_resp_err_t group_join(rd_kafka_t *rk);
rd_kafka_resp_err_t group_sync(rd_kafka_t *rk);
rd_kafka_resp_err_t group_heartbeat(const char *member_id, int32_t generation);
void group_leave(const char *member_id);
rd_kafka_resp_err_t group_check(const char *member_id, int32_t generation);
/* It is dead, and will not answer. */
void group_forget(const rd_kafka_t *rk);
/* member.c: the generation that the member waits for has begun. */
void member_is_joined(rd_kafka_t *rk, int32_t generation);

#endif
