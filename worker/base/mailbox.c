#include "base/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *mailbox, int event_fd)
{
    bool owns_fd = event_fd < 0;
    if (owns_fd) {
        event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (event_fd < 0) {
            return -errno;
        }
    }
    int error = pthread_mutex_init(&mailbox->lock, NULL);
    if (error != 0) {
        if (owns_fd) {
            close(event_fd);
        }
        return -error;
    }
    list_init(&mailbox->items);
    mailbox->event_fd = event_fd;
    mailbox->owns_fd = owns_fd;
    return 0;
}

void mailbox_deinit(struct mailbox *mailbox)
{
    assert(list_is_empty(&mailbox->items));
    pthread_mutex_destroy(&mailbox->lock);
    if (mailbox->owns_fd) {
        close(mailbox->event_fd);
    }
    mailbox->event_fd = -1;
}

void mailbox_wake(const struct mailbox *mailbox)
{
    uint64_t one = 1;
    ssize_t n = write(mailbox->event_fd, &one, sizeof one);
    /* A full counter (EAGAIN) is readable as well. */
    assert(n == (ssize_t)sizeof one || errno == EAGAIN);
}

/* The write is inside the lock, so that the poster is done with the mailbox before the owner can have its item: the
 * item may tell the owner to free the mailbox. */
void mailbox_post(struct mailbox *mailbox, struct list *item)
{
    pthread_mutex_lock(&mailbox->lock);
    bool was_empty = list_is_empty(&mailbox->items);
    list_push(&mailbox->items, item);
    if (was_empty) {
        mailbox_wake(mailbox);
    }
    pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_take(struct mailbox *mailbox, struct list *into)
{
    pthread_mutex_lock(&mailbox->lock);
    list_splice(into, &mailbox->items);
    pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_drain_fd(int event_fd)
{
    uint64_t count;
    ssize_t n = read(event_fd, &count, sizeof count);
    assert(n == (ssize_t)sizeof count || errno == EAGAIN || errno == EINTR);
}
