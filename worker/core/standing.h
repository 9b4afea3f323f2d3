/* standing: where each partition of this worker stands, as of a moment ago.
 *
 * The Kafka thread renews it once a second and at each change of its assignment (standing_renew); any thread reads it.
 * It keeps copies, and outlives the worker: who made the worker made it before. */
#ifndef RXP_CORE_STANDING_H
#define RXP_CORE_STANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct standing;

/* Why no messages are taken from a partition just now; bits. */
enum standing_pause {
    STANDING_PAUSE_LIMIT = 1,    /* max-in-flight or max-in-flight-bytes, or the drain */
    STANDING_PAUSE_WINDOW = 2,   /* its offsets' map might not fit */
    STANDING_PAUSE_ORDERING = 4, /* its lanes hold what they may */
    STANDING_PAUSE_CROWD = 8,    /* too many wait for one origin */
};

enum standing_state { STANDING_RESTORING, STANDING_RUNNING, STANDING_LEAVING };

/* Of the offsets from `frontier` to what was taken last, in so many equal parts, each 0 to 255 of what is in flight in it:
 * a picture, not an account. */
#define STANDING_CELLS 64

struct standing_partition {
    const char *topic; /* holds within standing_each */
    int32_t partition;
    enum standing_state state;
    unsigned pauses;   /* that it is restored, or leaves, is none of them: its state says it */
    int64_t committed; /* -1: nothing, or not known yet */
    int64_t frontier;  /* the lowest that is not done; the same */
    int64_t position;  /* the next to be taken; the same */
    int64_t end;       /* of the log, read_committed; -1: not known (yet) */
    int64_t waiting;   /* in the topic and not taken, as of the last question for the end (5 s); 0 where the end is not known, or not
                        * what is committed. Too high by the offsets that are no messages: compaction, markers, aborted ones */
    int64_t lag;       /* end - committed; the same */
    size_t in_flight;
    size_t span;        /* from the frontier to the highest taken */
    size_t done_beyond; /* of it, done */
    int64_t frontier_age_ms; /* since the lowest incomplete input was taken, by this worker; 0: all is done. Up to 2 s or a sixteenth
                              * too high, whichever is more: kafka/moments.h */
    bool has_cells;          /* somebody asked for them within the last 5 s (standing_want_cells) */
    uint8_t cells[STANDING_CELLS];
};

struct standing_whole {
    bool joined;
    bool draining;
    int64_t broker_seen_mono_ms; /* when a broker last answered (end offsets, a commit, a fetch); 0: never */
    int64_t turn_mono_ms;        /* the Kafka thread's heartbeat: each turn */
    size_t in_flight;            /* jobs */
    size_t in_flight_bytes;
    char trouble[256];           /* the last thing that brokers or librdkafka complained of and that is not over; "" */
};

/* NULL for want of memory. */
struct standing *standing_new(void);
void standing_free(struct standing *standing);

/* ---- the Kafka thread ---- */

void standing_beat(struct standing *standing, int64_t now_mono_ms);
/* Copies. partitions sorted by topic and partition. For want of memory the old one stays. */
void standing_renew(struct standing *standing, const struct standing_whole *whole,
                    const struct standing_partition *partitions, size_t n);
bool standing_wants_cells(const struct standing *standing, int64_t now_mono_ms);

/* ---- any thread ---- */

void standing_read(struct standing *standing, struct standing_whole *out);
typedef void (*standing_fn)(const struct standing_partition *partition, void *opaque);
void standing_each(struct standing *standing, standing_fn fn, void *opaque);
void standing_want_cells(struct standing *standing, int64_t now_mono_ms);

#endif
