#include "engine/secret_store.h"

#include "base/hash.h"
#include "engine/file_text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_ENTRIES 4096 /* of a directory that somebody named by mistake, no more is looked at */
#define GRANT_MAX_BYTES ((size_t)64 * 1024)

static const char grant_ending[] = ".oauth2.json";
static const char variable_beginning[] = "RXP_SECRET_";

void secret_free(char *value, size_t bytes)
{
    if (value != NULL) {
        explicit_bzero(value, bytes);
        free(value);
    }
}

void secret_store_deinit(struct secret_store *store)
{
    for (size_t i = 0; i < store->n; i++) {
        secret_free(store->entry[i].value, store->entry[i].bytes);
    }
    free(store->entry);
    *store = (struct secret_store){0};
}

struct secret_entry *secret_store_find(const struct secret_store *store, const char *name)
{
    struct secret_entry *found = NULL;
    for (size_t i = 0; i < store->n; i++) {
        struct secret_entry *entry = &store->entry[i];
        if (strcmp(entry->name, name) == 0 && (found == NULL || entry->is_grant)) {
            found = entry;
        }
    }
    return found;
}

/* NULL for want of memory. */
static struct secret_entry *add_entry(struct secret_store *store, const char *name, size_t bytes, bool is_grant)
{
    if ((store->n & (store->n - 1)) == 0) { /* room for a power of two */
        struct secret_entry *entry = realloc(store->entry, (store->n > 0 ? 2 * store->n : 1) * sizeof *entry);
        if (entry == NULL) {
            return NULL;
        }
        store->entry = entry;
    }
    struct secret_entry *entry = &store->entry[store->n++];
    *entry = (struct secret_entry){.is_grant = is_grant};
    memcpy(entry->name, name, bytes);
    return entry;
}

/* Takes the value, or says what is wrong with it. */
static void take_value(struct secret_entry *entry, char *value, size_t bytes)
{
    size_t kept = bytes;
    if (!entry->is_grant && kept > 0 && value[kept - 1] == '\n') {
        kept--;
        kept -= kept > 0 && value[kept - 1] == '\r';
    }
    const char *fault = NULL;
    if (kept == 0) {
        fault = "it is empty";
    } else if (entry->is_grant) {
        fault = bytes > GRANT_MAX_BYTES ? "it is longer than 64 KiB" : NULL;
    } else if (kept > SECRET_VALUE_MAX_BYTES) {
        fault = "it is longer than 8 KiB";
    } else {
        for (size_t i = 0; i < kept && fault == NULL; i++) {
            unsigned char c = (unsigned char)value[i];
            fault = (c < ' ' && c != '\t') || c == 127 ? "it has a line end or another control character in it" : NULL;
        }
    }
    if (fault != NULL) {
        snprintf(entry->fault, sizeof entry->fault, "%s", fault);
        secret_free(value, bytes + 1);
        return;
    }
    explicit_bzero(value + kept, bytes - kept);
    value[kept] = '\0';
    entry->value = value;
    entry->bytes = bytes + 1; /* all of its memory */
}

/* ---- a directory ---- */

/* The secret that a file holds: 0 where it holds none. */
static size_t name_bytes_of(const char *file, bool *is_grant)
{
    size_t bytes = strlen(file);
    size_t ending = sizeof grant_ending - 1;
    *is_grant = bytes > ending && strcmp(file + bytes - ending, grant_ending) == 0;
    bytes -= *is_grant ? ending : 0;
    return secret_name_is_valid(file, bytes) ? bytes : 0;
}

/* Sums over files, so that their order does not count. */
static void add_stamp(uint64_t *stamp, const char *file, const struct stat *status)
{
    uint64_t hash = hash_put(HASH_START, file, strlen(file));
    hash = hash_put_int(hash, (int64_t)status->st_dev);
    hash = hash_put_int(hash, (int64_t)status->st_ino);
    hash = hash_put_int(hash, (int64_t)status->st_size);
    hash = hash_put_int(hash, (int64_t)status->st_mode);
    hash = hash_put_int(hash, (int64_t)status->st_mtim.tv_sec);
    hash = hash_put_int(hash, (int64_t)status->st_mtim.tv_nsec);
    hash = hash_put_int(hash, (int64_t)status->st_ctim.tv_sec);
    hash = hash_put_int(hash, (int64_t)status->st_ctim.tv_nsec);
    *stamp += hash;
}

/* The next file that may hold a secret; NULL at the end. */
static const struct dirent *next_file(DIR *dir, struct stat *status)
{
    const struct dirent *found;
    while ((found = readdir(dir)) != NULL) {
        bool is_grant;
        if (name_bytes_of(found->d_name, &is_grant) > 0 && fstatat(dirfd(dir), found->d_name, status, 0) == 0 &&
            S_ISREG(status->st_mode)) {
            return found;
        }
    }
    return NULL;
}

uint64_t secret_store_stamp(const char *dir)
{
    DIR *opened = opendir(dir);
    if (opened == NULL) {
        return 0;
    }
    uint64_t stamp = 1;
    struct stat status;
    const struct dirent *file;
    for (size_t i = 0; i < MAX_ENTRIES && (file = next_file(opened, &status)) != NULL; i++) {
        add_stamp(&stamp, file->d_name, &status);
    }
    closedir(opened);
    return stamp;
}

static int read_file(struct secret_store *store, DIR *dir, const char *file)
{
    bool is_grant;
    size_t name_bytes = name_bytes_of(file, &is_grant);
    struct secret_entry *entry = add_entry(store, file, name_bytes, is_grant);
    if (entry == NULL) {
        return -1;
    }
    size_t bytes = 0;
    char *text =
        file_text_read(dirfd(dir), file, is_grant ? GRANT_MAX_BYTES : SECRET_VALUE_MAX_BYTES + 2, &bytes);
    if (text == NULL) {
        snprintf(entry->fault, sizeof entry->fault, "it cannot be read: %s", strerror(errno));
    } else {
        take_value(entry, text, bytes);
    }
    return 0;
}

int secret_store_read_dir(const char *dir, struct secret_store *out, char *why, size_t why_bytes)
{
    *out = (struct secret_store){0};
    DIR *opened = opendir(dir);
    if (opened == NULL) {
        if (errno == ENOENT) {
            return 0;
        }
        snprintf(why, why_bytes, "secrets-dir '%.200s' cannot be read: %s", dir, strerror(errno));
        return -1;
    }
    int failed = 0;
    struct stat status;
    const struct dirent *file;
    out->stamp = 1;
    for (size_t i = 0; failed == 0 && i < MAX_ENTRIES && (file = next_file(opened, &status)) != NULL; i++) {
        add_stamp(&out->stamp, file->d_name, &status); /* before it is read: what changes meanwhile is seen later */
        failed = read_file(out, opened, file->d_name);
    }
    closedir(opened);
    if (failed != 0) {
        snprintf(why, why_bytes, "out of memory");
        secret_store_deinit(out);
    }
    return failed;
}

/* ---- variables ---- */

int secret_store_read_variables(const char *const *environment, struct secret_store *out)
{
    *out = (struct secret_store){0};
    size_t beginning = sizeof variable_beginning - 1;
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, variable_beginning, beginning) != 0) {
            continue;
        }
        const char *name = *environment + beginning;
        const char *equals = strchr(name, '=');
        if (equals == NULL || !secret_name_is_valid(name, (size_t)(equals - name))) {
            continue;
        }
        struct secret_entry *entry = add_entry(out, name, (size_t)(equals - name), false);
        char *value = entry != NULL ? strdup(equals + 1) : NULL;
        if (value == NULL) {
            secret_store_deinit(out);
            return -1;
        }
        take_value(entry, value, strlen(value));
    }
    return 0;
}
