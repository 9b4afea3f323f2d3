/* What is handed out for an input of an earlier life, as memory fails: that it had none is never said, so that it is not begun
 * again. */
#include "support/ledger_stage.h"
#include "support/scarce.h"

enum found { RUN_FOUND, INTENT_FOUND, GARBAGE_FOUND };
static enum found found;

static void hand_out(long n, long failures)
{
    struct assignment *assignment = assignment_new(TOPIC, 3, 7);
    struct checkpoint_table *table = checkpoint_table_new();
    struct job_tags tags;
    stage_open(TOPIC_IS_ON, true, 100);
    if (found == GARBAGE_FOUND)
        ck_assert_int_eq(checkpoint_table_put(table, 5, 0xa, "{garbage", 8), 0);
    else
        put_record(table, 5, 0xa, found == RUN_FOUND ? CHECKPOINT_RUN : CHECKPOINT_INTENT, 1000);
    come(assignment, table);
    scarce_begin(n, failures);
    struct checkpoint *checkpoint = ledger_take(stage.ledger, assignment, 5, &tags);
    bool failed = scarce_end();
    ck_assert(!tags.lacked_memory || failed);
    if (!tags.lacked_memory) {
        ck_assert_ptr_nonnull(checkpoint);
        ck_assert_int_eq(checkpoint->kind, found == RUN_FOUND ? CHECKPOINT_RUN : CHECKPOINT_INTENT);
        ck_assert(checkpoint->unreadable == (found == GARBAGE_FOUND));
    }
    free(checkpoint);
    ledger_leave(stage.ledger, assignment);
    stage_close();
    assignment_release(assignment);
}

START_TEST(an_earlier_life_is_never_overlooked)
{
    found = (enum found)_i;
    ck_assert_int_gt(scarce_try(hand_out), 0);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("scarcity_ledger");
    TCase *tcase = tcase_create("ledger");
    tcase_add_loop_test(tcase, an_earlier_life_is_never_overlooked, RUN_FOUND, GARBAGE_FOUND + 1);
    suite_add_tcase(suite, tcase);
    return suite;
}
