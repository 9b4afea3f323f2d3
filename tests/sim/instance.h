/* instance: one simulated process: a real worker (core/worker.h) with its turns. */
#ifndef RXP_SIM_INSTANCE_H
#define RXP_SIM_INSTANCE_H

#include "core/worker.h"
#include "sim/world.h"

struct instance {
    int number; /* from 1, never again */
    struct worker *worker; /* NULL once it has ended */
    struct happening turn;
    int64_t skew_ms; /* of its clock on the wall */
    bool is_frozen;
    int64_t thaw_ms;
    bool is_cut;
    bool is_stopping;
    int64_t stopped_ms;
};

/* The next one, started. */
struct instance *instance_start(void);
/* Gone at once: what it has put on the wire goes on, everything else is no more. */
void instance_crash(struct instance *instance);
void instance_stop(struct instance *instance); /* it drains and ends */
void instance_freeze(struct instance *instance, int64_t ms);
void instance_cut(struct instance *instance, bool cut);

/* Something is there for its Kafka thread. */
void instance_wake(struct instance *instance);
/* 0 where it runs; else how long until it does, a moment included. */
int64_t instance_sleeps_ms(const struct instance *instance);
const char *instance_name(const struct instance *instance);

/* Of those that are alive. */
#define INSTANCES_EVER 64
extern struct instance instances[INSTANCES_EVER];
extern int n_instances_ever;
int instances_alive(void);
/* One that is alive, runs and is not stopping; NULL: there is none. */
struct instance *instance_draw(void);
void instances_reset(void); /* for a new world */

#endif
