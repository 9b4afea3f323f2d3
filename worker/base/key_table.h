/* key_table: what is found by a text, such as an origin's name (a hash table with chains). Nodes are embedded in what is
 * found.
 *
 * Owned by one thread at a time. A flood of texts whose hashes collide costs time, not memory. */
#ifndef RXP_BASE_KEY_TABLE_H
#define RXP_BASE_KEY_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct key_node {
    struct key_node *next; /* in its bucket */
    uint64_t hash;
    const char *key; /* lives as long as the node is in the table */
};

struct key_table {
    struct key_node **bucket;
    size_t n_buckets; /* a power of two */
    size_t n;
};

/* 0, or -1 for want of memory (deinit is harmless then). */
int key_table_init(struct key_table *table);
/* It must be empty. */
void key_table_deinit(struct key_table *table);

/* NULL: it is not there. */
struct key_node *key_table_find(const struct key_table *table, const char *key);
/* The key must not be there yet. Never fails: without memory for more buckets the chains grow longer. */
void key_table_add(struct key_table *table, struct key_node *node, const char *key);
/* It must be there. */
void key_table_remove(struct key_table *table, struct key_node *node);

#endif
