/* secret_store: a snapshot of secrets, by name: of the files of a directory, or of environment variables.
 *
 * A plain value; its owner guards it. Values are overwritten before their memory is freed. Nothing but values that may
 * stand in a header is kept: of others it says what is wrong with them. */
#ifndef RXP_ENGINE_SECRET_STORE_H
#define RXP_ENGINE_SECRET_STORE_H

#include "engine/secret_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_VALUE_MAX_BYTES ((size_t)8 * 1024)
#define SECRET_FAULT_BYTES 200

struct secret_entry {
    char name[SECRET_NAME_MAX_BYTES + 1];
    bool is_grant; /* the text of a NAME.oauth2.json */
    char *value;   /* NULL where there is a fault */
    size_t bytes;
    char fault[SECRET_FAULT_BYTES]; /* why it cannot be used; empty: it can */
};

struct secret_store {
    struct secret_entry *entry;
    size_t n;
    uint64_t stamp; /* of a directory: other whenever a file of it was changed, added or taken away */
};

/* Of `dir`, without what lies below it; a directory that is not there is an empty one. A file's trailing line end is not
 * a part of it. 0, or -1 with a sentence, and *out empty. */
int secret_store_read_dir(const char *dir, struct secret_store *out, char *why, size_t why_bytes);
/* The stamp that it would have now. */
uint64_t secret_store_stamp(const char *dir);

/* Of variables RXP_SECRET_NAME=value. 0, or -1 for want of memory. */
int secret_store_read_variables(const char *const *environment, struct secret_store *out);

void secret_store_deinit(struct secret_store *store);
/* NULL: not known. A grant goes before a file of the same name. */
struct secret_entry *secret_store_find(const struct secret_store *store, const char *name);

/* Overwritten, then freed. NULL is harmless. */
void secret_free(char *value, size_t bytes);

#endif
