#include "core/ledger_inside.h"

#include "base/clock.h"
#include "engine/awake.h"

#include <assert.h>

/* It points into the job's run or `room`. */
static struct checkpoint describe(const struct ledger *ledger, const struct job *job, char room[RUN_POLL_URL_BYTES])
{
    struct run_resume note;
    struct run_peek peek;
    run_note(&job->run, room, &note);
    run_look(&job->run, &peek);
    return (struct checkpoint){
        .kind = CHECKPOINT_RUN,
        .invocation_id = peek.invocation_id,
        .input_hash = job->input_hash,
        .run_id = note.run_id,
        .prepared_id = note.prepared_id,
        .poll_url = note.poll_url,
        .started_at_ms = note.started_at_ms,
        .deadline_ms = note.deadline_at_ms,
        .polls = note.polls,
        .worker_id = ledger->config.worker_id,
    };
}

int ledger_note_run(struct ledger *ledger, struct job *job)
{
    if (ledger->scribe == NULL)
        return 0;
    char room[RUN_POLL_URL_BYTES];
    const struct checkpoint checkpoint = describe(ledger, job, room);
    uint64_t writer = ledger_writer(ledger, job->ref.assignment);
    if (checkpoint.poll_url != NULL && scribe_write(ledger->scribe, job, writer, &checkpoint) == 0) {
        job->noted = true;
        return 0;
    }
    ledger_count(&ledger->unwritten, 1);
    return -1;
}

int ledger_note_again(struct ledger *ledger, struct job *job)
{
    if (ledger->scribe == NULL)
        return 0;
    char room[RUN_POLL_URL_BYTES];
    const struct checkpoint checkpoint = describe(ledger, job, room);
    uint64_t writer = ledger_writer(ledger, job->ref.assignment);
    /* Before it is written: from then on the Kafka thread may look at the job. */
    bool was_noted = job->noted;
    job->noted = true;
    job->noted_again = true;
    if (checkpoint.poll_url != NULL && scribe_write_again(ledger->scribe, job, writer, &checkpoint) == 0)
        return 0;
    job->noted = was_noted;
    ledger_count(&ledger->unwritten, 1);
    return -1;
}

int ledger_note_intent(struct ledger *ledger, struct job *job)
{
    assert(ledger->scribe != NULL);
    const struct checkpoint checkpoint = {
        .kind = CHECKPOINT_INTENT,
        .invocation_id = job->run.awake->invocation->invocation_id,
        .input_hash = job->input_hash,
        .started_at_ms = clock_wall_ms(),
        .worker_id = ledger->config.worker_id,
    };
    /* Before it is written: from then on the Kafka thread may have the job. */
    job->noted = true;
    if (scribe_write(ledger->scribe, job, ledger_writer(ledger, job->ref.assignment), &checkpoint) == 0)
        return 0;
    ledger_count(&ledger->unwritten, 1);
    return -1;
}

void ledger_withdraw(struct ledger *ledger, struct job *job)
{
    if (ledger->scribe == NULL || !job->noted)
        return;
    scribe_withdraw(ledger->scribe, job, ledger_writer(ledger, job->ref.assignment));
    job->noted = false;
}

void ledger_release(struct ledger *ledger, struct job *job)
{
    if (ledger->scribe != NULL)
        scribe_forget(ledger->scribe, job);
}

void ledger_park(struct ledger *ledger, const struct job *job)
{
    const struct checkpoint *checkpoint = job->begin != NULL ? job->begin->checkpoint : NULL; /* one that it did not come to go on from */
    struct checkpoint of_run;
    char room[RUN_POLL_URL_BYTES];
    if (job->run.cycle.accepted) {
        of_run = describe(ledger, job, room);
        bool lacked_memory = job->run.resumed && of_run.poll_url == NULL; /* to take over what it goes on from */
        checkpoint = lacked_memory ? checkpoint : &of_run;
    }
    if (checkpoint == NULL || checkpoint->kind != CHECKPOINT_RUN || checkpoint->poll_url == NULL)
        return;
    const struct job_tags tags = ledger_tags(ledger, job);
    size_t lost = shelves_park(&ledger->shelves, job->ref.assignment, job->ref.offset, checkpoint, &tags, ledger->now_ms);
    ledger_tell_forgotten(ledger, lost, "there are more than max-in-flight, or they take up more than a quarter of max-in-flight-bytes");
    ledger_count_waiting(ledger);
}

struct job_tags ledger_tags(const struct ledger *ledger, const struct job *job)
{
    struct job_tags tags;
    job_put_tags(job, &tags);
    if (job->noted && tags.n < JOB_TAGS_MAX)
        tags.writer[tags.n++] = ledger_writer(ledger, job->ref.assignment);
    return tags;
}

void ledger_erase(struct ledger *ledger, const struct assignment *assignment, const struct consumer_mark *marks,
                  size_t n)
{
    for (size_t i = 0; ledger->scribe != NULL && i < n; i++)
        scribe_erase(ledger->scribe, assignment, marks[i].offset, marks[i].tag);
}
