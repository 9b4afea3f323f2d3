#include "base/key_table.h"

#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 64

static uint64_t hash_of(const char *key)
{
    return hash_put(HASH_START, key, strlen(key));
}

static struct key_node **bucket_of(const struct key_table *table, uint64_t hash)
{
    return &table->bucket[hash & (table->n_buckets - 1)];
}

int key_table_init(struct key_table *table)
{
    *table = (struct key_table){.bucket = calloc(FIRST_BUCKETS, sizeof(struct key_node *)), .n_buckets = FIRST_BUCKETS};
    return table->bucket != NULL ? 0 : -1;
}

void key_table_deinit(struct key_table *table)
{
    assert(table->n == 0);
    free(table->bucket);
    *table = (struct key_table){0};
}

struct key_node *key_table_find(const struct key_table *table, const char *key)
{
    uint64_t hash = hash_of(key);
    for (struct key_node *node = *bucket_of(table, hash); node != NULL; node = node->next) {
        if (node->hash == hash && strcmp(node->key, key) == 0) {
            return node;
        }
    }
    return NULL;
}

static void put(struct key_table *table, struct key_node *node)
{
    struct key_node **bucket = bucket_of(table, node->hash);
    node->next = *bucket;
    *bucket = node;
}

static void grow(struct key_table *table)
{
    struct key_node **old = table->bucket;
    size_t n_old = table->n_buckets;
    struct key_node **bucket = calloc(n_old * 2, sizeof(struct key_node *));
    if (bucket == NULL) {
        return;
    }
    table->bucket = bucket;
    table->n_buckets = n_old * 2;
    for (size_t i = 0; i < n_old; i++) {
        while (old[i] != NULL) {
            struct key_node *node = old[i];
            old[i] = node->next;
            put(table, node);
        }
    }
    free(old);
}

void key_table_add(struct key_table *table, struct key_node *node, const char *key)
{
    if (table->n >= table->n_buckets) {
        grow(table);
    }
    node->key = key;
    node->hash = hash_of(key);
    put(table, node);
    table->n++;
}

void key_table_remove(struct key_table *table, struct key_node *node)
{
    struct key_node **link = bucket_of(table, node->hash);
    while (*link != node) {
        link = &(*link)->next;
    }
    *link = node->next;
    table->n--;
}
