/* gate: what all loops of the process share about one origin: its rates, its breaker, how many runs wait to be kicked off
 * there. Found by a key: the origin's name, or that of whatever else has a rate of its own ("profile NAME").
 *
 * Any thread; each gate has its own lock, and what is asked for each request costs none where it can go. Counted: whoever
 * holds it releases it. One that nobody holds is kept for ten minutes where there is something to remember, 4,096 of
 * them at most. Times are the caller's, on the monotonic clock.
 *
 * Rates. Each slot is 1/rate behind the one before, whoever takes it; who was given one waits for its time, so that loops
 * go in the order in which they asked. One that comes late loses nothing within 20 ms; what was not used earlier than that
 * is gone, so that no burst follows a rest.
 *
 * Breaker. It opens at so many network failures in a row, whatever request had them; any HTTP answer closes it. While it
 * is open kickoffs wait, but for one every few seconds, a probe. A probe whose answer is long in coming does not keep the
 * next one from going.
 *
 *   CLOSED ── failures in a row ──> OPEN ── an answer ──> CLOSED */
#ifndef RXP_ENGINE_GATE_H
#define RXP_ENGINE_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GATE_KEEP_MS 600000
#define GATES_MAX_RESTING 4096
#define GATE_LATE_MS 20
/* A breaker that is open is looked at so often by those that wait: another loop may have closed it. */
#define GATE_LOOK_MS 100

struct gates;
struct gate;

struct gates_config {
    double kickoffs_per_second; /* of each origin; 0: no limit */
    double requests_per_second; /* the same */
    int breaker_failures;       /* 0: no breaker */
    int64_t breaker_probe_ms;
};

/* NULL for want of memory. */
struct gates *gates_new(const struct gates_config *config);
/* Gates that are still held stay until they are released. NULL is harmless. */
void gates_free(struct gates *gates);
/* How many there are, held or not. */
size_t gates_count(struct gates *gates);
/* Calls back for each under a lock that loops want for new origins: be brief, and ask no gate for another. */
typedef void (*gates_fn)(const struct gate *gate, void *opaque);
void gates_each(struct gates *gates, gates_fn fn, void *opaque);

/* The gate of this key, which is copied; the caller holds it. NULL for want of memory. */
struct gate *gates_get(struct gates *gates, const char *key, int64_t now_ms);
struct gate *gate_hold(struct gate *gate);
void gate_release(struct gate *gate, int64_t now_ms); /* NULL is harmless */
const char *gate_key(const struct gate *gate);

/* ---- rates ---- */

enum gate_rate { GATE_KICKOFFS, GATE_REQUESTS };
#define GATE_RATES 2

/* The caller's slot: when it may go; INT64_MIN: at once, there is no such limit. */
int64_t gate_reserve(struct gate *gate, enum gate_rate rate, int64_t now_ms);
/* It does not go. */
void gate_give_back(struct gate *gate, enum gate_rate rate);
/* The same by a rate of the caller's own, above 0: one key, one rate. */
int64_t gate_reserve_at(struct gate *gate, double per_second, int64_t now_ms);

/* ---- the breaker ---- */

/* An HTTP answer came, whatever it says. */
void gate_answered(struct gate *gate, int64_t now_ms);
/* A request had a network failure, or was cut short on the wire since its run's time was out. */
void gate_failed(struct gate *gate, int64_t now_ms);

/* When a kickoff may ask again; INT64_MIN: now. */
int64_t gate_look_ms(struct gate *gate, int64_t now_ms);
enum gate_leave { GATE_GO, GATE_PROBE, GATE_WAIT };
/* May one kickoff go? The one that is let go as a probe is the only one for a while. */
enum gate_leave gate_ask(struct gate *gate, int64_t now_ms);
/* The probe did not go after all. */
void gate_return_probe(struct gate *gate, int64_t now_ms);
bool gate_is_open(const struct gate *gate);

/* ---- progress ---- */

/* A kickoff went that was no probe. */
void gate_went(struct gate *gate, int64_t now_ms);
/* When one last went, or an answer came; 0: never. */
int64_t gate_progress_ms(const struct gate *gate);

/* ---- the crowd ---- */

/* A run waits to be kicked off, in whatever state. How many there are now. */
size_t gate_join(struct gate *gate);
void gate_leave(struct gate *gate);
size_t gate_crowd(const struct gate *gate);

#endif
