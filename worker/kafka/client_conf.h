/* client_conf: the worker's settings and the user's, as an rd_kafka_conf_t.
 *
 * Anything that librdkafka can be told, users can tell it; what would break the guarantees is refused by name. */
#ifndef RXP_KAFKA_CLIENT_CONF_H
#define RXP_KAFKA_CLIENT_CONF_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>

struct kafka_property {
    const char *name;
    const char *value;
};

struct kafka_settings {
    const char *bootstrap_servers;
    const char *group_id;  /* consumer only */
    const char *group_instance_id; /* consumer only; NULL or empty: a dynamic member */
    const char *client_id; /* NULL: rxp-worker */
    const struct kafka_property *properties; /* the user's: -X, RXP_KAFKA_*, kafka.* */
    size_t n_properties;
};

enum client_role {
    CLIENT_CONSUMER, /* the group's: cooperative-sticky, no auto commit, from the earliest */
    CLIENT_PRODUCER, /* idempotent, acks=all, no delivery timeout */
    CLIENT_READER,   /* reads without a group: results, submit --wait */
    CLIENT_ADMIN,    /* metadata, offsets, topics */
    CLIENT_TRANSACTION, /* as the producer, with a limit to each delivery: transaction.timeout.ms (10 s unless the user sets it),
                           which librdkafka wants, and after which the batch is tried again. transactional.id is the caller's */
};

#define CLIENT_CONF_WHY_BYTES 384

/* NULL with a sentence in why that names the property and the way out. Properties that belong to the other side only
 * (a producer's in a consumer) are left out silently; one that librdkafka does not know is refused. */
rd_kafka_conf_t *client_conf_make(const struct kafka_settings *settings, enum client_role role, char *why);

/* Is this a property that must not be set by users? A constant sentence why not, or NULL. */
const char *client_conf_refusal(const char *property, const char *value);

#endif
