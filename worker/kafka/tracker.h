/* tracker: the offset window of one partition. Runs end in any order; what is committed is the lowest incomplete
 * offset, with a map of those above it that are done.
 *
 * Pure, no librdkafka, no lock: the Kafka thread alone. Offsets have gaps (compaction, transaction markers): one that
 * was never seen counts as done once a later one is admitted. */
#ifndef RXP_KAFKA_TRACKER_H
#define RXP_KAFKA_TRACKER_H

#include "kafka/offset_map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tracker;

/* committed: the group's committed offset, or -1 where there is none (then the first admitted offset is the start).
 * map: the commit's metadata (may be NULL); one that cannot be read counts as "nothing done" and
 * tracker_map_was_bad says so. NULL for want of memory. */
struct tracker *tracker_new(int64_t committed, const char *map, size_t map_bytes);
void tracker_free(struct tracker *tracker);
bool tracker_map_was_bad(const struct tracker *tracker);

enum tracker_admission {
    TRACKER_NEW,       /* in flight from now on */
    TRACKER_DONE,      /* done before (by the map, or below the frontier): skip it */
    TRACKER_DUPLICATE, /* in flight already (a rewind after a pause): skip it */
    TRACKER_FULL,      /* might not fit: keep it, pause, offer it again */
    TRACKER_MEMORY,
};
/* Offsets must come in the order of delivery, and nothing may be admitted past one that was FULL or MEMORY: what is
 * passed over counts as a gap, that is as done. */
enum tracker_admission tracker_admit(struct tracker *tracker, int64_t offset);

/* All below `offset` has been offered: what was never seen does not exist (the log's end was read, or its beginning moved),
 * so that the frontier may come to stand at `offset`. Nothing where it is not beyond what was admitted. */
void tracker_reach(struct tracker *tracker, int64_t offset);

/* The offset is done. Harmless for one that is not in flight (false). */
bool tracker_done(struct tracker *tracker, int64_t offset);

/* Is it done, be it as a gap? False for what was not offered yet and is not in the map. */
bool tracker_is_done(const struct tracker *tracker, int64_t offset);

/* Might the next offset not fit? Then pause. */
bool tracker_is_full(const struct tracker *tracker);

/* The offset to commit: the lowest incomplete, or the next to come where none is. -1 before the first admission of a
 * tracker without a committed offset. Never moves back. */
int64_t tracker_frontier(const struct tracker *tracker);
/* The commit's metadata. Its length. *end (may be NULL): with it, what is done below this offset is known to who reads it. */
int tracker_map(const struct tracker *tracker, char out[OFFSET_MAP_TEXT_MAX + 1], int64_t *end);

/* Has anything changed since tracker_commit_taken? */
bool tracker_is_dirty(const struct tracker *tracker);
void tracker_commit_taken(struct tracker *tracker);
/* The commit failed: it is dirty again. */
void tracker_commit_failed(struct tracker *tracker);

size_t tracker_in_flight(const struct tracker *tracker);
size_t tracker_span(const struct tracker *tracker);         /* from the frontier to the highest admitted, inclusive */
size_t tracker_done_beyond(const struct tracker *tracker); /* done above the frontier */
/* Above the highest admitted: known by the map, and skipped when they come. */
size_t tracker_done_ahead(const struct tracker *tracker);
/* How much of each of n equal parts of [frontier, the highest admitted] is in flight: 0 nothing, 255 all, and for any at all 1
 * at least. Where there are fewer offsets than parts, one fills several. */
void tracker_cells(const struct tracker *tracker, uint8_t *cells, size_t n);

#endif
