/* mailbox: a locked list and an eventfd, by which other threads hand things to the one that owns it.
 *
 * The rule against lost wakes, for every owner: read the eventfd first, then serve every source behind it until it is
 * empty or is known to have more. librdkafka's queues write only when they change from empty to not empty.
 *
 * mailbox_post is for any thread; the rest for the owner. What is posted must embed a struct list. It wakes the
 * owner only where the mailbox was empty, so the owner drains the eventfd first and then takes from every mailbox that
 * shares it: the other way round a post in between would sleep until the next one. */
#ifndef RXP_BASE_MAILBOX_H
#define RXP_BASE_MAILBOX_H

#include "base/list.h"

#include <pthread.h>

struct mailbox {
    pthread_mutex_t lock;
    struct list items;
    int event_fd; /* readable while something may be inside; the owner polls it */
    bool owns_fd;
};

/* event_fd: an eventfd (non-blocking) to share with other sources, or -1 to make one. 0, or -errno. */
int mailbox_init(struct mailbox *mailbox, int event_fd);
/* Items still inside are the caller's to take first. */
void mailbox_deinit(struct mailbox *mailbox);

void mailbox_post(struct mailbox *mailbox, struct list *item);
/* Moves all items to the end of `into`, in the order of posting. Does not read the eventfd: mailbox_drain_fd does. */
void mailbox_take(struct mailbox *mailbox, struct list *into);

/* Makes the eventfd readable, as a post does. Any thread. */
void mailbox_wake(const struct mailbox *mailbox);
/* Reads an eventfd down to zero. */
void mailbox_drain_fd(int event_fd);

#endif
