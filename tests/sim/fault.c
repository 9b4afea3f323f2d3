#include "sim/fault.h"

#include "sim/judge.h"

#include <string.h>

static struct {
    struct happening planned[FAULTS_MAX];
    struct instance *struck[FAULTS_MAX];
    bool has_struck[FAULTS_MAX];
    struct happening replace;
    int missing;
    int to_provoke;
    struct happening crash; /* a provoked one */
    struct instance *crashing;
    struct happening mend; /* of a provoked cut */
    struct instance *cut;
} faults;

static void replace(struct happening *happening)
{
    (void)happening;
    while (faults.missing > 0) {
        faults.missing--;
        instance_start();
    }
}

static void start_later(void)
{
    faults.missing++;
    happen_in(&faults.replace, likely(50) ? draw(0, 500) : draw(500, 8000));
}

static void excuse_all(void)
{
    for (int i = 0; i < n_instances_ever; i++)
        judge_excuse(instances[i].number);
}

/* ---- planned ones ---- */

static void crash(struct instance *instance)
{
    judge_excuse(instance->number);
    instance_crash(instance);
    start_later();
}

/* Of one instance. False where there is nothing to heal. */
static bool strike_one(const struct fault *fault, struct instance *instance)
{
    switch (fault->kind) {
    case FAULT_CRASH:
        crash(instance);
        return false;
    case FAULT_FREEZE:
        instance_freeze(instance, fault->lasts_ms);
        return false;
    case FAULT_CUT:
        instance_cut(instance, true);
        return true;
    case FAULT_STOP:
        instance_stop(instance);
        start_later();
        return false;
    case FAULT_OUTAGE:
    case FAULT_COORDINATOR:
    case FAULT_RESULTS:
    case FAULT_NOTES:
    case FAULT_JOIN:
    case FAULT_KINDS:
        break;
    }
    return false;
}

static bool strike(const struct fault *fault, struct instance **struck)
{
    switch (fault->kind) {
    case FAULT_OUTAGE:
        world->is_out = true;
        excuse_all();
        return true;
    case FAULT_COORDINATOR:
        world->coordinator_is_away = true;
        excuse_all();
        return true;
    case FAULT_RESULTS:
        world->results_are_away = true;
        excuse_all();
        return true;
    case FAULT_NOTES:
        world->notes_are_away = true;
        excuse_all();
        return true;
    case FAULT_JOIN:
        if (instances_alive() < INSTANCES_MAX)
            instance_start();
        return false;
    case FAULT_CRASH:
    case FAULT_FREEZE:
    case FAULT_CUT:
    case FAULT_STOP:
    case FAULT_KINDS:
        break;
    }
    *struck = instance_draw();
    return *struck != NULL && strike_one(fault, *struck);
}

static void heal(const struct fault *fault, struct instance *struck)
{
    trace(-1, "healed: %s", fault_name(fault->kind));
    if (fault->kind == FAULT_OUTAGE)
        world->is_out = false;
    else if (fault->kind == FAULT_COORDINATOR)
        world->coordinator_is_away = false;
    else if (fault->kind == FAULT_RESULTS)
        world->results_are_away = false;
    else if (fault->kind == FAULT_NOTES)
        world->notes_are_away = false;
    else
        instance_cut(struck, false);
    if (fault->kind != FAULT_CUT)
        excuse_all();
}

static void serve_planned(struct happening *happening)
{
    int i = (int)(happening - faults.planned);
    const struct fault *fault = &world->plan.fault[i];
    if (faults.has_struck[i]) {
        heal(fault, faults.struck[i]);
        return;
    }
    faults.has_struck[i] = true;
    trace(-1, "FAULT: %s", fault_name(fault->kind));
    if (strike(fault, &faults.struck[i]))
        happen_in(happening, fault->lasts_ms);
}

/* ---- provoked ones ---- */

static void crash_provoked(struct happening *happening)
{
    (void)happening;
    if (faults.crashing->worker != NULL)
        crash(faults.crashing);
}

static void mend_provoked(struct happening *happening)
{
    (void)happening;
    instance_cut(faults.cut, false);
}

static void last_until(int64_t ms)
{
    if (world->plan.healed_ms < world->now_ms + ms)
        world->plan.healed_ms = world->now_ms + ms;
}

void provoke(struct instance *instance, enum moment moment)
{
    static const char *const names[] = {"produce",  "a send",      "an append",       "a commit", "a commit's answer", "a request",
                                        "an answer", "a transaction", "its answer", "a restore", "a rebalance", "an assign", "a revoke"};
    int64_t lasts_ms;
    const struct plan *plan = &world->plan;
    if (faults.to_provoke == 0 || (plan->provoked_at != MOMENTS && plan->provoked_at != moment))
        return;
    if (instance == NULL || instance->worker == NULL || instance->is_frozen || instance->is_cut ||
        draw(1, plan->provoked_chance) != 1)
        return;
    faults.to_provoke--;
    lasts_ms = draw(world->plan.session_ms, 4 * world->plan.session_ms);
    trace(-1, "FAULT, provoked amid %s", names[moment]);
    last_until(lasts_ms);
    if (likely(30) && !happens(&faults.crash)) {
        faults.crashing = instance;
        happen_in(&faults.crash, 0);
    } else if (likely(30) && !happens(&faults.mend)) {
        faults.cut = instance;
        instance_cut(instance, true);
        happen_in(&faults.mend, lasts_ms);
    } else {
        instance_freeze(instance, lasts_ms);
    }
}

/* ---- all of them ---- */

void faults_begin(void)
{
    memset(&faults, 0, sizeof faults);
    happening_init(&faults.replace, replace);
    happening_init(&faults.crash, crash_provoked);
    happening_init(&faults.mend, mend_provoked);
    faults.to_provoke = world->plan.n_provoked;
    for (int i = 0; i < world->plan.n_faults; i++) {
        happening_init(&faults.planned[i], serve_planned);
        happen_in(&faults.planned[i], world->plan.fault[i].at_ms - world->now_ms);
    }
}

void faults_end(void)
{
    faults.to_provoke = 0;
}

int faults_missing(void)
{
    return faults.missing;
}
