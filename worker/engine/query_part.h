/* query_part: one loop's share of a query: the lowest `limit` rows of its own runs, and the way back to the query.
 *
 * Made by whoever puts the query to the pool; the loop's from then on, without a lock; the query's again when it is over. */
#ifndef RXP_ENGINE_QUERY_PART_H
#define RXP_ENGINE_QUERY_PART_H

#include "base/list.h"
#include "engine/pool.h"
#include "engine/query.h"
#include "engine/run.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct query_kept {
    struct query_row row; /* its strings are in `text`, the key's topic as well */
    char *text;
    size_t room;
};

/* What a row is ordered by, in small. */
struct query_place {
    int64_t started_at_ms; /* of its key */
    uint32_t at;           /* in `kept` */
};

struct query_part {
    struct list node;
    struct query *query;
    const struct query_filter *filter; /* the query's */
    struct query_kept *kept;
    struct query_place *heap; /* as many: the highest key first; the lowest first once query_part_put_in_order was called */
    size_t n;
    size_t room;
    size_t taken; /* of these, as it is read */
    size_t matching;
    int64_t cpu_us; /* of the loop's thread, so far */
    bool lacked_memory;
};

/* The query will be answered by so many parts. Before the first of them is made, once. */
void query_expect(struct query *query, size_t n_parts);
/* One of them. NULL for want of memory: it counts as unanswered already. */
struct query_part *query_part_new(struct query *query);
/* Does somebody still want it? */
bool query_part_is_wanted(const struct query_part *part);
/* mono_ms, wall_ms: now. Most runs of most walks are neither shown nor left out by their texts: of these it looks at nothing
 * but the phase and the beginning. */
void query_part_visit(struct query_part *part, struct run *run, const struct pool_hooks *hooks, int64_t mono_ms, int64_t wall_ms);
/* It is over: every run was visited (is_answer), or it won't be. The last one ends the query. Takes the part. */
void query_part_end(struct query_part *part, bool is_answer);

/* ---- query.c's own ---- */

int query_key_compare(const struct query_key *a, const struct query_key *b);
/* No more visits. */
void query_part_put_in_order(struct query_part *part);
/* After that: the row that is to be taken next, of which there is one. */
static inline const struct query_row *query_part_row(const struct query_part *part)
{
    return &part->kept[part->heap[part->taken].at].row;
}
void query_part_free(struct query_part *part);

#endif
