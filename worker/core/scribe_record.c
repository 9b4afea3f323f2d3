#include "core/scribe_inside.h"

#include <assert.h>
#include <stdlib.h>

struct ledger_write *scribe_make(struct scribe *scribe, enum write_kind kind, const struct place *place, const char *value,
                                 size_t value_bytes)
{
    struct ledger_write *write = ledger_write_new(scribe->config.group_id, kind, place, value, value_bytes);
    if (write == NULL)
        return NULL;
    atomic_fetch_add_explicit(&scribe->outstanding, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&scribe->outstanding_bytes, write->bytes, memory_order_relaxed);
    return write;
}

void scribe_unmake(struct scribe *scribe, struct ledger_write *write)
{
    atomic_fetch_sub_explicit(&scribe->outstanding, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&scribe->outstanding_bytes, write->bytes, memory_order_relaxed);
    ledger_write_free(write);
}

enum publisher_send scribe_offer(struct scribe *scribe, struct ledger_write *write, char why[SCRIBE_WHY_BYTES])
{
    const struct publisher_message message = {
        .topic = scribe->config.topic,
        .partition = write->partition,
        .alone = write->alone,
        .key = write->key,
        .key_bytes = write->key_bytes,
        .value = write->value,
        .value_bytes = write->value_bytes,
        .opaque = &write->parcel,
    };
    atomic_store_explicit(&write->handed, true, memory_order_release);
    return publisher_send(scribe->publisher, &message, why, SCRIBE_WHY_BYTES);
}

/* Of a record, which holds the assignment as a write. NULL for want of memory. */
static struct ledger_write *make_record(struct scribe *scribe, struct job *job, uint64_t writer,
                                        const struct checkpoint *checkpoint)
{
    const struct place place = {job->ref.assignment, job->ref.offset, writer};
    enum write_kind kind = checkpoint->kind == CHECKPOINT_RUN ? WRITE_RUN : WRITE_INTENT;
    size_t bytes = 0;
    char *value = checkpoint_write(checkpoint, &bytes);
    struct ledger_write *write = value != NULL ? scribe_make(scribe, kind, &place, value, bytes) : NULL;
    free(value);
    if (write != NULL) {
        ledger_write_hold(write, job->ref.assignment);
        write->job = job;
    }
    return write;
}

int scribe_write(struct scribe *scribe, struct job *job, uint64_t writer, const struct checkpoint *checkpoint)
{
    struct ledger_write *write = make_record(scribe, job, writer, checkpoint);
    if (write == NULL)
        return -1;
    if (write->kind == WRITE_INTENT)
        job->begin->intent = write;
    else
        job->note = write;
    /* Whatever else the publisher says, the Kafka thread asks it again and acts on the answer. */
    char why[SCRIBE_WHY_BYTES];
    if (scribe_offer(scribe, write, why) != PUBLISHER_SENT)
        mailbox_post(&scribe->mailbox, &write->node);
    return 0;
}

int scribe_write_again(struct scribe *scribe, struct job *job, uint64_t writer, const struct checkpoint *checkpoint)
{
    assert(checkpoint->kind == CHECKPOINT_RUN);
    struct ledger_write *write = make_record(scribe, job, writer, checkpoint);
    if (write == NULL)
        return -1;
    write->is_again = true;
    mailbox_post(&scribe->mailbox, &write->node); /* the Kafka thread knows whether one is under way */
    return 0;
}
