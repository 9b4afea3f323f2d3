#include "kafka/marks.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 64 };

static int grow(struct marks *marks, size_t n)
{
    size_t room = marks->room > 0 ? marks->room : FIRST_ROOM;
    if (n <= marks->room)
        return 0;
    while (room < n)
        room *= 2;
    struct consumer_mark *grown = realloc(marks->mark, room * sizeof *grown);
    if (grown == NULL)
        return -1;
    marks->mark = grown;
    marks->room = room;
    return 0;
}

int marks_add(struct marks *marks, int64_t offset, uint64_t tag)
{
    if (grow(marks, marks->n + 1) != 0)
        return -1;
    marks->mark[marks->n++] = (struct consumer_mark){.offset = offset, .tag = tag};
    return 0;
}

void marks_take(struct marks *marks, const struct tracker *tracker, int64_t map_end)
{
    assert(marks->taken == 0);
    int64_t frontier = tracker_frontier(tracker);
    for (size_t i = 0; i < marks->n; i++) {
        struct consumer_mark mark = marks->mark[i];
        if (mark.offset >= frontier && (mark.offset >= map_end || !tracker_is_done(tracker, mark.offset)))
            continue;
        marks->mark[i] = marks->mark[marks->taken];
        marks->mark[marks->taken++] = mark;
    }
}

void marks_give_back(struct marks *marks)
{
    marks->taken = 0;
}

/* Without memory for those that stay, all wait for the next commit. */
void marks_accept(struct marks *marks, struct marks *out)
{
    *out = (struct marks){0};
    size_t left = marks->n - marks->taken;
    struct marks rest = {0};
    if (marks->taken > 0 && grow(&rest, left) == 0) {
        if (left > 0)
            memcpy(rest.mark, marks->mark + marks->taken, left * sizeof *rest.mark);
        rest.n = left;
        *out = *marks;
        out->n = marks->taken;
        *marks = rest;
    }
    marks->taken = 0;
    out->taken = 0;
}

void marks_clear(struct marks *marks)
{
    free(marks->mark);
    *marks = (struct marks){0};
}
