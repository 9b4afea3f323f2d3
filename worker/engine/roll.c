#include "engine/roll.h"

#include "engine/run.h"

#include <assert.h>
#include <stdlib.h>

#define LEAST_ROOM ((size_t)64)

static bool has(const struct roll *roll, const struct run *run)
{
    return run->slot < roll->n && roll->runs[run->slot] == run;
}

void roll_init(struct roll *roll)
{
    *roll = (struct roll){0};
}

void roll_deinit(struct roll *roll)
{
    free(roll->runs);
    roll_init(roll);
}

int roll_reserve(struct roll *roll, size_t n)
{
    if (n <= roll->room) {
        return 0;
    }
    size_t room = roll->room < LEAST_ROOM ? LEAST_ROOM : roll->room;
    while (room < n) {
        room *= 2;
    }
    struct run **runs = room <= ROLL_MAX ? realloc(roll->runs, room * sizeof(struct run *)) : NULL;
    if (runs == NULL) {
        return -1;
    }
    roll->runs = runs;
    roll->room = room;
    return 0;
}

void roll_add(struct roll *roll, struct run *run)
{
    if (has(roll, run)) {
        return;
    }
    assert(roll->n < roll->room);
    run->slot = (uint32_t)roll->n;
    run->lap = roll->lap;
    roll->runs[roll->n++] = run;
}

void roll_remove(struct roll *roll, struct run *run)
{
    if (!has(roll, run)) {
        return;
    }
    struct run *last = roll->runs[--roll->n];
    last->slot = run->slot;
    roll->runs[run->slot] = last;
}

void roll_begin(struct roll *roll, struct roll_walk *walk)
{
    roll->lap = !roll->lap;
    walk->left = roll->n;
}

struct run *roll_next(const struct roll *roll, struct roll_walk *walk)
{
    if (walk->left > roll->n) {
        walk->left = roll->n;
    }
    while (walk->left > 0) {
        struct run *run = roll->runs[--walk->left];
        if (run->lap != roll->lap) {
            run->lap = roll->lap;
            return run;
        }
    }
    return NULL;
}
