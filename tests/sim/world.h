/* world: one simulated world: its time, what is going to happen in it, and its record.
 *
 * One thread, one world at a time: the functions that the worker's code calls (a clock, librdkafka, a pool) have no argument
 * that could say which world they are in, so there is this one. Everything that happens derives from the seed. */
#ifndef RXP_SIM_WORLD_H
#define RXP_SIM_WORLD_H

#include "base/heap.h"
#include "base/list.h"
#include "sim/chance.h"
#include "sim/plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct instance;

/* Something that is going to happen, embedded in what it happens to. */
struct happening {
    struct timer timer;
    void (*happen)(struct happening *happening);
};

struct world {
    uint64_t seed;
    struct chance chance;
    struct plan plan;
    int64_t now_ms;
    struct heap agenda;
    uint64_t events;
    uint64_t fingerprint; /* of all that has happened: equal where a seed is replayed */
    struct instance *current; /* whose code is running; NULL: nobody's */
    bool is_out;              /* no broker can be reached */
    bool coordinator_is_away; /* the group's broker cannot */
    bool results_are_away;    /* the broker of their topic cannot */
    bool notes_are_away;      /* the broker of the checkpoints cannot */
    bool is_over;
    /* The record. */
    bool is_traced;
    int traced_input;   /* only what is about this one, or about none; -1: all */
    char failure[1024]; /* "": none; the first one stays */
    int failed_input;   /* which one it is about; -1: none */
};

extern struct world *world;

void world_init(struct world *new_world, uint64_t seed);
void world_deinit(void);
/* Lets the next thing happen. False where there is nothing more, or a judge has found something. */
bool world_step(void);

void happening_init(struct happening *happening, void (*happen)(struct happening *happening));
void happen_in(struct happening *happening, int64_t ms); /* sets or moves */
void happen_sooner(struct happening *happening, int64_t ms); /* unless it happens before anyway */
void happen_not(struct happening *happening);
bool happens(const struct happening *happening);

int64_t draw(int64_t least, int64_t most);
bool likely(int percent);
/* How long something takes on a network: mostly few milliseconds. */
int64_t draw_latency(void);

/* A line of the record, if anybody reads it. input: which it is about; -1: none. */
void trace(int input, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An invariant does not hold. */
void fail(int input, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fingerprint_add(const void *data, size_t bytes);

#endif
