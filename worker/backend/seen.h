/* seen: what the simulated backend remembers between requests. Little, and of bounded memory.
 *
 * Any thread; one lock inside. */
#ifndef RXP_BACKEND_SEEN_H
#define RXP_BACKEND_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen;

struct seen *seen_new(void); /* NULL for want of memory */
void seen_free(struct seen *seen);

/* A well-mixed hash of bytes (FNV-1a with a finaliser). */
uint64_t seen_hash(const void *bytes, size_t n);

/* Counts an Idempotency-Key by its 64-bit hash, up to about six million of them; later new ones count as uncounted. */
void seen_key(struct seen *seen, const char *key);
struct seen_keys {
    uint64_t distinct;
    uint64_t repeated; /* requests whose key had come before */
    uint64_t uncounted;
};
void seen_read_keys(struct seen *seen, struct seen_keys *out);

/* How often this was called for the id before. Kept for 65,536 ids by their hash; of more than eight that share their
 * places the one that was asked for least recently is forgotten, and its count begins anew. */
uint64_t seen_poll(struct seen *seen, const char *id);

/* Remembers the course of a run whose id does not hold it; the newest SEEN_RUNS are kept. 0, or -1 for want of
 * memory. */
#define SEEN_RUNS 4096
int seen_remember(struct seen *seen, const char *id, const char *course);
/* Its course, which the caller frees; NULL where it is not known. */
char *seen_recall(struct seen *seen, const char *id);

/* Runs under way, told by when they end: to the second, up to a day. */
void seen_run(struct seen *seen, int64_t now_ms, int64_t end_ms);
uint64_t seen_runs(struct seen *seen, int64_t now_ms);

#endif
