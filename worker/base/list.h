/* list: an intrusive doubly linked ring. A node is embedded in what it links.
 *
 * Owned by one thread at a time; no memory of its own. */
#ifndef RXP_BASE_LIST_H
#define RXP_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

/* The struct that embeds `node` as its field `member`. */
#define list_entry(node, type, member) ((type *)(void *)((char *)(node) - offsetof(type, member)))

void list_init(struct list *head);
bool list_is_empty(const struct list *head);
void list_push(struct list *head, struct list *node); /* at the end */
struct list *list_shift(struct list *head);           /* from the front, a ring of one; NULL when empty */
void list_remove(struct list *node);                  /* leaves it a ring of one: removing it again is harmless */
/* Moves all of `from` behind the end of `to`. */
void list_splice(struct list *to, struct list *from);

#endif
