#include "core/permits.h"

void permits_init(struct permits *permits)
{
    list_init(&permits->waiting);
}

void permits_wait(struct permits *permits, struct job *job, uint64_t ticket)
{
    job->ticket = ticket;
    list_push(&permits->waiting, &job->permit_node);
}

void permits_confirmed(struct permits *permits, struct pool *pool, const struct assignment *assignment, uint64_t ticket)
{
    bool any = false;
    struct list *next;
    for (struct list *node = permits->waiting.next; node != &permits->waiting; node = next) {
        next = node->next;
        struct job *job = list_entry(node, struct job, permit_node);
        if (job->ref.assignment != assignment || job->ticket > ticket)
            continue;
        list_remove(node);
        pool_permit(pool, &job->run);
        any = true;
    }
    if (any)
        pool_permits_given(pool);
}

void permits_forget(struct job *job)
{
    list_remove(&job->permit_node);
}
