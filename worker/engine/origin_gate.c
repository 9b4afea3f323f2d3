#include "engine/origin_inside.h"

#include <assert.h>

/* Kickoffs that are overdue but for a rate are looked at again so much later. */
#define RATE_LOOK_MS 1000

static void look_at(struct origins *origins, struct origin *origin, int64_t at_ms)
{
    if (!timer_is_set(&origin->look) || origin->look.at_ms > at_ms) {
        int failed = heap_set(&origins->looks, &origin->look, at_ms);
        assert(failed == 0); /* there is room for one of each origin */
    }
}

/* ---- who goes ---- */

static bool bar(struct origins *origins, struct origin *origin, enum gate_rate what, int64_t until_ms)
{
    origin->barred_ms[what] = until_ms;
    look_at(origins, origin, until_ms);
    return false;
}

/* One for whoever goes next: the gate knows how many loops wait, not how many claims. */
static bool has_slot(struct origins *origins, struct origin *origin, enum gate_rate rate)
{
    if (origin->slot_ms[rate] == SLOT_NONE) {
        origin->slot_ms[rate] = gate_reserve(origin->gate, rate, origins->now_ms);
    }
    return origin->slot_ms[rate] <= origins->now_ms || bar(origins, origin, rate, origin->slot_ms[rate]);
}

static bool lets_kickoff(struct origins *origins, struct origin *origin, struct origin_claim *claim)
{
    int64_t look_ms = gate_look_ms(origin->gate, origins->now_ms);
    if (look_ms > origins->now_ms) {
        return bar(origins, origin, GATE_KICKOFFS, look_ms);
    }
    if (!has_slot(origins, origin, GATE_KICKOFFS) || !has_slot(origins, origin, GATE_REQUESTS)) {
        return false;
    }
    switch (gate_ask(origin->gate, origins->now_ms)) {
    case GATE_GO:
        break;
    case GATE_PROBE:
        claim->is_probe = true;
        break;
    case GATE_WAIT: /* another loop was quicker */
        return bar(origins, origin, GATE_KICKOFFS, origins->now_ms + GATE_LOOK_MS);
    }
    origin->slot_ms[GATE_KICKOFFS] = SLOT_NONE;
    return true;
}

bool origin_gate_lets(struct origins *origins, struct origin *origin, enum queue queue)
{
    if (origin->gate == NULL) {
        return true;
    }
    struct origin_claim *claim = origin_first(origin, queue);
    switch (queue) {
    case HOPS: /* its time runs: it does not wait, but those behind it do */
        (void)gate_reserve(origin->gate, GATE_KICKOFFS, origins->now_ms);
        (void)gate_reserve(origin->gate, GATE_REQUESTS, origins->now_ms);
        return true;
    case POLLS:
        if (!has_slot(origins, origin, GATE_REQUESTS)) {
            return false;
        }
        break;
    case RELEASED:
    case KICKOFFS:
        if (!lets_kickoff(origins, origin, claim)) {
            return false;
        }
        break;
    }
    origin->slot_ms[GATE_REQUESTS] = SLOT_NONE;
    claim->is_let = true;
    return true;
}

void origin_gate_went(struct origins *origins, struct origin_claim *claim)
{
    if (claim->is_let && claim->class == ORIGIN_KICKOFF && !claim->is_probe) {
        gate_went(claim->origin->gate, origins->now_ms);
    }
    claim->is_let = false;
    claim->is_probe = false;
}

void origin_gate_return(struct origins *origins, struct origin_claim *claim)
{
    struct origin *origin = claim->origin;
    if (!claim->is_let) {
        return;
    }
    gate_give_back(origin->gate, GATE_REQUESTS);
    if (claim->class == ORIGIN_KICKOFF) {
        gate_give_back(origin->gate, GATE_KICKOFFS);
    }
    if (claim->is_probe) {
        gate_return_probe(origin->gate, origins->now_ms);
        origin->barred_ms[GATE_KICKOFFS] = INT64_MIN;
    }
    claim->is_let = false;
    claim->is_probe = false;
}

static void give_back(struct origin *origin, enum gate_rate rate)
{
    if (origin->slot_ms[rate] != SLOT_NONE) {
        gate_give_back(origin->gate, rate);
        origin->slot_ms[rate] = SLOT_NONE;
    }
}

void origin_gate_tidy(struct origin *origin)
{
    if (origin->gate == NULL || !list_is_empty(&origin->queue[RELEASED]) || !list_is_empty(&origin->queue[KICKOFFS])) {
        return;
    }
    give_back(origin, GATE_KICKOFFS);
    if (list_is_empty(&origin->queue[POLLS])) {
        give_back(origin, GATE_REQUESTS);
    }
}

/* ---- who has waited too long ---- */

static int64_t overdue_ms(const struct origins *origins, const struct origin *origin, const struct origin_claim *claim)
{
    int64_t progress_ms = gate_progress_ms(origin->gate);
    return (claim->queued_ms > progress_ms ? claim->queued_ms : progress_ms) + origins->config.kickoff_max_wait_ms;
}

static struct origin_claim *oldest(const struct origins *origins, const struct origin *origin)
{
    struct origin_claim *first = origin_first(origin, KICKOFFS);
    struct origin_claim *released = origin_first(origin, RELEASED);
    if (origins->config.kickoff_max_wait_ms == 0 || origin->gate == NULL) {
        return NULL;
    }
    return first == NULL || (released != NULL && released->queued_ms < first->queued_ms) ? released : first;
}

/* A slot is reserved only once there is nothing else to wait for. */
static bool waits_for_rate(const struct origins *origins, const struct origin *origin)
{
    for (int rate = 0; rate < GATE_RATES; rate++) {
        if (origin->slot_ms[rate] != SLOT_NONE && origin->slot_ms[rate] > origins->now_ms) {
            return !gate_is_open(origin->gate);
        }
    }
    return false;
}

static bool is_overdue(const struct origins *origins, const struct origin *origin, const struct origin_claim *claim)
{
    return claim != NULL && overdue_ms(origins, origin, claim) <= origins->now_ms && !waits_for_rate(origins, origin);
}

void origin_gate_arm(struct origins *origins, struct origin *origin)
{
    for (int what = 0; what < GATE_RATES; what++) {
        if (origin->barred_ms[what] > origins->now_ms) {
            look_at(origins, origin, origin->barred_ms[what]);
        }
    }
    const struct origin_claim *claim = oldest(origins, origin);
    if (claim != NULL && list_is_empty(&origin->overdue_node)) {
        int64_t at_ms = overdue_ms(origins, origin, claim);
        look_at(origins, origin, at_ms > origins->now_ms ? at_ms : origins->now_ms + RATE_LOOK_MS);
    }
}

void origin_gate_look(struct origins *origins, struct origin *origin)
{
    if (is_overdue(origins, origin, oldest(origins, origin)) && list_is_empty(&origin->overdue_node)) {
        list_push(&origins->overdue, &origin->overdue_node);
    }
    origin_gate_arm(origins, origin);
    origin_refresh(origins, origin);
}

struct origin_claim *origins_take_overdue(struct origins *origins)
{
    while (!list_is_empty(&origins->overdue)) {
        struct origin *origin = list_entry(origins->overdue.next, struct origin, overdue_node);
        struct origin_claim *claim = oldest(origins, origin);
        if (is_overdue(origins, origin, claim)) {
            origins_leave(origins, claim);
            return claim;
        }
        list_remove(&origin->overdue_node);
        origin_gate_arm(origins, origin);
    }
    return NULL;
}

bool origins_have_overdue(const struct origins *origins)
{
    return !list_is_empty(&origins->overdue);
}
