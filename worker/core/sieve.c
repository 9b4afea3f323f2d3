#include "core/sieve.h"

#include <stdlib.h>

static bool is_sole(const struct job *job)
{
    return !job->dead_letter || job->dead_letter_shed;
}

static int by_size(const void *a, const void *b)
{
    size_t left = (*(struct job *const *)a)->sent_bytes;
    size_t right = (*(struct job *const *)b)->sent_bytes;
    return (left > right) - (left < right);
}

/* False for want of memory: the order stays. */
static bool sort(struct list *batch)
{
    size_t n = 0;
    for (struct list *node = batch->next; node != batch; node = node->next)
        n++;
    struct job **jobs = malloc((n > 0 ? n : 1) * sizeof *jobs);
    if (jobs == NULL)
        return false;
    n = 0;
    struct list *node;
    while ((node = list_shift(batch)) != NULL)
        jobs[n++] = list_entry(node, struct job, node);
    qsort(jobs, n, sizeof *jobs, by_size);
    for (size_t i = 0; i < n; i++)
        list_push(batch, &jobs[i]->node);
    free(jobs);
    return true;
}

/* ---- one that went alone ---- */

/* It was alone with its broker, whether that was asked for or not. */
static bool was_alone(const struct job *job, const struct sieve_refusal *refusal)
{
    return job->alone || (refusal->n_refused == 1 && is_sole(job));
}

/* ---- those that went together: job->refused says who was named, until settle_produce ---- */

static bool may_be_new(const struct job *job, const struct fit *fit)
{
    return !is_sole(job) || fit_is_new(fit, job->sent_bytes);
}

/* has_new: the one that is too large is among those of a new size. */
static bool is_suspect(const struct job *job, bool has_new, const struct fit *fit)
{
    return job->refused && !job->alone && (!has_new || may_be_new(job, fit));
}

/* Where a batch was cut no more than it was left with. */
static size_t most_alone(const struct fit *fit)
{
    return fit->alone_most < FIT_ALONE ? fit->alone_most : SIEVE_ALONE;
}

static void part(struct list *batch, bool has_new, const struct fit *fit,
                 void (*tell)(const struct job *job, void *opaque), void *opaque)
{
    size_t suspects = 0;
    size_t seen = 0;
    for (struct list *node = batch->next; node != batch; node = node->next)
        suspects += is_suspect(list_entry(node, struct job, node), has_new, fit);
    size_t most = most_alone(fit);
    size_t step = (suspects + most - 1) / most;
    for (struct list *node = batch->next; node != batch; node = node->next) {
        struct job *job = list_entry(node, struct job, node);
        /* The smallest first: where all are too large it tells of all. */
        if (!is_suspect(job, has_new, fit) || seen++ % step != 0)
            continue;
        job->alone = true;
        tell(job, opaque);
    }
}

struct job *sieve_refused(struct list *batch, const struct sieve_refusal *refusal, struct fit *fit,
                          void (*tell)(const struct job *job, void *opaque), void *opaque)
{
    bool has_new = false;
    /* What was not reached again may still say so of an earlier round. */
    for (struct list *node = batch->next; node != batch; node = node->next)
        list_entry(node, struct job, node)->refused = false;
    for (size_t i = 0; i < refusal->n_refused; i++) {
        struct job *job = refusal->refused[i];
        if (job->refused)
            continue;
        if (!was_alone(job, refusal)) {
            job->refused = true;
            has_new = has_new || (refusal->too_large && may_be_new(job, fit));
            continue;
        }
        /* Of a job with a dead letter it may have been that. */
        if (refusal->too_large && is_sole(job))
            fit_note_refused(fit, job->sent_bytes, refusal->now_ms);
        job->alone = true;
        if (!settle_refused(job))
            return job;
        tell(job, opaque);
    }
    sort(batch);
    part(batch, has_new, fit, tell, opaque);
    return NULL;
}

bool sieve_has_room(struct job *job, const struct settle_config *config, const struct fit *fit, size_t *doubts)
{
    if (fit->refused_bytes == 0)
        return true;
    settle_measure(job, config);
    return !fit_is_in_doubt(fit, job->sent_bytes) || (*doubts)++ < fit->alone_most;
}

void sieve_cut(struct list *batch, struct fit *fit)
{
    fit_note_cut(fit);
    for (struct list *node = batch->next; node != batch; node = node->next)
        list_entry(node, struct job, node)->alone = false;
}
