#include "engine/origin_inside.h"

#include <assert.h>

void origin_claim_init(struct origin_claim *claim)
{
    *claim = (struct origin_claim){.place = ORIGIN_NOWHERE};
    list_init(&claim->node);
}

/* ---- whose turn it is ---- */

struct origin_claim *origin_first(const struct origin *origin, enum queue queue)
{
    const struct list *head = &origin->queue[queue];
    return list_is_empty(head) ? NULL : list_entry(head->next, struct origin_claim, node);
}

int origin_next_queue(const struct origins *origins, const struct origin *origin)
{
    if (origin->active >= origins->config.max_active || !lookups_may_begin(&origin->lookups)) {
        return -1;
    }
    bool may_go = origin->barred_ms[GATE_REQUESTS] <= origins->now_ms;
    if (may_go && !list_is_empty(&origin->queue[POLLS])) {
        return POLLS;
    }
    if (origin->kickoffs >= origins->max_kickoffs) {
        return -1;
    }
    if (!list_is_empty(&origin->queue[HOPS])) {
        return HOPS;
    }
    if (!may_go || origin->barred_ms[GATE_KICKOFFS] > origins->now_ms) {
        return -1;
    }
    if (!list_is_empty(&origin->queue[RELEASED])) {
        return RELEASED;
    }
    if (!list_is_empty(&origin->queue[KICKOFFS]) && origin->kickoffs + origin->held < origins->max_kickoffs) {
        return KICKOFFS;
    }
    return -1;
}

void origin_refresh(struct origins *origins, struct origin *origin)
{
    list_remove(&origin->ready_node);
    int queue = origin_next_queue(origins, origin);
    if (queue >= 0) {
        list_push(&(origin->lookups.known ? origins->ready : origins->ready_unknown)[queue], &origin->ready_node);
    }
}

/* ---- claims ---- */

static void join(struct origins *origins, struct origin_claim *claim, enum queue which, enum origin_end end)
{
    struct origin *origin = claim->origin;
    struct list *queue = &origin->queue[which];
    list_push(end == ORIGIN_FIRST ? queue->next : queue, &claim->node); /* pushes before the node that it is given */
    claim->queued_ms = origins->now_ms;
    origin_wake(origins, origin);
    if (which == RELEASED || which == KICKOFFS) {
        origin_gate_arm(origins, origin);
    }
    /* The first of its queue may take it to an earlier list. */
    bool is_first = queue->next->next == queue;
    if (list_is_empty(&origin->ready_node) || (is_first && origin_next_queue(origins, origin) == (int)which)) {
        origin_refresh(origins, origin);
    }
}

int origins_enter(struct origins *origins, struct origin_claim *claim, const char *key, enum origin_class class,
                  enum origin_end end)
{
    assert(claim->place == ORIGIN_NOWHERE);
    struct origin *origin = origin_find_or_make(origins, key);
    if (origin == NULL) {
        return -1;
    }
    claim->origin = origin;
    claim->class = class;
    claim->place = ORIGIN_QUEUED;
    join(origins, claim, class == ORIGIN_POLL ? POLLS : end == ORIGIN_FIRST ? HOPS : KICKOFFS, end);
    return 0;
}

/* The first list, in the order of the queues, with an origin that may go by the limits of all. Those that are not known
 * come first: their few claims are soon opened, and cannot keep the others waiting. */
static const struct list *next_ready(const struct origins *origins)
{
    for (int queue = 0; queue < QUEUES && origins->total < origins->config.max_total; queue++) {
        size_t kickoffs = origins->kickoffs + (queue == KICKOFFS ? origins->held : 0);
        if (queue != POLLS && kickoffs >= origins->max_total_kickoffs) {
            break;
        }
        if (!list_is_empty(&origins->ready_unknown[queue]) &&
            lookups_have_room(&origins->lookups, queue == POLLS ? ORIGIN_POLL : ORIGIN_KICKOFF)) {
            return &origins->ready_unknown[queue];
        }
        if (!list_is_empty(&origins->ready[queue])) {
            return &origins->ready[queue];
        }
    }
    return NULL;
}

bool origins_has_next(const struct origins *origins)
{
    return next_ready(origins) != NULL;
}

static void add_held(struct origins *origins, struct origin *origin, int change)
{
    origin->held += (size_t)change;
    origins->held += (size_t)change;
}

static void add_active(struct origins *origins, const struct origin_claim *claim, int change)
{
    claim->origin->active += (size_t)change;
    origins->total += (size_t)change;
    if (claim->class == ORIGIN_KICKOFF) {
        claim->origin->kickoffs += (size_t)change;
        origins->kickoffs += (size_t)change;
    }
}

/* It has a place, and the gate has let it go. */
static struct origin_claim *take_first(struct origins *origins, struct origin *origin, enum queue queue)
{
    struct origin_claim *claim = list_entry(list_shift(&origin->queue[queue]), struct origin_claim, node);
    if (claim->place == ORIGIN_RELEASED) {
        add_held(origins, origin, -1);
    }
    claim->place = ORIGIN_OPENING;
    add_active(origins, claim, 1);
    lookups_begin(&origins->lookups, &origin->lookups, claim->class);
    origin_refresh(origins, origin);
    return claim;
}

struct origin_claim *origins_next(struct origins *origins)
{
    const struct list *ready;
    while ((ready = next_ready(origins)) != NULL) {
        struct origin *origin = list_entry(ready->next, struct origin, ready_node);
        int queue = origin_next_queue(origins, origin);
        assert(queue >= 0);
        if (origin_gate_lets(origins, origin, (enum queue)queue)) {
            return take_first(origins, origin, (enum queue)queue);
        }
        origin_refresh(origins, origin); /* barred, in that queue at least */
    }
    return NULL;
}

void origins_went(struct origins *origins, struct origin_claim *claim)
{
    assert(claim->place == ORIGIN_OPENING);
    origin_gate_went(origins, claim);
}

struct gate *origin_claim_gate(const struct origin_claim *claim)
{
    return claim->origin != NULL ? claim->origin->gate : NULL;
}

void origins_hold(struct origins *origins, struct origin_claim *claim)
{
    assert(claim->place == ORIGIN_OPENING && claim->class == ORIGIN_KICKOFF);
    struct origin *origin = claim->origin;
    origin_gate_return(origins, claim);
    claim->place = ORIGIN_HELD;
    lookups_end(&origins->lookups, &origin->lookups, claim->class);
    add_active(origins, claim, -1);
    add_held(origins, origin, 1);
    origin_settle(origins, origin);
}

void origins_release(struct origins *origins, struct origin_claim *claim)
{
    assert(claim->place == ORIGIN_HELD);
    claim->place = ORIGIN_RELEASED;
    join(origins, claim, RELEASED, ORIGIN_LAST);
}

void origins_opened(struct origins *origins, struct origin_claim *claim)
{
    if (claim->place != ORIGIN_OPENING) {
        return;
    }
    struct origin *origin = claim->origin;
    lookups_succeed(&origins->lookups, &origin->lookups, claim->class);
    claim->place = ORIGIN_OPEN;
    origin_refresh(origins, origin);
}

static void leave(struct origins *origins, struct origin_claim *claim, bool strays)
{
    struct origin *origin = claim->origin;
    switch (claim->place) {
    case ORIGIN_NOWHERE:
        return;
    case ORIGIN_QUEUED:
        break;
    case ORIGIN_HELD:
    case ORIGIN_RELEASED:
        add_held(origins, origin, -1);
        break;
    case ORIGIN_OPENING:
        origin_gate_return(origins, claim);
        if (strays) {
            lookups_stray(&origins->lookups, &origin->lookups, claim->class, origins->now_ms);
        } else {
            lookups_end(&origins->lookups, &origin->lookups, claim->class);
        }
        add_active(origins, claim, -1);
        break;
    case ORIGIN_OPEN:
        add_active(origins, claim, -1);
        break;
    }
    list_remove(&claim->node);
    origin_claim_init(claim);
    origin_settle(origins, origin);
}

void origins_leave(struct origins *origins, struct origin_claim *claim)
{
    leave(origins, claim, false);
}

void origins_abandon(struct origins *origins, struct origin_claim *claim)
{
    leave(origins, claim, true);
}
