#include "core/ledger_inside.h"

#include "ops/log.h"

#include <inttypes.h>

static void erase_writers(struct ledger *ledger, const struct assignment *assignment, const struct finding *finding,
                          size_t from)
{
    for (size_t i = from; ledger->scribe != NULL && i < finding->n_writers; i++)
        scribe_erase(ledger->scribe, assignment, finding->offset, finding->writers[i]);
}

struct cleaning {
    struct ledger *ledger;
    struct assignment *assignment;
    bool (*is_done)(struct assignment *assignment, int64_t offset, void *opaque);
    void *opaque;
    size_t n;
};

static bool ask_is_done(int64_t offset, void *opaque)
{
    const struct cleaning *cleaning = opaque;
    return cleaning->is_done(cleaning->assignment, offset, cleaning->opaque);
}

static void erase_stale(const struct finding *finding, void *opaque)
{
    struct cleaning *cleaning = opaque;
    erase_writers(cleaning->ledger, cleaning->assignment, finding, 0);
    cleaning->n++;
}

void ledger_clean(struct ledger *ledger, struct assignment *assignment,
                  bool (*is_done)(struct assignment *assignment, int64_t offset, void *opaque), void *opaque)
{
    struct shelf *shelf = shelves_find(&ledger->shelves, assignment);
    if (shelf == NULL || shelf_count(shelf) == 0)
        return;
    struct cleaning cleaning = {ledger, assignment, is_done, opaque, 0};
    shelf_take_done(shelf, ask_is_done, erase_stale, &cleaning);
    ledger_count_waiting(ledger);
    ledger_count(&ledger->stale, cleaning.n);
    log_event(LOG_INFO, "checkpoints_restored", "%s [%" PRId32 "]: %zu runs to go on with, %zu checkpoints erased whose "
              "inputs were done", assignment->topic, assignment->partition, shelf_count(shelf), cleaning.n);
}

/* Inputs come in the order of their offsets, so one that was passed will never come: retention or compaction took it. */
static void pass_below(struct ledger *ledger, struct shelf *shelf, const struct assignment *assignment, int64_t end)
{
    struct finding finding;
    int64_t first = 0;
    int64_t last = 0;
    size_t n = 0;
    while (shelf_take_below(shelf, end, &finding)) {
        first = n == 0 ? finding.offset : first;
        last = finding.offset;
        n++;
        erase_writers(ledger, assignment, &finding, 0);
        finding_deinit(&finding);
    }
    if (n == 0)
        return;
    ledger_count(&ledger->gone, n);
    log_event(LOG_WARN, "inputs_gone", "%s [%" PRId32 "]: the inputs of %zu runs are not in the topic any more (offsets %"
              PRId64 " to %" PRId64 "; retention or compaction): they get no result, and their checkpoints are erased",
              assignment->topic, assignment->partition, n, first, last);
}

/* What the input goes on with, and which writers' records end with it. Room for this writer's own is kept. */
static struct checkpoint *hand_out(struct ledger *ledger, const struct assignment *assignment, struct finding *finding,
                                   struct job_tags *tags)
{
    const size_t most = JOB_TAGS_MAX - 1;
    struct checkpoint *checkpoint = finding->checkpoint;
    finding->checkpoint = NULL;
    for (size_t i = 0; i < finding->n_writers && i < most; i++)
        tags->writer[tags->n++] = finding->writers[i];
    /* The best record is the first writer's, so these say nothing that is still wanted. */
    erase_writers(ledger, assignment, finding, most);
    if (checkpoint == NULL && finding->was_read && ledger->config.at_most_once)
        tags->lacked_memory = (checkpoint = checkpoint_new_unreadable()) == NULL;
    tags->lacked_memory = tags->lacked_memory || finding->lacked_memory;
    if (checkpoint != NULL && checkpoint->kind == CHECKPOINT_RUN)
        ledger_count(&ledger->resumed, 1);
    return checkpoint;
}

struct checkpoint *ledger_take(struct ledger *ledger, struct assignment *assignment, int64_t offset,
                               struct job_tags *tags)
{
    *tags = (struct job_tags){.n = 0};
    struct shelf *shelf = shelves_find(&ledger->shelves, assignment);
    if (shelf == NULL)
        return NULL;
    shelf->taken = offset;
    if (shelf_count(shelf) == 0)
        return NULL;
    struct checkpoint *checkpoint = NULL;
    struct finding finding;
    pass_below(ledger, shelf, assignment, offset);
    if (shelf_take_below(shelf, offset + 1, &finding)) {
        checkpoint = hand_out(ledger, assignment, &finding, tags);
        finding_deinit(&finding);
    }
    ledger_count_waiting(ledger);
    return checkpoint;
}
