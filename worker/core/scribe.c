#include "core/scribe_inside.h"

#include "base/clock.h"
#include "ops/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the local queue refused is tried again so much later. */
#define RETRY_MS 50
/* A partition that is there but not yet known to the producer: it looks anew every five seconds, or as often as the user says
 * (librdkafka's own: five minutes). */
#define UNREACHABLE_RETRY_MS 1000
#define UNREACHABLE_MS 330000
#define REFUSAL_LOG_MS 1000

static void count(atomic_uint_fast64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- sending ---- */

/* At most one line a second: URLs that are too long for the topic can come by the thousand. */
static void tell_given_up(struct scribe *scribe, const struct ledger_write *write, const char *reason)
{
    static const char *const effects[] = {
        [WRITE_RUN] = "its run goes on, but a crash would start it again",
        [WRITE_INTENT] = "its kickoff does not go",
        [WRITE_TOMBSTONE] = "the record stays until its partition is assigned anew",
    };
    if (scribe->refusal_told_ms != 0 && scribe->now_ms < scribe->refusal_told_ms + REFUSAL_LOG_MS) {
        scribe->refusals_untold++;
        return;
    }
    log_event(LOG_WARN, "checkpoint_refused", "%s: %s; %s (and %zu others since the last such line)", write->key, reason,
              effects[write->kind], scribe->refusals_untold);
    scribe->refusal_told_ms = scribe->now_ms;
    scribe->refusals_untold = 0;
}

static void keep(struct scribe *scribe, struct list *list, struct ledger_write *write)
{
    list_push(list, &write->node);
    write_index_add(&scribe->pending, write);
}

/* Harmless for one that is not kept. */
static void unkeep(struct scribe *scribe, struct ledger_write *write)
{
    list_remove(&write->node);
    write_index_remove(&scribe->pending, write);
}

static void send_write(struct scribe *scribe, struct ledger_write *write);

static void tell_intent(struct scribe *scribe, struct job *job, const char *failure)
{
    job->begin->intent = NULL;
    if (failure != NULL) {
        char sentence[SCRIBE_WHY_BYTES + 128];
        snprintf(sentence, sizeof sentence, "its intent could not be written to '%s': %s", scribe->config.topic, failure);
        scribe->hooks.intent_failed(job, sentence, scribe->hooks.opaque);
    } else {
        scribe->hooks.intent_written(job, scribe->hooks.opaque);
    }
}

/* It is not kept, and came to its end, one way or the other: what waited for it goes on. */
static void end_write(struct scribe *scribe, struct ledger_write *write, const char *failure)
{
    struct job *job = write->job;
    struct ledger_write *follower = write->follower;
    if (job != NULL && write->kind == WRITE_INTENT)
        tell_intent(scribe, job, failure);
    else if (job != NULL)
        job->note = follower != NULL && follower->job == job ? follower : NULL;
    scribe_unmake(scribe, write);
    if (follower != NULL)
        send_write(scribe, follower);
}

static void give_up(struct scribe *scribe, struct ledger_write *write, const char *reason)
{
    count(&scribe->given_up);
    end_write(scribe, write, reason);
}

static void refuse(struct scribe *scribe, struct ledger_write *write, const char *reason)
{
    tell_given_up(scribe, write, reason);
    give_up(scribe, write, reason);
}

static void straggle(struct scribe *scribe, struct ledger_write *write, bool out)
{
    keep(scribe, &scribe->stragglers, write);
    write->out = out;
    if (!out && scribe->straggle_at_ms == CLOCK_NEVER)
        scribe->straggle_at_ms = scribe->now_ms + UNREACHABLE_RETRY_MS;
}

/* The publisher does not know the partition. It was made sure of before the input was read, so it will be known. */
static void unreachable(struct scribe *scribe, struct ledger_write *write, const char *reason)
{
    if (write->until_ms == 0)
        write->until_ms = scribe->now_ms + UNREACHABLE_MS;
    if (scribe->now_ms >= write->until_ms)
        refuse(scribe, write, reason);
    else
        straggle(scribe, write, false);
}

/* The write is not kept. */
static void send_write(struct scribe *scribe, struct ledger_write *write)
{
    char why[SCRIBE_WHY_BYTES] = "";
    if (scribe->publisher == NULL) {
        give_up(scribe, write, "the worker is ending");
        return;
    }
    enum publisher_send sent = scribe_offer(scribe, write, why);
    if (sent == PUBLISHER_REFUSED && !write->alone) {
        write->alone = true;
        sent = scribe_offer(scribe, write, why);
    }
    switch (sent) {
    case PUBLISHER_SENT: /* this thread's reports come later, in publisher_turn */
        if (write->alone || write->until_ms != 0)
            straggle(scribe, write, true);
        else if (write->is_again || write->follower != NULL)
            write_index_add(&scribe->pending, write); /* its tombstone, and what is newer, waits for it */
        break;
    case PUBLISHER_FULL:
        keep(scribe, &scribe->retries, write);
        break;
    case PUBLISHER_REFUSED:
        refuse(scribe, write, why);
        break;
    case PUBLISHER_UNREACHABLE:
        unreachable(scribe, write, why);
        break;
    case PUBLISHER_FATAL:
        give_up(scribe, write, why);
        break;
    }
}

void scribe_delivered(struct scribe *scribe, struct parcel *parcel, enum delivery delivery, const char *reason)
{
    struct ledger_write *write = (struct ledger_write *)(void *)parcel;
    bool handed = atomic_load_explicit(&write->handed, memory_order_acquire);
    (void)handed;
    unkeep(scribe, write);
    switch (delivery) {
    case DELIVERY_ACKNOWLEDGED:
        count(write->kind == WRITE_TOMBSTONE ? &scribe->erased : &scribe->written);
        end_write(scribe, write, NULL);
        break;
    case DELIVERY_REFUSED:
        if (write->alone) {
            refuse(scribe, write, reason);
            break;
        }
        write->alone = true;
        send_write(scribe, write);
        break;
    case DELIVERY_UNREACHABLE:
        unreachable(scribe, write, reason);
        break;
    case DELIVERY_LOST:
        give_up(scribe, write, reason);
        break;
    }
}

/* ---- what loop threads made ---- */

/* Behind the record of the same run that is under way. */
static void write_after(struct scribe *scribe, struct ledger_write *write)
{
    struct ledger_write *before = write->job->note;
    if (before == NULL) {
        write->job->note = write;
        send_write(scribe, write);
        return;
    }
    struct ledger_write *older = before->follower;
    if (older != NULL && older->kind == WRITE_TOMBSTONE) {
        scribe_unmake(scribe, write); /* nobody will want to know */
        return;
    }
    before->follower = write;
    if (older != NULL)
        scribe_unmake(scribe, older);
    if (!before->is_indexed)
        write_index_add(&scribe->pending, before); /* its tombstone must find it, to wait for both */
}

static void take_mailbox(struct scribe *scribe)
{
    struct list taken;
    struct list *node;
    list_init(&taken);
    mailbox_take(&scribe->mailbox, &taken);
    while ((node = list_shift(&taken)) != NULL) {
        struct ledger_write *write = list_entry(node, struct ledger_write, node);
        if (write->is_again)
            write_after(scribe, write);
        else
            keep(scribe, &scribe->retries, write);
    }
}

/* ---- erasing ---- */

static void send_tombstone(struct scribe *scribe, struct ledger_write *tombstone)
{
    take_mailbox(scribe);
    struct ledger_write *pending = write_index_find(&scribe->pending, tombstone);
    if (pending != NULL)
        ledger_write_follow(pending, tombstone);
    else
        send_write(scribe, tombstone);
}

void scribe_erase(struct scribe *scribe, const struct assignment *assignment, int64_t offset, uint64_t writer)
{
    const struct place place = {assignment, offset, writer};
    struct ledger_write *tombstone = scribe_make(scribe, WRITE_TOMBSTONE, &place, NULL, 0);
    if (tombstone != NULL)
        send_tombstone(scribe, tombstone);
}

void scribe_withdraw(struct scribe *scribe, struct job *job, uint64_t writer)
{
    const struct place place = {job->ref.assignment, job->ref.offset, writer};
    struct ledger_write *intent = job->begin != NULL ? job->begin->intent : NULL;
    struct ledger_write *tombstone = scribe_make(scribe, WRITE_TOMBSTONE, &place, NULL, 0);
    scribe_forget(scribe, job);
    if (tombstone == NULL)
        return; /* then whoever finds the intent cannot know that nothing was sent */
    ledger_write_hold(tombstone, job->ref.assignment);
    if (intent != NULL)
        ledger_write_follow(intent, tombstone);
    else
        send_tombstone(scribe, tombstone);
}

void scribe_forget(struct scribe *scribe, struct job *job)
{
    if (job->noted_again)
        take_mailbox(scribe); /* there may be one that still names the job */
    if (job->begin != NULL && job->begin->intent != NULL) {
        job->begin->intent->job = NULL;
        job->begin->intent = NULL;
    }
    for (struct ledger_write *write = job->note; write != NULL; write = write->follower)
        write->job = NULL;
    job->note = NULL;
}

/* ---- turns ---- */

/* Until the publisher is full again, or all have been offered once. */
static void serve_retries(struct scribe *scribe)
{
    struct list due;
    struct list *node;
    if (scribe->now_ms < scribe->retry_at_ms)
        return;
    list_init(&due);
    list_splice(&due, &scribe->retries);
    while (list_is_empty(&scribe->retries) && (node = list_shift(&due)) != NULL) {
        struct ledger_write *write = list_entry(node, struct ledger_write, node);
        unkeep(scribe, write);
        send_write(scribe, write);
    }
    scribe->retry_at_ms = list_is_empty(&scribe->retries) ? 0 : scribe->now_ms + RETRY_MS;
    list_splice(&scribe->retries, &due);
}

static void serve_stragglers(struct scribe *scribe)
{
    struct list all;
    struct list *node;
    if (scribe->now_ms < scribe->straggle_at_ms)
        return;
    scribe->straggle_at_ms = CLOCK_NEVER;
    list_init(&all);
    list_splice(&all, &scribe->stragglers);
    while ((node = list_shift(&all)) != NULL) {
        struct ledger_write *write = list_entry(node, struct ledger_write, node);
        if (write->out) {
            list_push(&scribe->stragglers, node);
            continue;
        }
        unkeep(scribe, write);
        send_write(scribe, write);
    }
}

void scribe_turn(struct scribe *scribe, int64_t now_ms, int64_t *next_ms)
{
    scribe->now_ms = now_ms;
    take_mailbox(scribe);
    serve_stragglers(scribe);
    serve_retries(scribe);
    *next_ms = scribe->straggle_at_ms;
    if (!list_is_empty(&scribe->retries) && scribe->retry_at_ms < *next_ms)
        *next_ms = scribe->retry_at_ms;
}

void scribe_read_counts(const struct scribe *scribe, struct scribe_counts *out)
{
    *out = (struct scribe_counts){
        .outstanding = atomic_load_explicit(&scribe->outstanding, memory_order_relaxed),
        .outstanding_bytes = atomic_load_explicit(&scribe->outstanding_bytes, memory_order_relaxed),
        .written = atomic_load_explicit(&scribe->written, memory_order_relaxed),
        .erased = atomic_load_explicit(&scribe->erased, memory_order_relaxed),
        .given_up = atomic_load_explicit(&scribe->given_up, memory_order_relaxed),
    };
}

/* ---- life ---- */

struct scribe *scribe_new(const struct scribe_config *config, const struct scribe_hooks *hooks, char *why,
                          size_t why_bytes)
{
    struct scribe *scribe = calloc(1, sizeof *scribe);
    if (scribe == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return NULL;
    }
    scribe->config = *config;
    scribe->hooks = *hooks;
    scribe->now_ms = clock_mono_ms();
    scribe->straggle_at_ms = CLOCK_NEVER;
    list_init(&scribe->retries);
    list_init(&scribe->stragglers);
    write_index_init(&scribe->pending);
    int failed = mailbox_init(&scribe->mailbox, config->event_fd);
    if (failed != 0) {
        snprintf(why, why_bytes, "eventfd: %s", strerror(-failed));
        free(scribe);
        return NULL;
    }
    return scribe;
}

void scribe_use_publisher(struct scribe *scribe, struct publisher *publisher)
{
    scribe->publisher = publisher;
    scribe->retry_at_ms = 0;
}

static void drop_write(struct scribe *scribe, struct ledger_write *write)
{
    while (write != NULL) {
        struct ledger_write *follower = write->follower;
        if (write->job != NULL && write->kind == WRITE_INTENT)
            write->job->begin->intent = NULL;
        else if (write->job != NULL)
            write->job->note = NULL;
        scribe_unmake(scribe, write);
        write = follower;
    }
}

/* What the publisher had at its end it reported as lost, or will never speak of again: that is left to the process's end. */
void scribe_free(struct scribe *scribe)
{
    struct list *node;
    if (scribe == NULL)
        return;
    take_mailbox(scribe);
    while ((node = list_shift(&scribe->retries)) != NULL)
        drop_write(scribe, list_entry(node, struct ledger_write, node));
    while ((node = list_shift(&scribe->stragglers)) != NULL) {
        struct ledger_write *write = list_entry(node, struct ledger_write, node);
        drop_write(scribe, write->out ? write->follower : write);
    }
    mailbox_deinit(&scribe->mailbox);
    write_index_deinit(&scribe->pending);
    free(scribe);
}
