/* line: the runs that are due for a poll at one origin, where as many polls wait for a place already as it pays to have awake.
 * They wait their turn as they are, asleep if they can (nap.h), first come, first served:
 *
 *   due ── line_enter ──> WAITING ── lines_next ──> SEATED ── line_leave ──> in no line
 *             └─────────── a seat is free ────────────^
 *
 * A seat is for a poll from the moment that it may be made until it has a place at its origin, or is not to be sent after all.
 * Origins that hang have pool_config.line_seats awake, and as many more that came before they were looked at; those on the
 * wire and the first polls after a kickoff or a resume besides: these never rested, and are in no line.
 *
 * As long as a runner has few requests under way none of its runs is asked for its origin, which costs 1k instructions.
 *
 * Owned by the runner; the loop thread. */
#ifndef RXP_ENGINE_LINE_H
#define RXP_ENGINE_LINE_H

#include "engine/run.h"

#include <stdbool.h>

struct lines;
struct runner;

/* NULL is harmless. Nobody may be in one. */
void lines_free(struct lines *lines);

/* It is due for a poll, and in no list but its runner's. True: it may go, with a seat or in no line at all (there are few
 * requests, or it lacks memory or an address). False: it waits, in its line's list, or at first in the runner's walk. Again:
 * harmless. */
bool line_enter(struct run *run);
/* Its poll has left its queue, or there is none any more. It is in its runner's list then. Harmless for one in no line. */
void line_leave(struct run *run);
bool line_has_waiting(const struct run *run);

/* The next that may go: it has a seat now, and is in its runner's list. Lines take turns. NULL: none. */
struct run *lines_next(struct runner *runner);
bool lines_have_next(const struct lines *lines);

/* All that wait, moved to the runner's walk; and one of them back from it, to the end of its line. */
void lines_walk(struct runner *runner);
void line_take_back(struct run *run);

#endif
