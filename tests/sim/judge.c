#include "sim/judge_inside.h"

#include "core/checkpoint.h"
#include "kafka/checkpoint_key.h"
#include "sim/cover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The worker's own time for a hand-over (core/worker.c), less what a look at the clock may miss. */
#define HANDOVER_MS 9800
/* For the answers that are under way, what is to be written, the last commit, and the group. */
#define PARKED_MS 7000

struct judge judge;

void judge_init(void)
{
    memset(&judge, 0, sizeof judge);
}

static struct input *input_at(int32_t partition, int64_t offset)
{
    return plan_input_at(&world->plan, partition, offset);
}

/* ---- checkpoints ---- */

/* Of a run's record; -1: it is none. */
static int polls_of(const struct record *record)
{
    struct checkpoint *checkpoint = NULL;
    char why[CHECKPOINT_WHY_BYTES];
    int polls = -1;
    if (record->value != NULL && checkpoint_read(record->value, record->value_bytes, &checkpoint, why) == CHECKPOINT_READ &&
        checkpoint->kind == CHECKPOINT_RUN)
        polls = checkpoint->polls;
    free(checkpoint);
    return polls;
}

/* Of one writer's records of a run, none comes behind a newer one, nor behind their tombstone. But that may be another
 * worker's, who has brought the run to its end while the writer was frozen. */
static void check_order(int32_t partition, const struct record *record, const struct input *input)
{
    const struct log *log = broker_log(TOPIC_CKPT, partition);
    int polls = polls_of(record);
    for (size_t i = log->n; i > 0 && polls >= 0; i--) {
        const struct record *before = &log->record[i - 1];
        if (before->offset >= record->offset || before->key_bytes != record->key_bytes ||
            memcmp(before->key, record->key, record->key_bytes) != 0)
            continue;
        if (before->value == NULL && n_instances_ever == 1)
            fail(input != NULL ? input->number : -1, "a checkpoint comes behind its own tombstone");
        if (polls_of(before) > polls)
            fail(input != NULL ? input->number : -1, "a checkpoint of %d polls comes behind one of %d", polls, polls_of(before));
        return;
    }
}

static void tell_checkpoint(int32_t partition, const struct record *record)
{
    struct checkpoint_key key;
    if (!checkpoint_key_parse(record->key, record->key_bytes, &key)) {
        fail(-1, "a checkpoint's key cannot be read");
        return;
    }
    const struct input *input = input_at(partition, key.offset);
    trace(input != NULL ? input->number : -1, "checkpoint %.*s: %.*s", (int)record->key_bytes, record->key,
          (int)(record->value != NULL ? record->value_bytes : 6), record->value != NULL ? record->value : "erased");
    check_order(partition, record, input);
}

void judge_record(enum topic topic, int32_t partition, const struct record *record)
{
    switch (topic) {
    case TOPIC_IN: {
        const struct input *input = input_at(partition, record->offset);
        trace(input->number, "is there, as [%d] offset %d, key '%s'", (int)partition, (int)record->offset, input->key);
        break;
    }
    case TOPIC_RESULTS:
        judge_result(record);
        break;
    case TOPIC_DEAD:
        judge_dead_letter(record);
        break;
    case TOPIC_CKPT:
        tell_checkpoint(partition, record);
        break;
    case TOPIC_REPLIES:
        judge_reply(record);
        break;
    case TOPIC_NONE:
    case TOPICS:
        break;
    }
}

/* ---- I2: commits ---- */

void judge_commit(int32_t partition, const struct committed *before, const struct committed *after)
{
    const struct cover then = cover_read(partition, before);
    const struct cover now = cover_read(partition, after);
    trace(-1, "[%d] is committed: offset %d, map '%s'", (int)partition, (int)after->offset, after->metadata);
    if (before->offset >= 0 && after->offset < before->offset)
        fail(-1, "I2: the committed offset of [%d] moves back from %d to %d", (int)partition, (int)before->offset,
             (int)after->offset);
    for (int i = 0; i < world->plan.n_inputs; i++) {
        if (now.done[i] && judge.input[i].results == 0)
            fail(i, "I2: a commit covers it, and it has no result");
        if (then.done[i] && !now.done[i])
            fail(i, "I2: a commit covers it no more");
    }
}

/* ---- I3: kickoffs ---- */

static bool is_run(const struct record *record)
{
    return polls_of(record) >= 0;
}

/* Is record i the last of the first n with its key? */
static bool is_last(const struct log *log, size_t i, size_t n)
{
    for (size_t later = i + 1; later < n; later++) {
        if (log->record[later].key_bytes == log->record[i].key_bytes &&
            memcmp(log->record[later].key, log->record[i].key, log->record[i].key_bytes) == 0)
            return false;
    }
    return true;
}

/* Did the first n records say that a run of the input is under way? */
static bool was_noted(const struct input *input, size_t n)
{
    const struct log *log = broker_log(TOPIC_CKPT, input->partition);
    for (size_t i = 0; i < n; i++) {
        struct checkpoint_key key;
        if (checkpoint_key_parse(log->record[i].key, log->record[i].key_bytes, &key) && key.offset == input->offset &&
            is_run(&log->record[i]) && is_last(log, i, n))
            return true;
    }
    return false;
}

/* Has its life ended since, or had it just before, so that it did not know yet? */
static bool is_excused(int by, int64_t since_ms)
{
    return judge.excused_ms[by] != 0 && judge.excused_ms[by] + world->plan.session_ms >= since_ms;
}

static void judge_again(const struct input *input, const struct kickoff *first, const struct kickoff *again)
{
    bool unanswered = input->kind == INPUT_SYNC && again->sent_ms - first->sent_ms > 5000;
    if (world->plan.at_most_once) {
        fail(input->number, "I3: w%d kicks it off again after w%d did, in spite of at-most-once", again->by, first->by);
        return;
    }
    if (!world->plan.checkpoints)
        return;
    if (again->by == first->by && judge.restored_ms[again->by][input->partition] <= first->sent_ms)
        fail(input->number, "I3: w%d kicks it off twice within one assignment", again->by);
    else if (was_noted(input, judge.restored[again->by][input->partition]))
        fail(input->number, "I3: w%d kicks it off again, though it read w%d's checkpoint", again->by, first->by);
    else if (!unanswered && !is_excused(first->by, first->sent_ms) &&
             !is_excused(again->by, judge.restored_ms[again->by][input->partition]))
        fail(input->number, "I3: w%d kicks it off again: w%d, whose life did not end, left no checkpoint", again->by, first->by);
}

static void judge_order(const struct input *input, int by)
{
    if (world->plan.ordering == LANES_NONE || (world->plan.ordering == LANES_KEY && input->key[0] == '\0'))
        return;
    for (int i = 0; i < world->plan.n_inputs; i++) {
        const struct input *other = &world->plan.input[i];
        bool is_before = other->partition == input->partition && other->offset < input->offset &&
                         (world->plan.ordering == LANES_PARTITION || strcmp(other->key, input->key) == 0);
        if (is_before && judge.input[i].results == 0)
            fail(input->number, "ordering: w%d kicks it off before input %d has a result", by, i);
    }
}

int judge_kickoff_sent(int number, int by)
{
    const struct input *input = &world->plan.input[number];
    struct verdict_on_input *about = &judge.input[number];
    if (about->n_kickoffs == KICKOFFS_MAX) {
        fail(number, "I3: it is kicked off again and again");
        return 0;
    }
    struct kickoff *kickoff = &about->kickoff[about->n_kickoffs++];
    *kickoff = (struct kickoff){.by = by, .sent_ms = world->now_ms, .run_number = -1};
    judge_order(input, by);
    return about->n_kickoffs - 1;
}

void judge_kickoff_arrived(int number, int sending, const char *key, int run_number)
{
    const struct input *input = &world->plan.input[number];
    struct verdict_on_input *about = &judge.input[number];
    struct kickoff *kickoff = &about->kickoff[sending];
    kickoff->has_arrived = true;
    kickoff->run_number = run_number;
    if (run_number < 0)
        trace(number, "kickoff of w%d has reached the backend, and is put off", kickoff->by);
    else
        trace(number, "kickoff of w%d has reached the backend: run-%d-%d", kickoff->by, number, run_number);
    if (key == NULL || strcmp(key, input->id) != 0)
        fail(number, "I3: a kickoff under the key '%s'", key != NULL ? key : "");
    for (int i = 0; i < about->n_kickoffs; i++) {
        const struct kickoff *other = &about->kickoff[i];
        if (i != sending && other->has_arrived && !other->is_put_off)
            judge_again(input, i < sending ? other : kickoff, i < sending ? kickoff : other);
    }
}

void judge_kickoff_put_off(int number, int sending)
{
    judge.input[number].kickoff[sending].is_put_off = true;
}

static int kickoffs_that_count(const struct verdict_on_input *about)
{
    int n = 0;
    for (int i = 0; i < about->n_kickoffs; i++)
        n += !about->kickoff[i].is_put_off;
    return n;
}

void judge_restored(int by, int32_t partition, size_t n)
{
    judge.restored[by][partition] = n;
    judge.restored_ms[by][partition] = world->now_ms;
}

void judge_excuse(int by)
{
    judge.excused_ms[by] = world->now_ms;
    judge.is_disorderly = true;
}

void judge_handed_over(int by, int64_t took_ms)
{
    if (took_ms >= HANDOVER_MS)
        judge_excuse(by);
}

/* ---- I5: drains ---- */

/* It has committed what it gave results for, so it had to erase what was noted of that. */
static void judge_left_behind(int by)
{
    for (int32_t partition = 0; partition < world->plan.n_partitions; partition++) {
        const struct log *log = broker_log(TOPIC_CKPT, partition);
        const struct cover cover = cover_read(partition, broker_committed(partition));
        for (size_t i = 0; i < log->n; i++) {
            struct checkpoint_key key;
            const struct record *record = &log->record[i];
            if (record->value == NULL || !checkpoint_key_parse(record->key, record->key_bytes, &key) || !is_last(log, i, log->n))
                continue;
            const struct input *input = input_at(partition, key.offset);
            if (cover.done[input->number] && judge.input[input->number].by == by)
                fail(input->number, "I5: w%d has ended, and left a checkpoint behind", by);
        }
    }
}

void judge_drained(int by, int64_t took_ms)
{
    /* Its time was not up, and it has five seconds for that, which no network here takes. */
    if (!judge.is_disorderly && took_ms < world->plan.drain_ms)
        judge_left_behind(by);
    bool waits = !world->plan.checkpoints || judge.is_disorderly || world->plan.slow > 1;
    for (int i = 0; i < world->plan.n_inputs; i++)
        waits = waits || world->plan.input[i].kind == INPUT_SYNC; /* its answer is its end */
    int64_t most_ms = waits ? world->plan.drain_ms + 2000 : PARKED_MS;
    if (took_ms > most_ms)
        fail(-1, "I5: w%d took %d ms to drain, of %d at most", by, (int)took_ms, (int)most_ms);
}

/* ---- the end ---- */

bool judge_all_done(void)
{
    for (int32_t partition = 0; partition < world->plan.n_partitions; partition++) {
        const struct cover cover = cover_read(partition, broker_committed(partition));
        for (int i = 0; i < world->plan.n_inputs; i++) {
            if (world->plan.input[i].partition == partition && (!cover.done[i] || judge.input[i].results == 0))
                return false;
        }
    }
    return true;
}

static const struct record *find_leftover(int32_t *in)
{
    for (*in = 0; *in < PARTITIONS_MAX; (*in)++) {
        const struct log *log = broker_log(TOPIC_CKPT, *in);
        for (size_t i = 0; i < log->n; i++) {
            if (log->record[i].value != NULL && is_last(log, i, log->n))
                return &log->record[i];
        }
    }
    return NULL;
}

bool judge_no_leftovers(void)
{
    int32_t partition;
    return find_leftover(&partition) == NULL;
}

bool judge_is_orderly(void)
{
    return !judge.is_disorderly;
}

static const char *state_of(int number)
{
    const struct input *input = &world->plan.input[number];
    const struct cover cover = cover_read(input->partition, broker_committed(input->partition));
    if (judge.input[number].results == 0)
        return "it has no result";
    return cover.done[number] ? "" : "its result is visible, and not committed";
}

void judge_end(void)
{
    int32_t partition;
    for (int i = 0; i < world->plan.n_inputs; i++) {
        const struct verdict_on_input *about = &judge.input[i];
        if (state_of(i)[0] != '\0')
            fail(i, "I1: long after all faults, %s", state_of(i));
        if (!judge.is_disorderly && about->results > 1)
            fail(i, "I1: %d results, in an orderly world", about->results);
        if (!judge.is_disorderly && kickoffs_that_count(about) > 1 && world->plan.checkpoints &&
            world->plan.input[i].kind == INPUT_ASYNC)
            fail(i, "I3: %d kickoffs, in an orderly world", kickoffs_that_count(about));
    }
    const struct record *leftover = find_leftover(&partition);
    if (leftover != NULL)
        fail(-1, "a checkpoint of [%d] is left: %.*s", (int)partition, (int)leftover->key_bytes, leftover->key);
}
