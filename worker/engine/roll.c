#include "engine/roll.h"

#include "engine/run.h"

#include <assert.h>
#include <stdlib.h>

#define LEAST_ROOM ((size_t)64)
#define FETCH_AHEAD ((size_t)8)

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
    roll->runs[roll->n++] = run;
}

/* The one at `from` moves into the place that is free; that at `from` is free then. */
static size_t fill(struct roll *roll, size_t place, size_t from)
{
    if (place != from) {
        roll->runs[place] = roll->runs[from];
        roll->runs[place]->slot = (uint32_t)place;
    }
    return from;
}

void roll_remove(struct roll *roll, struct run *run)
{
    if (!has(roll, run)) {
        return;
    }
    size_t place = run->slot;
    if (place < roll->next) {
        place = fill(roll, place, --roll->next);
    }
    if (place < roll->end) {
        place = fill(roll, place, --roll->end);
    }
    fill(roll, place, --roll->n);
}

void roll_begin(struct roll *roll)
{
    roll->next = 0;
    roll->end = roll->n;
}

void roll_stop(struct roll *roll)
{
    roll->next = roll->end = 0;
}

/* It is far away from the loop's caches, most likely. */
static void fetch(const struct run *run)
{
    __builtin_prefetch(&run->slot);
    __builtin_prefetch(&run->started_at_ms);
}

struct run *roll_next(struct roll *roll)
{
    if (roll->next == roll->end) {
        roll_stop(roll);
        return NULL;
    }
    if (roll->end - roll->next > FETCH_AHEAD) {
        fetch(roll->runs[roll->next + FETCH_AHEAD]);
    }
    return roll->runs[roll->next++];
}
