/* property_table: the properties that this very librdkafka has, and whose they are.
 *
 * Read from the table that the library prints, so that it is right for whichever version is installed. For the making
 * of a client's settings only: it costs a fraction of a millisecond. One thread. */
#ifndef RXP_KAFKA_PROPERTY_TABLE_H
#define RXP_KAFKA_PROPERTY_TABLE_H

struct property_table;

/* NULL for want of memory. */
struct property_table *property_table_new(void);
void property_table_free(struct property_table *table);

enum property_side {
    PROPERTY_CONSUMER = 1,
    PROPERTY_PRODUCER = 2,
    PROPERTY_ANY = PROPERTY_CONSUMER | PROPERTY_PRODUCER,
};
/* enum property_side bits. A property that the table does not list (hidden or unknown) is anybody's. */
unsigned property_table_sides(const struct property_table *table, const char *property);

/* A property whose name is near, or NULL. Lives as long as the table. */
const char *property_table_nearest(const struct property_table *table, const char *property);

/* librdkafka takes "topic.acks" for "acks": the name without that. */
const char *property_bare_name(const char *property);

#endif
