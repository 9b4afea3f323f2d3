/* arena: memory of many small things that end together.
 *
 * One owner, no lock. A plain value; {0} is an empty one. Not for use outside protocol/. */
#ifndef RXP_PROTOCOL_ARENA_H
#define RXP_PROTOCOL_ARENA_H

#include <stddef.h>

struct arena {
    void *chunks; /* all memory, for arena_free */
    char *at;     /* what is left of the newest */
    size_t left_bytes;
    size_t bytes; /* of all chunks; a room is none */
};

/* An empty one that first takes of room[0..bytes), which its owner keeps: what is in there needs no arena_free. */
void arena_init(struct arena *arena, void *room, size_t bytes);
/* Fit for any type; NULL for want of memory. What was taken stays where it is. */
void *arena_take(struct arena *arena, size_t bytes);
/* text[0..bytes) and a NUL. */
char *arena_copy(struct arena *arena, const char *text, size_t bytes);
/* The memory may outlive the struct: an arena's chunks. NULL is fine. */
void arena_free(void *chunks);

#endif
