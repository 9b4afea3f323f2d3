#include "sim/world.h"

#include "base/clock.h"
#include "base/hash.h"
#include "sim/instance.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* So that a stamp of the worker's cannot be mistaken for a time of the world's. */
#define BEGIN_MS 1000000
#define WALL_MS INT64_C(1700000000000)

struct world *world;

int64_t clock_mono_ms(void)
{
    return world->now_ms;
}

int64_t clock_wall_ms(void)
{
    return WALL_MS + world->now_ms + (world->current != NULL ? world->current->skew_ms : 0);
}

/* No work of the worker's takes any of the world's time. */
int64_t clock_cpu_us(void)
{
    return 0;
}

void world_init(struct world *new_world, uint64_t seed)
{
    memset(new_world, 0, sizeof *new_world);
    world = new_world;
    world->seed = seed;
    world->now_ms = BEGIN_MS;
    world->traced_input = -1;
    world->failed_input = -1;
    world->fingerprint = HASH_START;
    heap_init(&world->agenda);
    chance_init(&world->chance, seed);
    plan_make(&world->plan);
}

void world_deinit(void)
{
    heap_deinit(&world->agenda);
    plan_free(&world->plan);
}

bool world_step(void)
{
    if (world->failure[0] != '\0' || world->is_over)
        return false;
    int64_t next_ms = heap_next_ms(&world->agenda);
    if (next_ms == CLOCK_NEVER)
        return false;
    world->now_ms = next_ms > world->now_ms ? next_ms : world->now_ms;
    struct happening *next = list_entry(heap_take_due(&world->agenda, world->now_ms), struct happening, timer);
    world->events++;
    fingerprint_add(&world->now_ms, sizeof world->now_ms);
    fingerprint_add(world->chance.state, sizeof world->chance.state);
    next->happen(next);
    return true;
}

void happening_init(struct happening *happening, void (*happen)(struct happening *happening))
{
    timer_init(&happening->timer);
    happening->happen = happen;
}

void happen_in(struct happening *happening, int64_t ms)
{
    int failed = heap_set(&world->agenda, &happening->timer, world->now_ms + (ms > 0 ? ms : 0));
    assert(failed == 0);
}

void happen_sooner(struct happening *happening, int64_t ms)
{
    if (!happens(happening) || happening->timer.at_ms > world->now_ms + ms)
        happen_in(happening, ms);
}

void happen_not(struct happening *happening)
{
    heap_clear(&world->agenda, &happening->timer);
}

bool happens(const struct happening *happening)
{
    return timer_is_set(&happening->timer);
}

int64_t draw(int64_t least, int64_t most)
{
    return chance_between(&world->chance, least, most);
}

bool likely(int percent)
{
    return chance_of(&world->chance, percent);
}

int64_t draw_latency(void)
{
    if (likely(world->plan.slow))
        return draw(50, 1500);
    return likely(80) ? draw(1, 5) : draw(5, 50);
}

void fingerprint_add(const void *data, size_t bytes)
{
    world->fingerprint = hash_put(world->fingerprint, data, bytes);
}

void trace(int input, const char *format, ...)
{
    if (!world->is_traced || (world->traced_input >= 0 && input >= 0 && input != world->traced_input))
        return;
    printf("%9.3f %-3s", (double)(world->now_ms - BEGIN_MS) / 1000, instance_name(world->current));
    if (input >= 0)
        printf("#%-3d", input);
    else
        printf("    ");
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void fail(int input, const char *format, ...)
{
    if (world->failure[0] != '\0')
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(world->failure, sizeof world->failure, format, args);
    va_end(args);
    world->failed_input = input;
    trace(input, "FAILED: %s", world->failure);
}
