#include "support/ledger_stage.h"
#include "engine/awake.h"

static struct assignment *assignment;

static void open_stage(void)
{
    stage_open(TOPIC_IS_ON, true, 100);
    assignment = assignment_new(TOPIC, 3, 7);
}

/* Everything that was written has ended: nothing keeps the partition from going. */
static void close_stage(void)
{
    ck_assert_uint_eq(counts().outstanding, 0);
    ck_assert_uint_eq(atomic_load(&assignment->writes), 0);
    ck_assert_uint_eq(assignment->holders, 1);
    assignment_release(assignment);
    stage_close();
}

static size_t writes(void)
{
    return atomic_load(&assignment->writes);
}

static struct job *noted_job(int64_t offset)
{
    struct job *job = job_at(assignment, offset);
    accept_job(job, 1760000000000);
    ledger_note_run(stage.ledger, job);
    ck_assert(job->noted);
    return job;
}

static struct job *intending_job(int64_t offset)
{
    struct job *job = job_at(assignment, offset);
    ck_assert_int_eq(ledger_note_intent(stage.ledger, job), 0);
    ck_assert_ptr_nonnull(job->begin->intent);
    ck_assert(job->noted);
    return job;
}

START_TEST(a_run_is_written_under_its_place_and_writer_to_the_partition_of_its_input)
{
    struct job *job = noted_job(42);
    ck_assert_uint_eq(post.n, 1);
    const struct sent *sent = &post.sent[0];
    ck_assert_str_eq(sent->topic, "the.checkpoints");
    ck_assert_int_eq(sent->partition, 3);
    ck_assert(!sent->alone);
    struct checkpoint_key key;
    ck_assert(checkpoint_key_parse(sent->key, strlen(sent->key), &key));
    ck_assert_uint_eq(key.group_bytes, strlen(GROUP));
    ck_assert_int_eq(strncmp(key.group, GROUP, key.group_bytes), 0);
    ck_assert_int_eq(strncmp(key.topic, TOPIC "/", key.topic_bytes + 1), 0);
    ck_assert_int_eq(key.partition, 3);
    ck_assert_int_eq(key.offset, 42);
    ck_assert_uint_ne(key.writer, 0);

    struct checkpoint *checkpoint;
    char why[CHECKPOINT_WHY_BYTES];
    ck_assert_int_eq(checkpoint_read(sent->value, strlen(sent->value), &checkpoint, why), CHECKPOINT_READ);
    ck_assert_int_eq(checkpoint->kind, CHECKPOINT_RUN);
    ck_assert_str_eq(checkpoint->invocation_id, "order-17");
    ck_assert_uint_eq(checkpoint->input_hash, 0x1234);
    ck_assert_str_eq(checkpoint->run_id, "r-9");
    ck_assert_ptr_null(checkpoint->prepared_id);
    ck_assert_str_eq(checkpoint->poll_url, "http://jobs.example/r-9");
    ck_assert_int_eq(checkpoint->started_at_ms, 1760000000000);
    ck_assert_int_eq(checkpoint->deadline_ms, 1760000060000);
    ck_assert_int_eq(checkpoint->polls, 3);
    ck_assert_str_eq(checkpoint->worker_id, "worker-1");
    free(checkpoint);

    ck_assert_uint_eq(writes(), 1);
    ck_assert_uint_eq(counts().outstanding, 1);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(writes(), 0);
    ck_assert_uint_eq(counts().written, 1);
    ck_assert_uint_eq(stage.n_written, 0);
    end_job(job);
}
END_TEST

START_TEST(a_write_outlives_its_job_and_keeps_its_assignment)
{
    struct job *job = noted_job(42);
    end_job(job);
    struct assignment *own = assignment;
    assignment = assignment_new(TOPIC, 4, 8);
    assignment_release(own);
    ck_assert_uint_eq(atomic_load(&own->writes), 1);
    deliver(0, DELIVERY_ACKNOWLEDGED); /* frees it: the sanitizer looks */
}
END_TEST

START_TEST(what_waits_for_its_acknowledgement_counts_with_its_bytes)
{
    struct job *job = noted_job(42);
    size_t bytes = counts().outstanding_bytes;
    ck_assert_uint_ge(bytes, 2 * (strlen(post.sent[0].key) + strlen(post.sent[0].value)));
    const struct consumer_mark mark = {42, writer_of(0)};
    ledger_erase(stage.ledger, assignment, &mark, 1);
    ck_assert_uint_gt(counts().outstanding_bytes, bytes);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_gt(counts().outstanding_bytes, 0);
    deliver(1, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(counts().outstanding_bytes, 0);
    end_job(job);
}
END_TEST

START_TEST(two_ledgers_are_two_writers)
{
    struct job *job = noted_job(42);
    uint64_t first = writer_of(0);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    end_job(job);
    stage_close();
    stage_open(TOPIC_IS_ON, true, 100);
    job = noted_job(42);
    ck_assert_uint_ne(writer_of(0), first);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    end_job(job);
}
END_TEST

START_TEST(a_run_without_poll_url_is_not_written)
{
    struct job *job = job_at(assignment, 42);
    accept_job(job, 1);
    awake_put(job->run.awake, &job->run.awake->poll_url, NULL);
    ledger_note_run(stage.ledger, job);
    ck_assert(!job->noted);
    ck_assert_uint_eq(post.n, 0);
    ck_assert_uint_eq(counts().given_up, 1);
    end_job(job);
}
END_TEST

START_TEST(an_intent_is_told_once_it_is_acknowledged)
{
    struct job *job = intending_job(42);
    ck_assert_ptr_nonnull(strstr(post.sent[0].value, "\"kind\":\"intent\""));
    ck_assert_ptr_nonnull(strstr(post.sent[0].value, "\"poll_url\":null"));
    turn(1000);
    ck_assert_uint_eq(stage.n_written, 0);
    ck_assert_uint_eq(writes(), 1);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(stage.n_written, 1);
    ck_assert_ptr_eq(stage.written, job);
    ck_assert_uint_eq(stage.n_failed, 0);
    end_job(job);
}
END_TEST

START_TEST(what_finds_the_publisher_full_goes_again_each_50_ms_in_order)
{
    answer_with(PUBLISHER_FULL);
    struct job *one = noted_job(1);
    struct job *two = noted_job(2);
    ck_assert(is_awake());
    turn(0);
    ck_assert_int_eq(stage.next_ms, stage.now_ms + 50);
    answer_with(PUBLISHER_SENT);
    turn(49);
    ck_assert_uint_eq(post.n, 0);
    ck_assert_uint_eq(writes(), 2);
    turn(1);
    ck_assert_uint_eq(post.n, 2);
    ck_assert_int_eq(stage.next_ms, INT64_MAX);
    ck_assert_ptr_nonnull(strstr(post.sent[0].key, "/1/"));
    ck_assert_ptr_nonnull(strstr(post.sent[1].key, "/2/"));
    deliver(0, DELIVERY_ACKNOWLEDGED);
    deliver(1, DELIVERY_ACKNOWLEDGED);
    end_job(one);
    end_job(two);
}
END_TEST

START_TEST(a_full_publisher_is_asked_once_a_turn)
{
    answer_with(PUBLISHER_FULL);
    struct job *jobs[5];
    for (int i = 0; i < 5; i++)
        jobs[i] = noted_job(i);
    turn(0);
    turn(60);
    answer_with(PUBLISHER_SENT);
    turn(60);
    ck_assert_uint_eq(post.n, 5);
    for (size_t i = 0; i < 5; i++) {
        char place[32];
        snprintf(place, sizeof place, "/3/%zu/", i);
        ck_assert_msg(strstr(post.sent[i].key, place) != NULL, "%zu: %s", i, post.sent[i].key);
        deliver(i, DELIVERY_ACKNOWLEDGED);
        end_job(jobs[i]);
    }
}
END_TEST

/* A report, or an answer at once: the same end. */
START_TEST(a_refused_run_goes_alone_and_is_then_given_up)
{
    bool at_once = _i == 1;
    if (at_once)
        answer_with(PUBLISHER_REFUSED);
    struct job *job = noted_job(42);
    if (!at_once) {
        deliver(0, DELIVERY_REFUSED);
        ck_assert_uint_eq(post.n, 2);
        ck_assert(post.sent[1].alone);
        ck_assert_str_eq(post.sent[1].key, post.sent[0].key);
        ck_assert_str_eq(post.sent[1].value, post.sent[0].value);
        ck_assert_uint_eq(writes(), 1);
        deliver(1, DELIVERY_REFUSED);
    }
    turn(1000);
    ck_assert_uint_eq(post.n, at_once ? 0 : 2);
    ck_assert_uint_eq(writes(), 0);
    ck_assert_uint_eq(counts().given_up, 1);
    ck_assert_uint_eq(stage.n_failed, 0);
    end_job(job);
}
END_TEST

START_TEST(what_was_refused_with_its_batch_is_written_alone)
{
    struct job *job = noted_job(42);
    deliver(0, DELIVERY_REFUSED);
    deliver(1, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(counts().written, 1);
    ck_assert_uint_eq(counts().given_up, 0);
    end_job(job);
}
END_TEST

START_TEST(an_intent_that_cannot_be_written_fails_with_the_reason)
{
    static const enum delivery ends[] = {DELIVERY_REFUSED, DELIVERY_LOST};
    struct job *job = intending_job(42);
    deliver(0, ends[_i]);
    if (ends[_i] == DELIVERY_REFUSED)
        deliver(1, DELIVERY_REFUSED);
    ck_assert_uint_eq(stage.n_failed, 1);
    ck_assert_ptr_eq(stage.failed, job);
    ck_assert_str_eq(stage.reason, "its intent could not be written to 'the.checkpoints': the broker's reason");
    ck_assert_uint_eq(stage.n_written, 0);
    ck_assert_uint_eq(writes(), 0);
    end_job(job);
}
END_TEST

START_TEST(an_intent_fails_when_the_producer_has_ended)
{
    answer_with(PUBLISHER_FATAL);
    struct job *job = intending_job(42);
    ck_assert_uint_eq(stage.n_failed, 0); /* on the Kafka thread alone */
    turn(0);
    ck_assert_uint_eq(stage.n_failed, 1);
    ck_assert_uint_eq(writes(), 0);
    end_job(job);
}
END_TEST

START_TEST(a_partition_that_the_producer_does_not_know_yet_is_tried_each_second)
{
    struct job *job = noted_job(42);
    deliver(0, DELIVERY_UNREACHABLE);
    answer_with(PUBLISHER_UNREACHABLE);
    for (int i = 0; i < 300; i++)
        turn(1000);
    ck_assert_uint_eq(counts().given_up, 0);
    ck_assert_uint_eq(writes(), 1);
    ck_assert_int_eq(stage.next_ms, stage.now_ms + 1000);
    answer_with(PUBLISHER_SENT);
    turn(999);
    ck_assert_uint_eq(post.n, 1);
    turn(1);
    ck_assert_uint_eq(post.n, 2);
    deliver(1, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(counts().written, 1);
    end_job(job);
}
END_TEST

START_TEST(a_partition_that_stays_unknown_is_given_up)
{
    answer_with(PUBLISHER_UNREACHABLE);
    struct job *job = intending_job(42);
    turn(0);
    for (int i = 0; i < 329; i++)
        turn(1000);
    ck_assert_uint_eq(stage.n_failed, 0);
    turn(1000);
    ck_assert_uint_eq(stage.n_failed, 1);
    ck_assert_uint_eq(writes(), 0);
    end_job(job);
}
END_TEST

/* ---- tombstones ---- */

START_TEST(a_commit_erases_what_its_marks_name_and_holds_no_partition)
{
    const struct consumer_mark marks[] = {{42, 0xabc}, {42, 0xdef}, {43, 1}};
    ledger_erase(stage.ledger, assignment, marks, 3);
    ck_assert_uint_eq(post.n, 3);
    assert_tombstone(0, 3, 42, 0xabc);
    assert_tombstone(1, 3, 42, 0xdef);
    assert_tombstone(2, 3, 43, 1);
    ck_assert_uint_eq(writes(), 0);
    ck_assert_uint_eq(counts().outstanding, 3);
    for (size_t i = 0; i < 3; i++)
        deliver(i, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(counts().erased, 3);
    ck_assert_uint_eq(counts().written, 0);
}
END_TEST

START_TEST(a_tombstone_waits_for_a_run_that_has_yet_to_go)
{
    answer_with(PUBLISHER_FULL);
    struct job *job = noted_job(42); /* in the mailbox */
    struct job *other = noted_job(43);
    const struct job_tags tags = ledger_tags(stage.ledger, job);
    ck_assert_uint_eq(tags.n, 1);
    if (_i == 1)
        turn(0); /* among the retries */
    answer_with(PUBLISHER_SENT);
    const struct consumer_mark mark = {42, tags.writer[0]};
    ledger_erase(stage.ledger, assignment, &mark, 1);
    ck_assert_uint_eq(post.n, 0);
    turn(50);
    ck_assert_uint_eq(post.n, 2);
    ck_assert_ptr_nonnull(post.sent[0].value);
    deliver(1, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(post.n, 2);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(post.n, 3);
    assert_tombstone(2, 3, 42, tags.writer[0]);
    deliver(2, DELIVERY_ACKNOWLEDGED);
    end_job(job);
    end_job(other);
}
END_TEST

START_TEST(a_tombstone_waits_for_a_run_that_goes_again_whatever_becomes_of_it)
{
    struct job *job = noted_job(42);
    const struct consumer_mark mark = {42, writer_of(0)};
    deliver(0, DELIVERY_REFUSED);
    ledger_erase(stage.ledger, assignment, &mark, 1);
    ledger_erase(stage.ledger, assignment, &mark, 1);
    ck_assert_uint_eq(post.n, 2);
    deliver(1, _i == 0 ? DELIVERY_ACKNOWLEDGED : DELIVERY_REFUSED);
    ck_assert_uint_eq(post.n, 3);
    assert_tombstone(2, 3, 42, mark.tag);
    ck_assert(!post.sent[2].alone);
    deliver(2, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(post.n, 4);
    deliver(3, DELIVERY_ACKNOWLEDGED);
    end_job(job);
}
END_TEST

/* Half of them among the retries, the others refused once. */
START_TEST(each_of_many_tombstones_waits_for_its_own_write)
{
    enum { MANY = 4000 };
    static struct job *jobs[MANY];
    for (int i = 0; i < MANY; i++) {
        answer_with(i % 2 == 0 ? PUBLISHER_SENT : PUBLISHER_FULL);
        jobs[i] = noted_job(i);
    }
    const struct job_tags tags = ledger_tags(stage.ledger, jobs[0]);
    answer_with(PUBLISHER_SENT);
    for (size_t i = 0; i < MANY / 2; i++)
        deliver(i, DELIVERY_REFUSED);
    for (int i = MANY; i-- > 0;) {
        const struct consumer_mark mark = {i, tags.writer[0]};
        ledger_erase(stage.ledger, assignment, &mark, 1);
    }
    ck_assert_uint_eq(post.n, MANY);
    turn(50);
    ck_assert_uint_eq(post.n, MANY + MANY / 2);
    for (size_t i = MANY / 2; i < MANY + MANY / 2; i++) {
        int64_t offset = (int64_t)(i < MANY ? 2 * i - MANY : 2 * (i - MANY) + 1);
        deliver(i, DELIVERY_ACKNOWLEDGED);
        assert_tombstone(post.n - 1, 3, offset, tags.writer[0]);
        deliver(post.n - 1, DELIVERY_ACKNOWLEDGED);
        end_job(jobs[offset]);
    }
    ck_assert_uint_eq(post.n, 2 * MANY + MANY / 2);
    ck_assert_uint_eq(counts().erased, MANY);
}
END_TEST

/* What is late of the older one must not touch what the newer one has written. */
START_TEST(two_assignments_of_one_partition_are_two_writers)
{
    struct job *job = noted_job(42);
    uint64_t first = writer_of(0);
    struct job_tags tags = ledger_tags(stage.ledger, job);
    ck_assert_uint_eq(tags.n, 1);
    ck_assert_uint_eq(tags.writer[0], first);
    end_job(job);
    struct assignment *older = assignment;
    assignment = assignment_new(TOPIC, 3, 8);
    job = noted_job(42);
    uint64_t second = writer_of(1);
    ck_assert_uint_ne(second, first);
    tags = ledger_tags(stage.ledger, job);
    ck_assert_uint_eq(tags.n, 1);
    ck_assert_uint_eq(tags.writer[0], second);
    const struct consumer_mark late = {42, first};
    ledger_erase(stage.ledger, older, &late, 1);
    assert_tombstone(2, 3, 42, first);
    for (size_t i = 0; i < 3; i++)
        deliver(i, DELIVERY_ACKNOWLEDGED);
    end_job(job);
    assignment_release(older);
}
END_TEST

START_TEST(an_intent_is_taken_back_under_its_own_assignments_name)
{
    struct assignment *older = assignment;
    assignment = assignment_new(TOPIC, 3, 8);
    struct job *job = job_at(older, 42);
    ck_assert_int_eq(ledger_note_intent(stage.ledger, job), 0);
    ledger_withdraw(stage.ledger, job);
    deliver(0, DELIVERY_ACKNOWLEDGED); /* the tombstone waits for what it erases */
    assert_tombstone(1, 3, 42, writer_of(0));
    deliver(1, DELIVERY_ACKNOWLEDGED);
    end_job(job);
    assignment_release(older);
}
END_TEST

START_TEST(a_tombstone_of_another_writer_waits_for_nobody)
{
    struct job *job = noted_job(42);
    const struct consumer_mark mark = {42, writer_of(0) ^ 1};
    deliver(0, DELIVERY_REFUSED);
    ledger_erase(stage.ledger, assignment, &mark, 1);
    ck_assert_uint_eq(post.n, 3);
    assert_tombstone(2, 3, 42, mark.tag);
    deliver(1, DELIVERY_ACKNOWLEDGED);
    deliver(2, DELIVERY_ACKNOWLEDGED);
    end_job(job);
}
END_TEST

START_TEST(a_tombstone_goes_again_like_any_write)
{
    const struct consumer_mark mark = {42, 5};
    answer_with(PUBLISHER_FULL);
    ledger_erase(stage.ledger, assignment, &mark, 1);
    answer_with(PUBLISHER_SENT);
    turn(50);
    deliver(0, DELIVERY_REFUSED);
    assert_tombstone(1, 3, 42, 5);
    ck_assert(post.sent[1].alone);
    deliver(1, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(counts().erased, 1);
}
END_TEST

/* ---- taking back ---- */

START_TEST(an_intent_is_taken_back_behind_its_acknowledgement_and_holds_the_partition_until_then)
{
    struct job *job = intending_job(42);
    uint64_t writer = writer_of(0);
    ledger_withdraw(stage.ledger, job);
    ck_assert(!job->noted);
    end_job(job);
    ck_assert_uint_eq(post.n, 1);
    ck_assert_uint_eq(writes(), 2);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(stage.n_written, 0);
    ck_assert_uint_eq(writes(), 1);
    assert_tombstone(1, 3, 42, writer);
    deliver(1, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(writes(), 0);
}
END_TEST

START_TEST(an_acknowledged_intent_is_taken_back_at_once)
{
    struct job *job = intending_job(42);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    ledger_withdraw(stage.ledger, job);
    assert_tombstone(1, 3, 42, writer_of(0));
    ck_assert_uint_eq(writes(), 1);
    deliver(1, DELIVERY_ACKNOWLEDGED);
    end_job(job);
}
END_TEST

START_TEST(what_was_never_noted_is_not_taken_back)
{
    struct job *job = job_at(assignment, 42);
    ledger_withdraw(stage.ledger, job);
    ck_assert_uint_eq(post.n, 0);
    end_job(job);
}
END_TEST

START_TEST(nobody_is_told_of_a_job_that_was_released)
{
    struct job *one = intending_job(1);
    struct job *two = intending_job(2);
    end_job(one);
    end_job(two);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    deliver(1, DELIVERY_LOST);
    ck_assert_uint_eq(stage.n_written + stage.n_failed, 0);
}
END_TEST

/* ---- the end ---- */

START_TEST(without_a_publisher_all_that_waits_is_given_up)
{
    answer_with(PUBLISHER_FULL);
    struct job *one = noted_job(1);
    struct job *two = intending_job(2);
    turn(0);
    ledger_use_publisher(stage.ledger, NULL);
    turn(0);
    ck_assert_uint_eq(counts().given_up, 2);
    ck_assert_uint_eq(stage.n_failed, 1);
    end_job(one);
    end_job(two);
}
END_TEST

START_TEST(the_end_frees_what_waits)
{
    struct job *one = noted_job(1);
    deliver(0, DELIVERY_UNREACHABLE);
    answer_with(PUBLISHER_FULL);
    struct job *two = noted_job(2);
    struct job *three = intending_job(3);
    turn(0);
    struct job *four = intending_job(4);
    ledger_withdraw(stage.ledger, four);
    ck_assert_uint_eq(writes(), 5);
    end_job(one);
    end_job(two);
    end_job(four);
    stage_close();
    ck_assert_uint_eq(writes(), 0);
    ck_assert_ptr_null(three->begin->intent);
    ck_assert_uint_eq(stage.n_failed, 0);
    stage_open(TOPIC_IS_ON, true, 100);
    end_job(three);
}
END_TEST

/* ---- threads ---- */

#define NOTES 2000

static void *note_many(void *opaque)
{
    struct job **jobs = opaque;
    for (int i = 0; i < NOTES; i++) {
        if (i % 2 == 0)
            ledger_note_run(stage.ledger, jobs[i]);
        else
            ck_assert_int_eq(ledger_note_intent(stage.ledger, jobs[i]), 0);
    }
    return NULL;
}

START_TEST(loop_threads_write_while_the_kafka_thread_hears_of_it)
{
    static struct job *jobs[2][NOTES];
    pthread_t threads[2];
    for (int t = 0; t < 2; t++) {
        for (int i = 0; i < NOTES; i++) {
            jobs[t][i] = job_at(assignment, t * NOTES + i);
            accept_job(jobs[t][i], 1);
        }
        ck_assert_int_eq(pthread_create(&threads[t], NULL, note_many, jobs[t]), 0);
    }
    size_t done = 0;
    for (size_t round = 0; done < 2 * NOTES; round++) {
        pthread_mutex_lock(&post.lock);
        post.answer = round % 7 == 0 ? PUBLISHER_FULL : PUBLISHER_SENT;
        size_t n = post.n;
        pthread_mutex_unlock(&post.lock);
        turn(50);
        while (done < n) {
            struct parcel *parcel = post.sent[done++].parcel;
            ledger_delivered(stage.ledger, parcel, DELIVERY_ACKNOWLEDGED, "");
        }
    }
    for (int t = 0; t < 2; t++)
        pthread_join(threads[t], NULL);
    ck_assert_uint_eq(counts().written, 2 * NOTES);
    ck_assert_uint_eq(stage.n_written, NOTES);
    for (int i = 0; i < 2 * NOTES; i++)
        end_job(jobs[i / NOTES][i % NOTES]);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger_writes");
    TCase *tcase = tcase_create("writes");
    tcase_add_checked_fixture(tcase, open_stage, close_stage);
    tcase_add_test(tcase, a_run_is_written_under_its_place_and_writer_to_the_partition_of_its_input);
    tcase_add_test(tcase, a_write_outlives_its_job_and_keeps_its_assignment);
    tcase_add_test(tcase, what_waits_for_its_acknowledgement_counts_with_its_bytes);
    tcase_add_test(tcase, two_ledgers_are_two_writers);
    tcase_add_test(tcase, a_run_without_poll_url_is_not_written);
    tcase_add_test(tcase, an_intent_is_told_once_it_is_acknowledged);
    tcase_add_test(tcase, what_finds_the_publisher_full_goes_again_each_50_ms_in_order);
    tcase_add_test(tcase, a_full_publisher_is_asked_once_a_turn);
    tcase_add_loop_test(tcase, a_refused_run_goes_alone_and_is_then_given_up, 0, 2);
    tcase_add_test(tcase, what_was_refused_with_its_batch_is_written_alone);
    tcase_add_loop_test(tcase, an_intent_that_cannot_be_written_fails_with_the_reason, 0, 2);
    tcase_add_test(tcase, an_intent_fails_when_the_producer_has_ended);
    tcase_add_test(tcase, a_partition_that_the_producer_does_not_know_yet_is_tried_each_second);
    tcase_add_test(tcase, a_partition_that_stays_unknown_is_given_up);
    tcase_add_test(tcase, a_commit_erases_what_its_marks_name_and_holds_no_partition);
    tcase_add_loop_test(tcase, a_tombstone_waits_for_a_run_that_has_yet_to_go, 0, 2);
    tcase_add_loop_test(tcase, a_tombstone_waits_for_a_run_that_goes_again_whatever_becomes_of_it, 0, 2);
    tcase_add_test(tcase, each_of_many_tombstones_waits_for_its_own_write);
    tcase_add_test(tcase, two_assignments_of_one_partition_are_two_writers);
    tcase_add_test(tcase, an_intent_is_taken_back_under_its_own_assignments_name);
    tcase_add_test(tcase, a_tombstone_of_another_writer_waits_for_nobody);
    tcase_add_test(tcase, a_tombstone_goes_again_like_any_write);
    tcase_add_test(tcase, an_intent_is_taken_back_behind_its_acknowledgement_and_holds_the_partition_until_then);
    tcase_add_test(tcase, an_acknowledged_intent_is_taken_back_at_once);
    tcase_add_test(tcase, what_was_never_noted_is_not_taken_back);
    tcase_add_test(tcase, nobody_is_told_of_a_job_that_was_released);
    tcase_add_test(tcase, without_a_publisher_all_that_waits_is_given_up);
    tcase_add_test(tcase, the_end_frees_what_waits);
    tcase_add_test(tcase, loop_threads_write_while_the_kafka_thread_hears_of_it);
    suite_add_tcase(suite, tcase);
    return suite;
}
