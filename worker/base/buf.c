#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM_BYTES 64

void buf_init(struct buf *buf, size_t max_bytes)
{
    assert(max_bytes < SIZE_MAX / 4);
    *buf = (struct buf){.max_bytes = max_bytes};
}

void buf_deinit(struct buf *buf)
{
    free(buf->at);
    buf->at = NULL;
    buf->bytes = 0;
    buf->room = 0;
}

void buf_clear(struct buf *buf)
{
    buf->bytes = 0;
    buf->failed = false;
    if (buf->at != NULL) {
        buf->at[0] = '\0';
    }
}

/* Room for n more bytes and the NUL, or a remembered failure. */
static bool buf_grow(struct buf *buf, size_t n)
{
    if (buf->failed || n > buf->max_bytes - buf->bytes) {
        buf->failed = true;
        return false;
    }
    size_t need = buf->bytes + n + 1;
    if (need <= buf->room) {
        return true;
    }
    size_t room = buf->room == 0 ? FIRST_ROOM_BYTES : buf->room * 2;
    if (room < need) {
        room = need;
    }
    if (room > buf->max_bytes + 1) {
        room = buf->max_bytes + 1;
    }
    char *at = realloc(buf->at, room);
    if (at == NULL) {
        buf->failed = true;
        return false;
    }
    buf->at = at;
    buf->room = room;
    return true;
}

void buf_put(struct buf *buf, const void *bytes, size_t n)
{
    if (!buf_grow(buf, n)) {
        return;
    }
    if (n > 0) {
        memcpy(buf->at + buf->bytes, bytes, n);
    }
    buf->bytes += n;
    buf->at[buf->bytes] = '\0';
}

void buf_puts(struct buf *buf, const char *text)
{
    buf_put(buf, text, strlen(text));
}

void buf_putf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) {
        buf->failed = true;
        return;
    }
    if (!buf_grow(buf, (size_t)n)) {
        return;
    }
    va_start(args, format);
    vsnprintf(buf->at + buf->bytes, (size_t)n + 1, format, args);
    va_end(args);
    buf->bytes += (size_t)n;
}

bool buf_failed(const struct buf *buf)
{
    return buf->failed;
}

char *buf_take(struct buf *buf)
{
    char *taken = NULL;
    if (!buf->failed) {
        taken = buf->at != NULL ? buf->at : calloc(1, 1);
        buf->at = NULL;
    }
    buf_deinit(buf);
    buf->failed = false;
    return taken;
}
