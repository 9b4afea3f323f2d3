/* hash: FNV-1a with 64 bits (draft-eastlake-fnv), to tell inputs apart. Not for secrets, nor against somebody who looks
 * for collisions.
 *
 * Pure and thread-safe. What it gives is written to topics and compared by other processes and versions: it must never
 * change, whatever the machine. */
#ifndef RXP_BASE_HASH_H
#define RXP_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* The hash of nothing: where one begins. */
#define HASH_START UINT64_C(0xcbf29ce484222325)

/* The hash so far, with these bytes behind. `bytes` may be NULL where n is 0. */
uint64_t hash_put(uint64_t hash, const void *bytes, size_t n);
/* The same with the number's eight bytes, the lowest first. */
uint64_t hash_put_int(uint64_t hash, int64_t number);

#endif
