#include "kafka/consumer_inside.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { LOOK_EVERY_MS = 100 }; /* no event tells that the last holder has let go */

/* ---- what is to be told ---- */

void notice_add(struct consumer *consumer, struct assignment *assignment, enum notice_kind kind)
{
    struct notice *notice = calloc(1, sizeof *notice);
    if (notice == NULL) {
        trouble_fatal(consumer, "out of memory while a partition comes or leaves");
        return;
    }
    notice->assignment = assignment_hold(assignment);
    notice->kind = kind;
    list_push(&consumer->notices, &notice->node);
}

static void tell(struct consumer *consumer, const struct notice *notice)
{
    void *opaque = consumer->hooks.opaque;
    switch (notice->kind) {
    case NOTICE_REVOKED:
        consumer->hooks.leaving(notice->assignment, LEAVING_REVOKED, opaque);
        break;
    case NOTICE_LOST:
        consumer->hooks.leaving(notice->assignment, LEAVING_LOST, opaque);
        break;
    case NOTICE_OVER:
        consumer->hooks.leaving(notice->assignment, LEAVING_OVER, opaque);
        break;
    }
}

static struct notice *next(struct consumer *consumer)
{
    struct list *node = list_shift(&consumer->notices);
    return node != NULL ? list_entry(node, struct notice, node) : NULL;
}

static void notice_free(struct notice *notice)
{
    assignment_release(notice->assignment);
    free(notice);
}

void notices_tell(struct consumer *consumer)
{
    struct notice *notice;
    while ((notice = next(consumer)) != NULL) {
        tell(consumer, notice);
        notice_free(notice);
    }
}

void notices_drop(struct consumer *consumer)
{
    struct notice *notice;
    while ((notice = next(consumer)) != NULL)
        notice_free(notice);
}

/* ---- assignments that are the consumer's no more ---- */

void tenure_end(struct consumer *consumer, struct assignment *assignment)
{
    if (tenure_read(&assignment->tenure) == TENURE_OVER)
        return;
    tenure_set(&assignment->tenure, TENURE_OVER);
    assignment->over_ms = consumer->now_ms;
    notice_add(consumer, assignment, NOTICE_OVER);
}

/* One whose tenure is not over yet keeps the consumer's hold until it is; the others are in the list only as long as
 * somebody else holds them or writes for them. */
void ended_add(struct consumer *consumer, struct assignment *assignment)
{
    assignment->own = NULL;
    list_push(&consumer->ended, &assignment->node);
    if (tenure_read(&assignment->tenure) == TENURE_OVER)
        assignment_release(assignment);
    else
        assignment->over_ms = consumer->now_ms + consumer->handover_ms;
}

void ended_serve(struct consumer *consumer)
{
    struct list *following;
    for (struct list *node = consumer->ended.next; node != &consumer->ended; node = following) {
        struct assignment *assignment = list_entry(node, struct assignment, node);
        following = node->next;
        if (tenure_read(&assignment->tenure) == TENURE_OVER ||
            (consumer->now_ms < assignment->over_ms && !assignment_is_quiet(assignment, 1)))
            continue;
        tenure_end(consumer, assignment);
        assignment_release(assignment);
    }
}

void ended_drop(struct consumer *consumer)
{
    struct list *node;
    while ((node = list_shift(&consumer->ended)) != NULL) {
        struct assignment *assignment = list_entry(node, struct assignment, node);
        if (tenure_read(&assignment->tenure) == TENURE_OVER)
            continue;
        tenure_set(&assignment->tenure, TENURE_OVER);
        assignment_release(assignment);
    }
}

int64_t ended_next_ms(const struct consumer *consumer)
{
    for (const struct list *node = consumer->ended.next; node != &consumer->ended; node = node->next) {
        if (tenure_read(&list_entry(node, struct assignment, node)->tenure) != TENURE_OVER)
            return consumer->now_ms + LOOK_EVERY_MS;
    }
    return CLOCK_NEVER;
}

/* What its runs and writes say would be about the offsets that the new one begins with. */
bool ended_is_in_the_way(const struct consumer *consumer, const struct assignment *later)
{
    for (const struct list *node = consumer->ended.next; node != &consumer->ended; node = node->next) {
        const struct assignment *assignment = list_entry(node, struct assignment, node);
        int64_t more_ms = atomic_load(&assignment->writes) > 0 ? consumer->write_ms : consumer->handover_ms;
        bool gets_time = tenure_read(&assignment->tenure) != TENURE_OVER || consumer->now_ms < assignment->over_ms + more_ms;
        if (gets_time && assignment->partition == later->partition && strcmp(assignment->topic, later->topic) == 0)
            return true;
    }
    return false;
}
