#include "protocol/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A small plan fits into one: with what malloc and the list add it takes 144. Waiting runs have one each. */
#define CHUNK_BYTES 120

struct chunk {
    struct chunk *next;
    max_align_t memory[];
};

void arena_init(struct arena *arena, void *room, size_t bytes)
{
    const size_t align = _Alignof(max_align_t);
    size_t skipped = room == NULL ? bytes : (align - (uintptr_t)room % align) % align;

    *arena = (struct arena){.chunks = NULL};
    if (skipped < bytes) {
        arena->at = (char *)room + skipped;
        arena->left_bytes = bytes - skipped;
    }
}

void *arena_take(struct arena *arena, size_t bytes)
{
    const size_t align = _Alignof(max_align_t);

    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = bytes == 0 ? align : (bytes + align - 1) / align * align;
    if (bytes > arena->left_bytes) {
        size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        struct chunk *chunk = malloc(sizeof(*chunk) + size);
        if (chunk == NULL)
            return NULL;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        arena->bytes += sizeof(*chunk) + size;
        /* What is larger than a chunk has its own, and the present one goes on. */
        if (bytes > CHUNK_BYTES)
            return chunk->memory;
        arena->at = (char *)chunk->memory;
        arena->left_bytes = size;
    }
    char *at = arena->at;
    arena->at += bytes;
    arena->left_bytes -= bytes;
    return at;
}

char *arena_copy(struct arena *arena, const char *text, size_t bytes)
{
    char *copy = arena_take(arena, bytes + 1);

    if (copy != NULL) {
        memcpy(copy, text, bytes);
        copy[bytes] = '\0';
    }
    return copy;
}

void arena_free(void *chunks)
{
    struct chunk *chunk = chunks;

    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}
