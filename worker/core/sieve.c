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
    struct job **jobs = malloc((n > 0 ? n : 1) * sizeof *jobs); // NOLINT(bugprone-sizeof-expression): of pointers
    if (jobs == NULL)
        return false;
    n = 0;
    struct list *node;
    while ((node = list_shift(batch)) != NULL)
        jobs[n++] = list_entry(node, struct job, run.node);
    qsort(jobs, n, sizeof *jobs, by_size); // NOLINT(bugprone-sizeof-expression): of pointers
    for (size_t i = 0; i < n; i++)
        list_push(batch, &jobs[i]->run.node);
    free(jobs);
    return true;
}

/* It was alone with its broker, whether that was asked for or not; or that does not matter. */
static bool was_meant(const struct job *job, const struct sieve_refusal *refusal)
{
    return refusal->too_large || job->alone || (refusal->n_refused == 1 && is_sole(job));
}

/* Those that went together: job->refused says who was named, until settle_produce. */
static bool is_suspect(const struct job *job)
{
    return job->refused && !job->alone;
}

static void part(struct list *batch, const struct fit *fit, void (*tell)(const struct job *job, void *opaque), void *opaque)
{
    size_t suspects = 0;
    size_t seen = 0;
    for (struct list *node = batch->next; node != batch; node = node->next)
        suspects += is_suspect(list_entry(node, struct job, run.node));
    size_t step = (suspects + fit->alone_most - 1) / fit->alone_most;
    for (struct list *node = batch->next; node != batch; node = node->next) {
        struct job *job = list_entry(node, struct job, run.node);
        if (!is_suspect(job) || seen++ % step != 0)
            continue;
        job->alone = true;
        tell(job, opaque);
    }
}

struct job *sieve_refused(struct list *batch, const struct sieve_refusal *refusal, struct fit *fit,
                          void (*tell)(const struct job *job, void *opaque), void *opaque)
{
    /* What was not reached again may still say so of an earlier round. */
    for (struct list *node = batch->next; node != batch; node = node->next)
        list_entry(node, struct job, run.node)->refused = false;
    for (size_t i = 0; i < refusal->n_refused && !refusal->is_parted; i++) {
        struct job *job = refusal->refused[i];
        if (job->refused)
            continue;
        if (!was_meant(job, refusal)) {
            job->refused = true;
            continue;
        }
        /* Of a job with a dead letter it may have been that. */
        if (refusal->too_large && is_sole(job))
            fit_note_refused(fit, job->sent_bytes, refusal->now_ms);
        job->alone = true;
        if (!settle_refused(job))
            return job;
        tell(job, opaque);
        job->alone = !refusal->too_large; /* what is left of it need not */
    }
    sort(batch);
    if (!refusal->too_large)
        part(batch, fit, tell, opaque);
    return NULL;
}

void sieve_cut(struct list *batch, struct fit *fit)
{
    fit_note_cut(fit);
    for (struct list *node = batch->next; node != batch; node = node->next)
        list_entry(node, struct job, run.node)->alone = false;
}
