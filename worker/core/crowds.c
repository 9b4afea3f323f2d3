#include "core/crowds.h"

#include "base/clock.h"
#include "ops/log.h"

#include <inttypes.h>
#include <stdlib.h>

/* A partition that is paused for a gate; both are held. */
struct jam {
    struct list node;
    struct assignment *assignment;
    struct gate *gate;
    bool is_told;
};

void crowds_init(struct crowds *crowds, size_t go_on_at,
                 void (*pause)(struct assignment *assignment, bool pause, void *opaque), void *opaque)
{
    *crowds = (struct crowds){.go_on_at = go_on_at, .pause = pause, .opaque = opaque};
    pthread_mutex_init(&crowds->lock, NULL);
    list_init(&crowds->joined);
    list_init(&crowds->jams);
}

/* The gate that it joined, whose hold is the caller's now; NULL. */
static struct gate *take(struct job_begin *joined)
{
    struct gate *gate = joined->crowd;
    list_remove(&joined->crowd_node);
    joined->crowd = NULL;
    return gate;
}

static void jam_free(struct jam *jam, int64_t now_ms)
{
    list_remove(&jam->node);
    gate_release(jam->gate, now_ms);
    assignment_release(jam->assignment);
    free(jam);
}

void crowds_deinit(struct crowds *crowds, int64_t now_ms)
{
    while (!list_is_empty(&crowds->joined))
        gate_release(take(list_entry(crowds->joined.next, struct job_begin, crowd_node)), now_ms);
    struct list *node;
    while ((node = list_shift(&crowds->jams)) != NULL)
        jam_free(list_entry(node, struct jam, node), now_ms);
    pthread_mutex_destroy(&crowds->lock);
}

/* ---- who joins ---- */

void crowds_join(struct crowds *crowds, struct job *job, struct gate *gate)
{
    pthread_mutex_lock(&crowds->lock);
    job->begin->has_joined = true;
    if (job->begin->crowd == NULL) {
        job->begin->crowd = gate_hold(gate);
        list_push(&crowds->joined, &job->begin->crowd_node);
    }
    pthread_mutex_unlock(&crowds->lock);
}

void crowds_forget(struct crowds *crowds, struct job *job, int64_t now_ms)
{
    if (job->begin == NULL || !job->begin->has_joined)
        return;
    pthread_mutex_lock(&crowds->lock);
    struct gate *gate = take(job->begin);
    pthread_mutex_unlock(&crowds->lock);
    gate_release(gate, now_ms);
}

/* ---- jams ---- */

static struct jam *find(const struct crowds *crowds, const struct assignment *assignment, const struct gate *gate)
{
    for (const struct list *node = crowds->jams.next; node != &crowds->jams; node = node->next) {
        struct jam *jam = list_entry(node, struct jam, node);
        if (jam->assignment == assignment && (gate == NULL || jam->gate == gate))
            return jam;
    }
    return NULL;
}

/* Takes the hold on the gate. Without memory the partition goes on: the next run that joins says it again. */
static void begin(struct crowds *crowds, struct assignment *assignment, struct gate *gate, int64_t now_ms)
{
    struct jam *jam = NULL;
    if (tenure_read(&assignment->tenure) == TENURE_HELD && gate_crowd(gate) > crowds->go_on_at &&
        find(crowds, assignment, gate) == NULL)
        jam = malloc(sizeof *jam);
    if (jam == NULL) {
        gate_release(gate, now_ms);
        return;
    }
    bool is_first = find(crowds, assignment, NULL) == NULL;
    *jam = (struct jam){.assignment = assignment_hold(assignment), .gate = gate, .is_told = now_ms >= crowds->tell_ms};
    crowds->tell_ms = jam->is_told ? now_ms + CROWDS_TELL_MS : crowds->tell_ms;
    list_push(&crowds->jams, &jam->node);
    log_event(jam->is_told ? LOG_INFO : LOG_DEBUG, "partition_crowded", "%s [%" PRId32 "] pauses, since %zu runs wait to be "
              "kicked off at %.200s", assignment->topic, assignment->partition, gate_crowd(gate), gate_key(gate));
    if (is_first)
        crowds->pause(assignment, true, crowds->opaque);
}

static void end(struct crowds *crowds, struct jam *jam, int64_t now_ms)
{
    struct assignment *assignment = jam->assignment;
    log_event(jam->is_told ? LOG_INFO : LOG_DEBUG, "partition_goes_on", "%s [%" PRId32 "] goes on: %zu runs wait to be "
              "kicked off at %.200s", assignment->topic, assignment->partition, gate_crowd(jam->gate), gate_key(jam->gate));
    list_remove(&jam->node);
    if (find(crowds, assignment, NULL) == NULL)
        crowds->pause(assignment, false, crowds->opaque);
    jam_free(jam, now_ms);
}

static void serve_joined(struct crowds *crowds, int64_t now_ms)
{
    pthread_mutex_lock(&crowds->lock);
    while (!list_is_empty(&crowds->joined)) {
        struct job_begin *joined = list_entry(crowds->joined.next, struct job_begin, crowd_node);
        const struct job *job = joined->job;
        struct gate *gate = take(joined);
        pthread_mutex_unlock(&crowds->lock); /* from here on its loop may drop the beginning */
        begin(crowds, job->ref.assignment, gate, now_ms); /* this thread frees jobs: it is there */
        pthread_mutex_lock(&crowds->lock);
    }
    pthread_mutex_unlock(&crowds->lock);
}

int64_t crowds_serve(struct crowds *crowds, int64_t now_ms)
{
    serve_joined(crowds, now_ms);
    struct list *next;
    for (struct list *node = crowds->jams.next; node != &crowds->jams; node = next) {
        struct jam *jam = list_entry(node, struct jam, node);
        next = node->next;
        if (gate_crowd(jam->gate) <= crowds->go_on_at)
            end(crowds, jam, now_ms);
    }
    return list_is_empty(&crowds->jams) ? CLOCK_NEVER : now_ms + CROWDS_LOOK_MS;
}

void crowds_leave(struct crowds *crowds, const struct assignment *assignment, int64_t now_ms)
{
    struct list *next;
    for (struct list *node = crowds->jams.next; node != &crowds->jams; node = next) {
        struct jam *jam = list_entry(node, struct jam, node);
        next = node->next;
        if (jam->assignment == assignment)
            jam_free(jam, now_ms);
    }
}

bool crowds_are_there(const struct crowds *crowds)
{
    return !list_is_empty(&crowds->jams);
}
