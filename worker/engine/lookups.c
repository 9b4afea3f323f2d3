#include "engine/lookups.h"

#include "base/clock.h"

#include <stdlib.h>

struct stray {
    struct list node;
    struct name_lookups *name;
    enum origin_class class;
    int64_t ends_ms;
};

void lookups_init(struct lookups *lookups)
{
    *lookups = (struct lookups){0};
    list_init(&lookups->strays);
}

static size_t sum(const size_t n[ORIGIN_CLASSES])
{
    return n[ORIGIN_POLL] + n[ORIGIN_KICKOFF];
}

bool lookups_may_begin(const struct name_lookups *name)
{
    return name->known || sum(name->n) < ORIGIN_MAX_OPENING || sum(name->n) == name->strays;
}

bool lookups_have_room(const struct lookups *lookups, enum origin_class class)
{
    return sum(lookups->n) < ORIGINS_MAX_OPENING &&
           (class == ORIGIN_POLL || lookups->n[ORIGIN_KICKOFF] < ORIGINS_MAX_OPENING - ORIGINS_OPENING_FOR_POLLS);
}

void lookups_begin(struct lookups *lookups, struct name_lookups *name, enum origin_class class)
{
    name->n[class]++;
    lookups->n[class] += !name->known;
}

void lookups_end(struct lookups *lookups, struct name_lookups *name, enum origin_class class)
{
    name->n[class]--;
    lookups->n[class] -= !name->known;
}

void lookups_succeed(struct lookups *lookups, struct name_lookups *name, enum origin_class class)
{
    lookups_end(lookups, name, class);
    for (int i = 0; i < ORIGIN_CLASSES && !name->known; i++) {
        lookups->n[i] -= name->n[i];
    }
    name->known = true;
}

void lookups_forget(struct lookups *lookups, struct name_lookups *name)
{
    for (int i = 0; i < ORIGIN_CLASSES && name->known; i++) {
        lookups->n[i] += name->n[i];
    }
    name->known = false;
}

void lookups_stray(struct lookups *lookups, struct name_lookups *name, enum origin_class class, int64_t now_ms)
{
    lookups_end(lookups, name, class);
    struct stray *stray = malloc(sizeof *stray);
    if (stray == NULL) {
        return;
    }
    *stray = (struct stray){.name = name, .class = class, .ends_ms = now_ms + ORIGIN_LOOK_UP_MS};
    list_push(&lookups->strays, &stray->node);
    name->strays++;
    lookups_forget(lookups, name);
    lookups_begin(lookups, name, class);
}

static struct stray *first(const struct lookups *lookups)
{
    return list_is_empty(&lookups->strays) ? NULL : list_entry(lookups->strays.next, struct stray, node);
}

struct name_lookups *lookups_end_stray(struct lookups *lookups, int64_t until_ms)
{
    struct stray *stray = first(lookups);
    if (stray == NULL || stray->ends_ms > until_ms) {
        return NULL;
    }
    struct name_lookups *name = stray->name;
    lookups_end(lookups, name, stray->class);
    name->strays--;
    list_remove(&stray->node);
    free(stray);
    return name;
}

int64_t lookups_next_ms(const struct lookups *lookups)
{
    const struct stray *stray = first(lookups);
    return stray != NULL ? stray->ends_ms : CLOCK_NEVER;
}
