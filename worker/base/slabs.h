/* slabs: small blocks that live long, close together: apart from malloc's heap, where what lives shortly beside them would
 * leave holes that never go back to the system. (10,000 runs that come at once and then wait: 2.3 kB each without, since each
 * has been a larger thing before.)
 *
 * Blocks of one size, in steps of 16 bytes, share a slab of 64 KiB. A slab whose blocks are all given back is given back itself.
 * Any thread may take and give back; a lock is held meanwhile. */
#ifndef RXP_BASE_SLABS_H
#define RXP_BASE_SLABS_H

#include <stddef.h>

#define SLABS_BLOCK_MAX_BYTES 1024 /* what is larger is malloc's */

struct slabs;

/* NULL for want of memory. */
struct slabs *slabs_new(void);
/* Nothing more is taken. Blocks may still be given back, and the last of them ends it. NULL is harmless. */
void slabs_release(struct slabs *slabs);

/* NULL for want of memory. Not for types that need more than the alignment of a pointer. */
void *slabs_take(struct slabs *slabs, size_t bytes);
/* As many as were taken. NULL is harmless. */
void slabs_give(void *block, size_t bytes);

#endif
