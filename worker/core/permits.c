#include "core/permits.h"

void permits_init(struct permits *permits)
{
    list_init(&permits->waiting);
}

void permits_wait(struct permits *permits, struct job *job, uint64_t ticket)
{
    job->begin->ticket = ticket;
    list_push(&permits->waiting, &job->begin->permit_node);
}

void permits_confirmed(struct permits *permits, struct pool *pool, const struct assignment *assignment, uint64_t ticket)
{
    bool any = false;
    struct list *next;
    for (struct list *node = permits->waiting.next; node != &permits->waiting; node = next) {
        next = node->next;
        const struct job_begin *begin = list_entry(node, struct job_begin, permit_node);
        struct job *job = begin->job;
        if (job->ref.assignment != assignment || begin->ticket > ticket)
            continue;
        list_remove(node);
        pool_permit(pool, &job->run); /* which may drop its beginning */
        any = true;
    }
    if (any)
        pool_permits_given(pool);
}

void permits_forget(struct job *job)
{
    if (job->begin != NULL)
        list_remove(&job->begin->permit_node);
}
