/* buf: a growable run of bytes with a mandatory limit.
 *
 * Owned by one thread at a time. A failed append (limit or memory) is remembered: appending goes on harmlessly and
 * the caller checks once, at the end, with buf_failed. An append is made whole or not at all. NUL-terminated from the
 * first append on, be it of nothing. */
#ifndef RXP_BASE_BUF_H
#define RXP_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *at; /* NULL while empty */
    size_t bytes;
    size_t room;
    size_t max_bytes; /* of content; the NUL comes on top */
    bool failed;
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_deinit(struct buf *buf);
/* Empty again; keeps the memory, forgets a failure. */
void buf_clear(struct buf *buf);

void buf_put(struct buf *buf, const void *bytes, size_t n);
void buf_puts(struct buf *buf, const char *text);
void buf_putf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_failed(const struct buf *buf);

/* The bytes as a malloc'd, NUL-terminated string that the caller frees; the buffer is empty and usable afterwards,
 * a failure forgotten. NULL after a failure; of an empty buffer "". */
char *buf_take(struct buf *buf);

#endif
