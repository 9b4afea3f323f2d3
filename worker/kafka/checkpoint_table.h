/* checkpoint_table: the checkpoints of one input partition: what was under way at which offset.
 *
 * Pure; one thread at a time. It is filled with the records of the topic in their order, then sealed once, then taken
 * from. Of several records of one offset a run wins over an intent, that over one that can't be read, and among equals the
 * later in the log; all their writers are kept, since each has a record to be erased. */
#ifndef RXP_KAFKA_CHECKPOINT_TABLE_H
#define RXP_KAFKA_CHECKPOINT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct checkpoint_table;

/* What a record's value is found to be. */
enum checked {
    CHECKED_UNREADABLE, /* garbage */
    CHECKED_INTENT,     /* a kickoff was about to go */
    CHECKED_RUN,        /* a kickoff was accepted */
    CHECKED_TOO_NEW,    /* of a format that only later versions read */
    CHECKED_NO_MEMORY,  /* what it is cannot be found out */
};
typedef enum checked (*checkpoint_check_fn)(const char *value, size_t value_bytes, void *opaque);

struct checkpoint_entry {
    int64_t offset;
    enum checked found; /* never TOO_NEW or NO_MEMORY */
    const uint64_t *writers; /* of all records of the offset, each once; that of the value first */
    size_t n_writers;
    const char *value; /* terminated */
    size_t value_bytes;
};
void checkpoint_entry_free(struct checkpoint_entry *entry);

/* NULL for want of memory. */
struct checkpoint_table *checkpoint_table_new(void);
void checkpoint_table_free(struct checkpoint_table *table);

/* Filling. A record replaces the one of the same offset and writer; -1 for want of memory. */
int checkpoint_table_put(struct checkpoint_table *table, int64_t offset, uint64_t writer, const void *value,
                         size_t value_bytes);
void checkpoint_table_erase(struct checkpoint_table *table, int64_t offset, uint64_t writer);
/* Forgets all that was put. */
void checkpoint_table_clear(struct checkpoint_table *table);

enum checkpoint_seal { CHECKPOINT_SEALED, CHECKPOINT_SEAL_TOO_NEW, CHECKPOINT_SEAL_NO_MEMORY };
/* Checks what is left, and makes an entry of each offset. TOO_NEW: *offset and *writer are those of such a record; the
 * table can only be freed then, as after NO_MEMORY. */
enum checkpoint_seal checkpoint_table_seal(struct checkpoint_table *table, checkpoint_check_fn check, void *opaque,
                                           int64_t *offset, uint64_t *writer);

/* Sealed: how many entries are left. */
size_t checkpoint_table_count(const struct checkpoint_table *table);
/* Sealed: the entry of the offset, the caller's from now on (checkpoint_entry_free); NULL: none. */
struct checkpoint_entry *checkpoint_table_take(struct checkpoint_table *table, int64_t offset);
/* Sealed: the entries by their offsets, the table's own. *at is 0 at first. NULL after the last. Entries may be taken in
 * between. */
const struct checkpoint_entry *checkpoint_table_next(const struct checkpoint_table *table, size_t *at);

#endif
