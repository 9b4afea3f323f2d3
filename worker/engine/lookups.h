/* lookups: which names are known, and how many are being looked up: for one loop, and for each of its origins.
 *
 * Pure, a part of origin, which says there what the bounds are for. Each look-up holds a thread until it ends, and one
 * whose request has gone (a stray) goes on without it. Only those of names that are not known count for the loop. */
#ifndef RXP_ENGINE_LOOKUPS_H
#define RXP_ENGINE_LOOKUPS_H

#include "base/list.h"
#include "engine/origin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of one name. All zero at first. */
struct name_lookups {
    size_t n[ORIGIN_CLASSES]; /* under way, strays too */
    size_t strays;            /* of these */
    bool known;
};

struct lookups {
    size_t n[ORIGIN_CLASSES]; /* of the names that are not known */
    struct list strays;       /* the one that ends first in front */
};

void lookups_init(struct lookups *lookups);

/* By the name's own limits. */
bool lookups_may_begin(const struct name_lookups *name);
/* By those of all, for a name that is not known. */
bool lookups_have_room(const struct lookups *lookups, enum origin_class class);

void lookups_begin(struct lookups *lookups, struct name_lookups *name, enum origin_class class);
/* It was none, or it failed. */
void lookups_end(struct lookups *lookups, struct name_lookups *name, enum origin_class class);
/* It ends well: the name is known. */
void lookups_succeed(struct lookups *lookups, struct name_lookups *name, enum origin_class class);
/* The name is unknown from now on. */
void lookups_forget(struct lookups *lookups, struct name_lookups *name);
/* It goes on by itself for ORIGIN_LOOK_UP_MS from now; meanwhile the name must stay where it is. It is unknown then.
 * Without memory for it, it is not counted any more. */
void lookups_stray(struct lookups *lookups, struct name_lookups *name, enum origin_class class, int64_t now_ms);

/* Ends the first stray that is over by then: its name, or NULL when there is none. */
struct name_lookups *lookups_end_stray(struct lookups *lookups, int64_t until_ms);
/* When the next one is over; CLOCK_NEVER. */
int64_t lookups_next_ms(const struct lookups *lookups);

#endif
