#include "engine/awake.h"
#include "ops/metrics.h"
#include "support/ledger_stage.h"

static struct assignment *assignment;

static void open_off(void)
{
    stage_open(TOPIC_IS_OFF, false, 3);
    assignment = assignment_new(TOPIC, 3, 7);
}

static void open_on(void)
{
    stage_open(TOPIC_IS_ON, false, 100);
    assignment = assignment_new(TOPIC, 3, 7);
}

static void open_strict(void)
{
    stage_open(TOPIC_IS_ON, true, 100);
    assignment = assignment_new(TOPIC, 3, 7);
}

static void close_stage(void)
{
    stage_close();
    ck_assert_uint_eq(assignment->holders, 1);
    ck_assert_uint_eq(atomic_load(&assignment->writes), 0);
    assignment_release(assignment);
}

/* The partition goes, and comes back. */
static void reassign(uint64_t epoch)
{
    ledger_leave(stage.ledger, assignment);
    assignment_release(assignment);
    assignment = assignment_new(TOPIC, 3, epoch);
}

static struct checkpoint *take(int64_t offset, struct job_tags *tags)
{
    struct job_tags room;
    return ledger_take(stage.ledger, assignment, offset, tags != NULL ? tags : &room);
}

static void assert_takes(int64_t offset, const char *run_id)
{
    struct checkpoint *checkpoint = take(offset, NULL);
    ck_assert_msg((checkpoint != NULL) == (run_id != NULL), "%" PRId64, offset);
    if (run_id != NULL)
        ck_assert_str_eq(checkpoint->run_id, run_id);
    free(checkpoint);
}

static void park(int64_t offset, int64_t started_at_ms)
{
    struct job *job = job_at(assignment, offset);
    accept_job(job, started_at_ms);
    ledger_park(stage.ledger, job);
    end_job(job);
}

static void deliver_all(void)
{
    for (size_t i = 0; i < post.n; i++) {
        if (post.sent[i].parcel != NULL)
            deliver(i, DELIVERY_ACKNOWLEDGED);
    }
}

static void put_text(struct checkpoint_table *table, int64_t offset, uint64_t writer, const char *value)
{
    ck_assert_int_eq(checkpoint_table_put(table, offset, writer, value, strlen(value)), 0);
}

/* ---- restoring ---- */

START_TEST(with_the_topic_off_a_partition_is_restored_in_the_next_turn)
{
    ledger_restore(stage.ledger, assignment);
    ck_assert_uint_eq(stage.n_restored, 0);
    ck_assert(is_awake());
    turn(0);
    ck_assert_uint_eq(stage.n_restored, 1);
    ck_assert_ptr_eq(stage.restored, assignment);
    ck_assert_uint_eq(topic_side.n_asked, 0);
    turn(0);
    ck_assert_uint_eq(stage.n_restored, 1);
}
END_TEST

START_TEST(one_that_has_ended_meanwhile_is_not_restored)
{
    ledger_restore(stage.ledger, assignment);
    tenure_set(&assignment->tenure, _i == 0 ? TENURE_ENDING : TENURE_OVER);
    turn(0);
    ck_assert_uint_eq(stage.n_restored, 0);
}
END_TEST

START_TEST(the_end_lets_go_of_one_that_waits)
{
    ledger_restore(stage.ledger, assignment);
}
END_TEST

START_TEST(with_the_topic_off_nothing_is_written)
{
    const struct consumer_mark mark = {1, 2};
    struct job *job = job_at(assignment, 1);
    accept_job(job, 1);
    ledger_note_run(stage.ledger, job);
    ck_assert(!job->noted);
    ck_assert_uint_eq(ledger_tags(stage.ledger, job).n, 0);
    ledger_withdraw(stage.ledger, job);
    ledger_erase(stage.ledger, assignment, &mark, 1);
    ck_assert_uint_eq(post.n, 0);
    end_job(job);
}
END_TEST

START_TEST(asks_for_the_group_the_inputs_and_the_topic_of_its_options)
{
    ck_assert_str_eq(topic_side.config.group_id, GROUP);
    ck_assert_str_eq(topic_side.config.topic, "the.checkpoints");
    ck_assert_uint_eq(topic_side.config.n_inputs, 1);
    ck_assert_str_eq(topic_side.config.inputs[0], TOPIC);
    ck_assert_int_eq(topic_side.config.event_fd, stage.event_fd);
    topic_side.fatal = "a newer worker's records";
    turn(0);
    ck_assert_str_eq(stage.reason, "a newer worker's records");
}
END_TEST

START_TEST(what_was_read_is_given_out_once)
{
    struct checkpoint_table *table = checkpoint_table_new();
    put_record(table, 5, 0xa, CHECKPOINT_RUN, 1000);
    put_record(table, 9, 0xb, CHECKPOINT_INTENT, 2000);
    come(assignment, table);
    ck_assert_uint_eq(counts().restored, 2);
    ck_assert_uint_eq(counts().waiting, 2);
    ck_assert_ptr_null(take(4, NULL));
    struct job_tags tags;
    struct checkpoint *checkpoint = take(5, &tags);
    ck_assert_int_eq(checkpoint->kind, CHECKPOINT_RUN);
    ck_assert_str_eq(checkpoint->run_id, "from-topic");
    ck_assert(checkpoint_matches(checkpoint, "order-17", 0x1234));
    ck_assert_uint_eq(tags.n, 1);
    ck_assert_uint_eq(tags.writer[0], 0xa);
    free(checkpoint);
    ck_assert_ptr_null(take(6, &tags));
    ck_assert_uint_eq(tags.n, 0);
    checkpoint = take(9, &tags);
    ck_assert_int_eq(checkpoint->kind, CHECKPOINT_INTENT);
    ck_assert(!checkpoint->unreadable);
    ck_assert_uint_eq(tags.writer[0], 0xb);
    free(checkpoint);
    ck_assert_ptr_null(take(10, NULL));
    ck_assert_uint_eq(counts().resumed, 1);
    ck_assert_uint_eq(counts().waiting, 0);
    ck_assert_uint_eq(counts().gone, 0);
    ck_assert_uint_eq(post.n, 0);
}
END_TEST

START_TEST(another_assignment_takes_nothing_of_it)
{
    struct checkpoint_table *table = checkpoint_table_new();
    put_record(table, 5, 0xa, CHECKPOINT_RUN, 1000);
    come(assignment, table);
    struct assignment *before = assignment_new(TOPIC, 3, 6);
    struct assignment *beside = assignment_new(TOPIC, 4, 8);
    struct job_tags tags;
    ck_assert_ptr_null(ledger_take(stage.ledger, before, 5, &tags));
    ck_assert_ptr_null(ledger_take(stage.ledger, beside, 5, &tags));
    ledger_leave(stage.ledger, before);
    ledger_leave(stage.ledger, beside);
    assert_takes(5, "from-topic");
    assignment_release(before);
    assignment_release(beside);
}
END_TEST

START_TEST(partitions_and_topics_are_kept_apart)
{
    struct assignment *others[3] = {assignment_new(TOPIC, 4, 8), assignment_new("in2", 3, 9), assignment_new(TOPIC, 5, 10)};
    struct checkpoint_table *table = checkpoint_table_new();
    put_record(table, 5, 0xa, CHECKPOINT_RUN, 1000);
    come(assignment, table);
    struct job_tags tags;
    for (size_t i = 0; i < 3; i++) {
        come(others[i], checkpoint_table_new());
        ck_assert_ptr_null(ledger_take(stage.ledger, others[i], 5, &tags));
    }
    assert_takes(5, "from-topic");
    for (size_t i = 0; i < 3; i++) {
        ledger_leave(stage.ledger, others[i]);
        assignment_release(others[i]);
    }
}
END_TEST

START_TEST(what_was_read_is_forgotten_with_its_assignment)
{
    struct checkpoint_table *table = checkpoint_table_new();
    put_record(table, 5, 0xa, CHECKPOINT_RUN, 1000);
    come(assignment, table);
    reassign(8);
    ck_assert_uint_eq(counts().waiting, 0);
    come(assignment, checkpoint_table_new());
    assert_takes(5, NULL);
    ck_assert_uint_eq(post.n, 0);
}
END_TEST

START_TEST(what_was_read_goes_with_its_assignment_and_what_was_parked_stays)
{
    struct checkpoint_table *table = checkpoint_table_new();
    put_record(table, 5, 0xa, CHECKPOINT_RUN, 1000);
    come(assignment, table);
    park(6, 1);
    ck_assert_uint_eq(counts().waiting, 2);
    ledger_leave(stage.ledger, assignment);
    ck_assert_uint_eq(counts().waiting, 1);
    reassign(8);
    come(assignment, checkpoint_table_new());
    assert_takes(5, NULL);
    assert_takes(6, "r-9");
}
END_TEST

START_TEST(a_new_assignment_ends_the_one_before_that_was_not_left)
{
    struct checkpoint_table *table = checkpoint_table_new();
    put_record(table, 5, 0xa, CHECKPOINT_RUN, 1000);
    come(assignment, table);
    struct assignment *next = assignment_new(TOPIC, 3, 8);
    come(next, checkpoint_table_new());
    ck_assert_uint_eq(counts().waiting, 0);
    struct job_tags tags;
    ck_assert_ptr_null(ledger_take(stage.ledger, next, 5, &tags));
    ledger_leave(stage.ledger, next);
    assignment_release(next);
}
END_TEST

/* ---- stale, gone ---- */

static bool is_even(struct assignment *of, int64_t offset, void *opaque)
{
    ck_assert_ptr_eq(of, assignment);
    ck_assert_ptr_eq(opaque, &stage);
    return offset % 2 == 0;
}

START_TEST(records_of_inputs_that_are_done_are_erased_and_no_others)
{
    struct checkpoint_table *table = checkpoint_table_new();
    put_record(table, 4, 0xa, CHECKPOINT_RUN, 1000);
    put_record(table, 4, 0xb, CHECKPOINT_INTENT, 1000);
    put_record(table, 5, 0xa, CHECKPOINT_RUN, 1000);
    put_record(table, 6, 0xa, CHECKPOINT_INTENT, 1000);
    come(assignment, table);
    ledger_clean(stage.ledger, assignment, is_even, &stage);
    ck_assert_uint_eq(post.n, 3);
    assert_tombstone(0, 3, 4, 0xa);
    assert_tombstone(1, 3, 4, 0xb);
    assert_tombstone(2, 3, 6, 0xa);
    ck_assert_uint_eq(counts().stale, 2);
    ck_assert_uint_eq(counts().waiting, 1);
    ck_assert_uint_eq(atomic_load(&assignment->writes), 0);
    assert_takes(5, "from-topic");
    assert_takes(7, NULL);
    ck_assert_uint_eq(counts().gone, 0);
    deliver_all();
}
END_TEST

START_TEST(records_of_inputs_that_were_passed_are_erased)
{
    struct checkpoint_table *table = checkpoint_table_new();
    for (int64_t offset = 5; offset < 10; offset++)
        put_record(table, offset, 0xa, CHECKPOINT_RUN, 1000);
    come(assignment, table);
    assert_takes(5, "from-topic");
    assert_takes(8, "from-topic");
    ck_assert_uint_eq(post.n, 2);
    assert_tombstone(0, 3, 6, 0xa);
    assert_tombstone(1, 3, 7, 0xa);
    ck_assert_uint_eq(counts().gone, 2);
    assert_takes(10, NULL);
    assert_tombstone(2, 3, 9, 0xa);
    ck_assert_uint_eq(counts().gone, 3);
    ck_assert_uint_eq(counts().waiting, 0);
    deliver_all();
}
END_TEST

/* ---- writers ---- */

START_TEST(of_many_writers_those_of_the_best_records_stay_until_the_input_is_done)
{
    struct checkpoint_table *table = checkpoint_table_new();
    put_record(table, 5, 100, CHECKPOINT_RUN, 1000);
    for (uint64_t writer = 1; writer <= 9; writer++)
        put_record(table, 5, writer, CHECKPOINT_INTENT, 1000);
    come(assignment, table);
    struct job *job = job_at(assignment, 5);
    struct job_tags found;
    job->begin->checkpoint = take(5, &found);
    ck_assert_int_eq(job->begin->checkpoint->kind, CHECKPOINT_RUN);
    ck_assert_uint_eq(found.n, 7);
    ck_assert_uint_eq(found.writer[0], 100);
    for (size_t i = 1; i < 7; i++)
        ck_assert_uint_eq(found.writer[i], 10 - i);
    stage_tags(job, &found);
    ck_assert_uint_eq(post.n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_tombstone(i, 3, 5, 3 - i);
    accept_job(job, 1000);
    ledger_note_run(stage.ledger, job);
    const struct job_tags tags = ledger_tags(stage.ledger, job);
    ck_assert_uint_eq(tags.n, 8);
    ck_assert_int_eq(memcmp(tags.writer, found.writer, 7 * sizeof *found.writer), 0);
    ck_assert_uint_eq(tags.writer[7], writer_of(3));
    deliver_all();
    end_job(job);
}
END_TEST

START_TEST(its_own_record_is_named_behind_those_that_were_found)
{
    struct job *job = job_at(assignment, 5);
    accept_job(job, 1000);
    ledger_note_run(stage.ledger, job);
    uint64_t own = writer_of(0);
    ck_assert_uint_eq(ledger_tags(stage.ledger, job).n, 1);
    ck_assert_uint_eq(ledger_tags(stage.ledger, job).writer[0], own);
    stage_tags(job, &(struct job_tags){.writer = {7, 8}, .n = 2});
    ck_assert_uint_eq(ledger_tags(stage.ledger, job).n, 3);
    ck_assert_uint_eq(ledger_tags(stage.ledger, job).writer[2], own);
    job->noted = false;
    job->n_tags = 1;
    ck_assert_uint_eq(ledger_tags(stage.ledger, job).n, 1);
    deliver_all();
    end_job(job);
}
END_TEST

/* ---- what a record is ---- */

START_TEST(tells_what_a_record_is)
{
    static const struct {
        const char *value;
        enum checked checked;
    } rows[] = {
        {"", CHECKED_UNREADABLE},
        {"{}", CHECKED_UNREADABLE},
        {"{\"readable_since\":2}", CHECKED_TOO_NEW},
        {"{\"version\":1,\"readable_since\":1,\"kind\":\"intent\",\"invocation_id\":\"i\","
         "\"input_hash\":\"0123456789abcdef\",\"started_at\":1}", CHECKED_INTENT},
        {"{\"version\":1,\"readable_since\":1,\"kind\":\"run\",\"invocation_id\":\"i\","
         "\"input_hash\":\"0123456789abcdef\",\"started_at\":1,\"deadline\":2,\"polls\":0,\"poll_url\":\"u\"}", CHECKED_RUN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_int_eq(topic_side.hooks.check(rows[i].value, strlen(rows[i].value), topic_side.hooks.opaque),
                         rows[i].checked);
}
END_TEST

static struct checkpoint *take_garbage(struct job_tags *tags)
{
    struct checkpoint_table *table = checkpoint_table_new();
    put_text(table, 5, 0xa, "{garbage");
    come(assignment, table);
    ck_assert_uint_eq(counts().unreadable, 1);
    return take(5, tags);
}

START_TEST(an_unreadable_record_counts_as_absent_and_is_erased_with_its_input)
{
    struct job_tags tags;
    ck_assert_ptr_null(take_garbage(&tags));
    ck_assert_uint_eq(tags.n, 1);
    ck_assert_uint_eq(tags.writer[0], 0xa);
    ck_assert_uint_eq(counts().resumed, 0);
}
END_TEST

START_TEST(an_unreadable_record_counts_as_an_intent_where_kickoffs_go_at_most_once)
{
    struct job_tags tags;
    struct checkpoint *checkpoint = take_garbage(&tags);
    ck_assert_int_eq(checkpoint->kind, CHECKPOINT_INTENT);
    ck_assert(checkpoint->unreadable);
    ck_assert_uint_eq(tags.n, 1);
    free(checkpoint);
    ck_assert_ptr_null(take(6, NULL));
}
END_TEST

/* ---- parking ---- */

START_TEST(a_parked_run_goes_on_when_its_partition_comes_back)
{
    park(42, 1760000000000);
    ck_assert_uint_eq(counts().parked, 1);
    reassign(8);
    come(assignment, NULL);
    struct checkpoint *checkpoint = take(42, NULL);
    ck_assert_int_eq(checkpoint->kind, CHECKPOINT_RUN);
    ck_assert(checkpoint_matches(checkpoint, "order-17", 0x1234));
    ck_assert_str_eq(checkpoint->run_id, "r-9");
    ck_assert_str_eq(checkpoint->poll_url, "http://jobs.example/r-9");
    ck_assert_int_eq(checkpoint->started_at_ms, 1760000000000);
    ck_assert_int_eq(checkpoint->deadline_ms, 1760000060000);
    ck_assert_int_eq(checkpoint->polls, 3);
    free(checkpoint);
    ck_assert_uint_eq(counts().parked, 0);
    ck_assert_uint_eq(counts().resumed, 1);
    ck_assert_ptr_null(take(43, NULL));
}
END_TEST

START_TEST(parked_runs_come_out_in_the_order_of_their_offsets)
{
    park(44, 1);
    park(42, 1);
    park(43, 1);
    reassign(8);
    come(assignment, NULL);
    assert_takes(42, "r-9");
    assert_takes(43, "r-9");
    assert_takes(44, "r-9");
    ck_assert_uint_eq(counts().gone, 0);
}
END_TEST

START_TEST(a_job_that_did_not_come_to_go_on_keeps_its_checkpoint)
{
    struct job *job = job_at(assignment, 42);
    static const struct checkpoint found = {
        .invocation_id = "order-17", .run_id = "r-1", .prepared_id = "p-1", .poll_url = "u", .started_at_ms = 5};
    job->begin->checkpoint = malloc(sizeof found);
    *job->begin->checkpoint = found;
    ledger_park(stage.ledger, job);
    end_job(job);
    reassign(8);
    come(assignment, NULL);
    job = job_at(assignment, 42);
    job->begin->checkpoint = take(42, NULL);
    ck_assert_str_eq(job->begin->checkpoint->run_id, "r-1");
    ck_assert_str_eq(job->begin->checkpoint->prepared_id, "p-1");
    /* One that went on is known better from its run. */
    accept_job(job, 6);
    job->run.awake->prepared_id = strdup("p-2");
    ledger_park(stage.ledger, job);
    end_job(job);
    reassign(9);
    come(assignment, NULL);
    struct checkpoint *checkpoint = take(42, NULL);
    ck_assert_str_eq(checkpoint->run_id, "r-9");
    ck_assert_str_eq(checkpoint->prepared_id, "p-2");
    free(checkpoint);
}
END_TEST

/* Its poll URL is the last that it takes over. */
START_TEST(a_run_that_lacked_memory_to_take_its_checkpoint_over_keeps_it)
{
    static const struct checkpoint found = {.invocation_id = "order-17", .run_id = "r-1", .poll_url = "u", .started_at_ms = 5};
    struct job *job = job_at(assignment, 42);
    accept_job(job, 6);
    job->run.resumed = true;
    awake_put(job->run.awake, &job->run.awake->poll_url, NULL);
    job->begin->checkpoint = malloc(sizeof found);
    *job->begin->checkpoint = found;
    ledger_park(stage.ledger, job);
    end_job(job);
    reassign(8);
    come(assignment, NULL);
    assert_takes(42, "r-1");
}
END_TEST

START_TEST(a_job_of_which_no_run_is_known_is_not_parked)
{
    struct job *job = job_at(assignment, 42);
    ledger_park(stage.ledger, job);
    job->begin->checkpoint = checkpoint_new_unreadable();
    ledger_park(stage.ledger, job);
    job->begin->checkpoint->unreadable = false;
    job->begin->checkpoint->invocation_id = "order-17";
    ledger_park(stage.ledger, job);
    ck_assert_uint_eq(counts().parked, 0);
    end_job(job);
}
END_TEST

START_TEST(a_run_that_was_parked_twice_goes_on_from_the_later_time)
{
    park(42, 2000);
    park(42, 3000);
    park(42, 1000);
    reassign(8);
    come(assignment, NULL);
    struct checkpoint *checkpoint = take(42, NULL);
    ck_assert_int_eq(checkpoint->started_at_ms, 3000);
    free(checkpoint);
    ck_assert_uint_eq(counts().parked, 0);
}
END_TEST

START_TEST(a_run_that_comes_home_after_its_input_was_given_out_anew_is_not_parked)
{
    struct job *late = job_at(assignment, 42);
    struct job *in_time = job_at(assignment, 43);
    accept_job(late, 1);
    accept_job(in_time, 1);
    reassign(8);
    come(assignment, NULL);
    assert_takes(42, NULL);
    ledger_park(stage.ledger, late);
    ledger_park(stage.ledger, in_time);
    ck_assert_uint_eq(counts().parked, 1);
    assert_takes(43, "r-9");
    ck_assert_uint_eq(counts().gone, 0);
    end_job(late);
    end_job(in_time);
}
END_TEST

START_TEST(a_parked_run_is_forgotten_after_a_day)
{
    park(42, 1);
    turn(3600 * 1000);
    park(43, 1);
    turn(INT64_C(23) * 3600 * 1000 - 1);
    ck_assert_uint_eq(counts().parked, 2);
    turn(1);
    ck_assert_uint_eq(counts().parked, 1);
    reassign(8);
    come(assignment, NULL);
    assert_takes(42, NULL);
    assert_takes(43, "r-9");
}
END_TEST

START_TEST(of_too_many_parked_runs_the_oldest_is_forgotten)
{
    for (int64_t offset = 50; offset > 45; offset--)
        park(offset, 1);
    ck_assert_uint_eq(counts().parked, 3);
    reassign(8);
    come(assignment, NULL);
    for (int64_t offset = 46; offset <= 50; offset++)
        assert_takes(offset, offset <= 48 ? "r-9" : NULL);
}
END_TEST

static void park_large(int64_t offset, size_t bytes)
{
    char *url = malloc(bytes + 1);
    memset(url, 'x', bytes);
    url[bytes] = '\0';
    struct job *job = job_at(assignment, offset);
    accept_job(job, 1);
    awake_put(job->run.awake, &job->run.awake->poll_url, url);
    ledger_park(stage.ledger, job);
    end_job(job);
}

/* Of two partitions, since all together count. */
START_TEST(of_parked_runs_that_take_up_too_much_the_oldest_are_forgotten)
{
    ledger_free(stage.ledger);
    close(stage.event_fd);
    stage_max_parked_bytes = 25000;
    stage_open(TOPIC_IS_ON, false, 100);
    struct assignment *first = assignment;
    struct assignment *second = assignment_new(TOPIC, 4, 9);
    park_large(42, 10000);
    assignment = second;
    park_large(43, 10000);
    assignment = first;
    ck_assert_uint_eq(counts().parked, 2);
    park_large(44, 10000); /* instead of 42 */
    ck_assert_uint_eq(counts().parked, 2);
    park(45, 1);
    ck_assert_uint_eq(counts().parked, 3);
    reassign(8);
    come(assignment, checkpoint_table_new());
    assert_takes(42, NULL);
    assert_takes(44, "r-9");
    park_large(46, 10000); /* what was taken left its room */
    park(47, 1);
    ck_assert_uint_eq(counts().parked, 4);
    park_large(48, 20000); /* instead of 43, 45 and 46 */
    ck_assert_uint_eq(counts().parked, 2);
    park_large(49, 25001); /* instead of all, and not kept either */
    ck_assert_uint_eq(counts().parked, 0);
    park(50, 1);
    ck_assert_uint_eq(counts().parked, 1);
    assignment_release(second);
}
END_TEST

START_TEST(a_parked_run_whose_input_was_done_elsewhere_is_dropped)
{
    park(42, 1);
    park(43, 1);
    park(44, 1);
    reassign(8);
    come(assignment, NULL);
    ledger_clean(stage.ledger, assignment, is_even, &stage);
    ck_assert_uint_eq(counts().stale, 2);
    assert_takes(43, "r-9");
    ck_assert_uint_eq(counts().parked, 0);
    ck_assert_uint_eq(counts().gone, 0);
}
END_TEST

/* What was parked, and what another worker (0xf) wrote of the same input. */
static const struct {
    int64_t parked_started_ms;
    enum checkpoint_kind kind;
    int64_t read_started_ms;
    const char *taken;
} races[] = {
    {2000, CHECKPOINT_INTENT, 3000, "r-9"},     /* a run that can be polled before one of which nothing is known */
    {2000, CHECKPOINT_RUN, 1000, "r-9"},        /* the run that was started last... */
    {2000, CHECKPOINT_RUN, 3000, "from-topic"}, /* ...whoever started it */
    {2000, CHECKPOINT_RUN, 2000, "from-topic"}, /* of the same run what was polled last (5 times, not 3) */
};

START_TEST(between_what_was_parked_and_read_the_better_wins_and_all_records_are_erased)
{
    struct job *job = job_at(assignment, 42);
    accept_job(job, races[_i].parked_started_ms);
    ledger_note_run(stage.ledger, job);
    uint64_t own = writer_of(0);
    ledger_park(stage.ledger, job);
    deliver_all();
    end_job(job);
    reassign(8);
    struct checkpoint_table *table = checkpoint_table_new();
    put_record(table, 42, 0xf, races[_i].kind, races[_i].read_started_ms);
    come(assignment, table);
    ck_assert_uint_eq(counts().waiting, 2);
    struct job_tags tags;
    struct checkpoint *checkpoint = take(42, &tags);
    ck_assert_str_eq(checkpoint->run_id, races[_i].taken);
    ck_assert_uint_eq(tags.n, 2);
    ck_assert_uint_eq(tags.writer[0], 0xf);
    ck_assert_uint_eq(tags.writer[1], own);
    ck_assert_uint_eq(counts().waiting, 0);
    free(checkpoint);
}
END_TEST

START_TEST(a_parked_run_wins_over_a_record_that_cannot_be_read)
{
    park(42, 1000);
    reassign(8);
    struct checkpoint_table *table = checkpoint_table_new();
    put_text(table, 42, 0xa, "garbage");
    come(assignment, table);
    assert_takes(42, "r-9");
}
END_TEST

START_TEST(a_writer_that_was_read_and_parked_is_named_once)
{
    struct job *job = job_at(assignment, 42);
    accept_job(job, 1000);
    ledger_note_run(stage.ledger, job);
    uint64_t own = writer_of(0);
    ledger_park(stage.ledger, job);
    deliver_all();
    end_job(job);
    reassign(8);
    struct checkpoint_table *table = checkpoint_table_new();
    put_record(table, 42, own, CHECKPOINT_RUN, 1000);
    come(assignment, table);
    struct job_tags tags;
    free(take(42, &tags));
    ck_assert_uint_eq(tags.n, 1);
    ck_assert_uint_eq(tags.writer[0], own);
}
END_TEST

static void add_parking(TCase *tcase)
{
    tcase_add_test(tcase, a_parked_run_goes_on_when_its_partition_comes_back);
    tcase_add_test(tcase, parked_runs_come_out_in_the_order_of_their_offsets);
    tcase_add_test(tcase, a_job_that_did_not_come_to_go_on_keeps_its_checkpoint);
    tcase_add_test(tcase, a_run_that_lacked_memory_to_take_its_checkpoint_over_keeps_it);
    tcase_add_test(tcase, a_job_of_which_no_run_is_known_is_not_parked);
    tcase_add_test(tcase, a_run_that_was_parked_twice_goes_on_from_the_later_time);
    tcase_add_test(tcase, a_run_that_comes_home_after_its_input_was_given_out_anew_is_not_parked);
    tcase_add_test(tcase, a_parked_run_is_forgotten_after_a_day);
    tcase_add_test(tcase, of_too_many_parked_runs_the_oldest_is_forgotten);
    tcase_add_test(tcase, of_parked_runs_that_take_up_too_much_the_oldest_are_forgotten);
    tcase_add_test(tcase, a_parked_run_whose_input_was_done_elsewhere_is_dropped);
}

/* ---- what came since ---- */

static const struct ledger_counts before = {.written = 5, .erased = 6, .restored = 7, .resumed = 8, .stale = 9, .gone = 10,
                                            .unreadable = 11, .given_up = 12};
static const struct ledger_counts after = {.outstanding = 70, .outstanding_bytes = 700, .waiting = 7000, .parked = 800,
                                           .written = 6, .erased = 9, .restored = 12, .resumed = 15, .stale = 18, .gone = 21,
                                           .unreadable = 24, .given_up = 27};
static const struct {
    enum metric_checkpoint event;
    int64_t n;
} grown[] = {
    {METRIC_CHECKPOINT_WRITTEN, 1},  {METRIC_CHECKPOINT_ERASED, 3}, {METRIC_CHECKPOINT_RESTORED, 5},    {METRIC_CHECKPOINT_RESUMED, 7},
    {METRIC_CHECKPOINT_STALE, 9},    {METRIC_CHECKPOINT_GONE, 11},  {METRIC_CHECKPOINT_UNREADABLE, 13}, {METRIC_CHECKPOINT_GIVEN_UP, 15},
};

START_TEST(what_came_since_is_counted_each_by_its_name)
{
    struct metrics *metrics = metrics_new(NULL, 0);
    struct metrics_shard *shard = metrics_shard_new(metrics);
    ledger_count_growth(&before, &after, shard);
    for (size_t i = 0; i < METRIC_CHECKPOINT_N; i++)
        ck_assert_int_eq(metrics_read(metrics, METRIC_CHECKPOINTS_TOTAL, grown[i].event), grown[i].n);
    ledger_count_growth(&after, &after, shard);
    ck_assert_int_eq(metrics_sum(metrics, METRIC_CHECKPOINTS_TOTAL), 64);
    metrics_free(metrics);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger");
    TCase *off = tcase_create("off");
    tcase_add_checked_fixture(off, open_off, close_stage);
    tcase_add_test(off, with_the_topic_off_a_partition_is_restored_in_the_next_turn);
    tcase_add_loop_test(off, one_that_has_ended_meanwhile_is_not_restored, 0, 2);
    tcase_add_test(off, the_end_lets_go_of_one_that_waits);
    tcase_add_test(off, with_the_topic_off_nothing_is_written);
    add_parking(off);
    suite_add_tcase(suite, off);
    TCase *on = tcase_create("on");
    tcase_add_checked_fixture(on, open_on, close_stage);
    tcase_add_test(on, asks_for_the_group_the_inputs_and_the_topic_of_its_options);
    tcase_add_test(on, what_was_read_is_given_out_once);
    tcase_add_test(on, another_assignment_takes_nothing_of_it);
    tcase_add_test(on, partitions_and_topics_are_kept_apart);
    tcase_add_test(on, what_was_read_is_forgotten_with_its_assignment);
    tcase_add_test(on, what_was_read_goes_with_its_assignment_and_what_was_parked_stays);
    tcase_add_test(on, a_new_assignment_ends_the_one_before_that_was_not_left);
    tcase_add_test(on, a_writer_that_was_read_and_parked_is_named_once);
    tcase_add_test(on, records_of_inputs_that_are_done_are_erased_and_no_others);
    tcase_add_test(on, records_of_inputs_that_were_passed_are_erased);
    tcase_add_test(on, of_many_writers_those_of_the_best_records_stay_until_the_input_is_done);
    tcase_add_test(on, its_own_record_is_named_behind_those_that_were_found);
    tcase_add_test(on, tells_what_a_record_is);
    tcase_add_test(on, an_unreadable_record_counts_as_absent_and_is_erased_with_its_input);
    tcase_add_loop_test(on, between_what_was_parked_and_read_the_better_wins_and_all_records_are_erased, 0,
                        (int)(sizeof races / sizeof *races));
    tcase_add_test(on, a_parked_run_wins_over_a_record_that_cannot_be_read);
    suite_add_tcase(suite, on);
    TCase *counting = tcase_create("counts");
    tcase_add_test(counting, what_came_since_is_counted_each_by_its_name);
    suite_add_tcase(suite, counting);
    TCase *strict = tcase_create("at most once");
    tcase_add_checked_fixture(strict, open_strict, close_stage);
    tcase_add_test(strict, an_unreadable_record_counts_as_an_intent_where_kickoffs_go_at_most_once);
    suite_add_tcase(suite, strict);
    return suite;
}
