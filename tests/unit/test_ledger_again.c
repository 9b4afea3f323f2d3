#include "support/ledger_stage.h"
#include "engine/awake.h"

/* A run that is noted more than once: where it is polled has changed, or its id came to light. */

static struct assignment *assignment;
static struct job *job;
static struct consumer_mark mark;

static void open_stage(void)
{
    stage_open(TOPIC_IS_ON, true, 100);
    assignment = assignment_new(TOPIC, 3, 7);
    job = job_at(assignment, 42);
    accept_job(job, 1760000000000);
}

static void close_stage(void)
{
    ck_assert_uint_eq(counts().outstanding, 0);
    ck_assert_uint_eq(counts().outstanding_bytes, 0);
    ck_assert_uint_eq(atomic_load(&assignment->writes), 0);
    ck_assert_uint_eq(assignment->holders, 1);
    assignment_release(assignment);
    stage_close();
}

static void note(void)
{
    ck_assert_int_eq(ledger_note_run(stage.ledger, job), 0);
    mark = (struct consumer_mark){42, ledger_tags(stage.ledger, job).writer[0]};
}

static void note_again(const char *run_id)
{
    awake_put(job->run.awake, &job->run.awake->run_id, strdup(run_id));
    ck_assert_int_eq(ledger_note_again(stage.ledger, job), 0);
    mark = (struct consumer_mark){42, ledger_tags(stage.ledger, job).writer[0]};
}

static void erase(void)
{
    ledger_erase(stage.ledger, assignment, &mark, 1);
}

static void assert_sent(size_t i, const char *run_id)
{
    char text[64];
    ck_assert_uint_eq(post.n, i + 1);
    snprintf(text, sizeof text, "\"%s\"", run_id);
    ck_assert_ptr_nonnull(post.sent[i].value);
    ck_assert_msg(strstr(post.sent[i].value, text) != NULL, "%s", post.sent[i].value);
    ck_assert_str_eq(post.sent[i].key, post.sent[0].key);
}

START_TEST(a_second_note_waits_for_the_first)
{
    note();
    assert_sent(0, "r-9");
    note_again("r-10");
    ck_assert(is_awake());
    turn(0);
    ck_assert_uint_eq(post.n, 1);
    ck_assert_uint_eq(counts().outstanding, 2);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    assert_sent(1, "r-10");
    deliver(1, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(counts().written, 2);
    end_job(job);
}
END_TEST

START_TEST(a_second_note_goes_at_once_where_the_first_has_ended)
{
    note();
    deliver(0, _i == 0 ? DELIVERY_ACKNOWLEDGED : DELIVERY_LOST);
    note_again("r-10");
    turn(0);
    assert_sent(1, "r-10");
    deliver(1, DELIVERY_ACKNOWLEDGED);
    end_job(job);
}
END_TEST

START_TEST(a_newer_note_takes_the_place_of_one_that_waits)
{
    note();
    note_again("r-10");
    note_again("r-11");
    turn(0);
    note_again("r-12");
    turn(0);
    ck_assert_uint_eq(counts().outstanding, 2);
    ck_assert_uint_eq(atomic_load(&assignment->writes), 2);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    assert_sent(1, "r-12");
    note_again("r-13");
    turn(0);
    ck_assert_uint_eq(post.n, 2);
    deliver(1, DELIVERY_ACKNOWLEDGED);
    assert_sent(2, "r-13");
    deliver(2, DELIVERY_ACKNOWLEDGED);
    end_job(job);
}
END_TEST

/* The first one is refused with its batch: it goes again by itself, and must not land after the newer one. */
START_TEST(a_note_that_goes_again_still_comes_before_the_newer)
{
    note();
    note_again("r-10");
    turn(0);
    deliver(0, DELIVERY_REFUSED);
    assert_sent(1, "r-9");
    ck_assert(post.sent[1].alone);
    turn(2000);
    ck_assert_uint_eq(post.n, 2);
    deliver(1, _i == 0 ? DELIVERY_ACKNOWLEDGED : DELIVERY_REFUSED);
    assert_sent(2, "r-10");
    deliver(2, DELIVERY_REFUSED);
    assert_sent(3, "r-10");
    deliver(3, DELIVERY_ACKNOWLEDGED);
    end_job(job);
}
END_TEST

/* 0: it is still in the mailbox; 1: it is among the retries. */
START_TEST(a_note_that_could_not_go_yet_comes_before_the_newer)
{
    answer_with(PUBLISHER_FULL);
    note();
    if (_i == 1)
        turn(0);
    note_again("r-10");
    turn(0);
    answer_with(PUBLISHER_SENT);
    ck_assert_uint_eq(post.n, 0);
    turn(50);
    assert_sent(0, "r-9");
    deliver(0, DELIVERY_ACKNOWLEDGED);
    assert_sent(1, "r-10");
    deliver(1, DELIVERY_ACKNOWLEDGED);
    end_job(job);
}
END_TEST

/* 0: the newer one is still in the mailbox; 1: it waits for the first; 2: it is on its way; 3: it was refused once. Its job has
 * ended, or not. */
START_TEST(a_tombstone_comes_behind_every_note)
{
    bool has_ended = _i % 2 == 1;
    int stage_of_note = _i / 2;
    size_t n = 1;
    note();
    note_again("r-10");
    if (stage_of_note >= 1)
        turn(0);
    if (stage_of_note >= 2) {
        deliver(0, DELIVERY_ACKNOWLEDGED);
        n = 2;
    }
    if (stage_of_note == 3) {
        deliver(1, DELIVERY_REFUSED);
        n = 3;
    }
    if (has_ended)
        end_job(job);
    erase();
    ck_assert_uint_eq(post.n, n);
    turn(0);
    ck_assert_uint_eq(post.n, n);
    deliver(n - 1, DELIVERY_ACKNOWLEDGED);
    if (n == 1) {
        assert_sent(1, "r-10");
        deliver(1, DELIVERY_ACKNOWLEDGED);
        n = 2;
    }
    ck_assert_uint_eq(post.n, n + 1);
    assert_tombstone(n, 3, 42, mark.tag);
    deliver(n, DELIVERY_ACKNOWLEDGED);
    if (!has_ended)
        end_job(job);
}
END_TEST

START_TEST(a_note_may_outlive_its_job)
{
    note();
    note_again("r-10");
    end_job(job); /* the sanitizer sees whoever touches it again */
    deliver(0, DELIVERY_ACKNOWLEDGED);
    assert_sent(1, "r-10");
    deliver(1, DELIVERY_ACKNOWLEDGED);
}
END_TEST

/* A run that went on from another's checkpoint is first noted when something changes. */
START_TEST(the_first_note_of_a_job_may_be_a_newer_one)
{
    note_again("r-10");
    ck_assert_uint_eq(ledger_tags(stage.ledger, job).n, 1);
    turn(0);
    assert_sent(0, "r-10");
    erase();
    ck_assert_uint_eq(post.n, 1);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    assert_tombstone(1, 3, 42, mark.tag);
    deliver(1, DELIVERY_ACKNOWLEDGED);
    end_job(job);
}
END_TEST

START_TEST(an_intent_is_followed_by_notes_as_well)
{
    ck_assert_int_eq(ledger_note_intent(stage.ledger, job), 0);
    deliver(0, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(stage.n_written, 1);
    note();
    note_again("r-10");
    turn(0);
    assert_sent(1, "r-9");
    deliver(1, DELIVERY_ACKNOWLEDGED);
    assert_sent(2, "r-10");
    deliver(2, DELIVERY_ACKNOWLEDGED);
    ck_assert_uint_eq(stage.n_written, 1); /* that is told of intents only */
    end_job(job);
}
END_TEST

START_TEST(what_waits_at_the_end_is_given_up)
{
    note();
    note_again("r-10");
    turn(0);
    ledger_use_publisher(stage.ledger, NULL);
    deliver(0, DELIVERY_LOST);
    ck_assert_uint_eq(counts().given_up, 2);
    ck_assert_uint_eq(post.n, 1);
    end_job(job);
}
END_TEST

START_TEST(without_an_address_nothing_is_noted)
{
    awake_put(job->run.awake, &job->run.awake->poll_url, NULL);
    ck_assert_int_eq(ledger_note_run(stage.ledger, job), -1); /* it may be tried again */
    ck_assert(!job->noted);
    ck_assert_int_eq(ledger_note_again(stage.ledger, job), -1);
    turn(0);
    ck_assert_uint_eq(post.n, 0);
    ck_assert_uint_eq(ledger_tags(stage.ledger, job).n, 0);
    ck_assert_uint_eq(counts().given_up, 2);
    end_job(job);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("ledger_again");
    TCase *tests = tcase_create("ledger_again");
    tcase_add_checked_fixture(tests, open_stage, close_stage);
    tcase_add_test(tests, a_second_note_waits_for_the_first);
    tcase_add_loop_test(tests, a_second_note_goes_at_once_where_the_first_has_ended, 0, 2);
    tcase_add_test(tests, a_newer_note_takes_the_place_of_one_that_waits);
    tcase_add_loop_test(tests, a_note_that_goes_again_still_comes_before_the_newer, 0, 2);
    tcase_add_loop_test(tests, a_note_that_could_not_go_yet_comes_before_the_newer, 0, 2);
    tcase_add_loop_test(tests, a_tombstone_comes_behind_every_note, 0, 8);
    tcase_add_test(tests, a_note_may_outlive_its_job);
    tcase_add_test(tests, the_first_note_of_a_job_may_be_a_newer_one);
    tcase_add_test(tests, an_intent_is_followed_by_notes_as_well);
    tcase_add_test(tests, what_waits_at_the_end_is_given_up);
    tcase_add_test(tests, without_an_address_nothing_is_noted);
    suite_add_tcase(suite, tests);
    return suite;
}
