#include "base/list.h"
#include "support/check_main.h"

struct item {
    char letter;
    struct list node;
};

static struct item items[4] = {{.letter = 'a'}, {.letter = 'b'}, {.letter = 'c'}, {.letter = 'd'}};

static char shift(struct list *head)
{
    struct list *node = list_shift(head);
    return node == NULL ? '-' : list_entry(node, struct item, node)->letter;
}

START_TEST(shifts_in_the_order_of_pushing)
{
    struct list head;
    list_init(&head);
    ck_assert(list_is_empty(&head));
    ck_assert_int_eq(shift(&head), '-');
    list_push(&head, &items[0].node);
    list_push(&head, &items[1].node);
    ck_assert(!list_is_empty(&head));
    ck_assert_int_eq(shift(&head), 'a');
    ck_assert_int_eq(shift(&head), 'b');
    ck_assert_int_eq(shift(&head), '-');
}
END_TEST

START_TEST(walks_backwards_as_well)
{
    struct list head;
    list_init(&head);
    list_push(&head, &items[0].node);
    list_push(&head, &items[1].node);
    ck_assert_ptr_eq(head.prev, &items[1].node);
    ck_assert_ptr_eq(head.prev->prev, &items[0].node);
    ck_assert_ptr_eq(head.prev->prev->prev, &head);
}
END_TEST

START_TEST(removes_from_the_middle_and_again_harmlessly)
{
    struct list head;
    list_init(&head);
    for (int i = 0; i < 3; i++) {
        list_push(&head, &items[i].node);
    }
    list_remove(&items[1].node);
    ck_assert_int_eq(shift(&head), 'a');
    list_push(&head, &items[3].node);
    list_remove(&items[1].node);
    ck_assert_int_eq(shift(&head), 'c');
    ck_assert_int_eq(shift(&head), 'd');
    ck_assert_int_eq(shift(&head), '-');
}
END_TEST

START_TEST(a_shifted_node_may_be_removed_harmlessly)
{
    struct list head;
    list_init(&head);
    list_push(&head, &items[0].node);
    list_push(&head, &items[1].node);
    list_shift(&head);
    list_remove(&items[0].node);
    ck_assert_int_eq(shift(&head), 'b');
}
END_TEST

START_TEST(splices_behind_the_end_and_leaves_the_source_empty)
{
    struct list to;
    struct list from;
    list_init(&to);
    list_init(&from);
    list_push(&to, &items[0].node);
    list_push(&from, &items[1].node);
    list_push(&from, &items[2].node);
    list_splice(&to, &from);
    ck_assert(list_is_empty(&from));
    list_push(&to, &items[3].node);
    ck_assert_ptr_eq(to.prev->prev, &items[2].node);
    ck_assert_ptr_eq(to.prev->prev->prev->prev, &items[0].node);
    ck_assert_int_eq(shift(&to), 'a');
    ck_assert_int_eq(shift(&to), 'b');
    ck_assert_int_eq(shift(&to), 'c');
    ck_assert_int_eq(shift(&to), 'd');
    ck_assert_int_eq(shift(&to), '-');
}
END_TEST

START_TEST(splicing_nothing_changes_nothing)
{
    struct list to;
    struct list from;
    list_init(&to);
    list_init(&from);
    list_push(&to, &items[0].node);
    list_splice(&to, &from);
    ck_assert_int_eq(shift(&to), 'a');
    ck_assert_int_eq(shift(&to), '-');
    ck_assert(list_is_empty(&from));
}
END_TEST

START_TEST(splices_onto_an_empty_list)
{
    struct list to;
    struct list from;
    list_init(&to);
    list_init(&from);
    list_push(&from, &items[0].node);
    list_splice(&to, &from);
    ck_assert_ptr_eq(to.prev, &items[0].node);
    ck_assert_int_eq(shift(&to), 'a');
    ck_assert_int_eq(shift(&to), '-');
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("list");
    TCase *tcase = tcase_create("list");
    tcase_add_test(tcase, shifts_in_the_order_of_pushing);
    tcase_add_test(tcase, walks_backwards_as_well);
    tcase_add_test(tcase, removes_from_the_middle_and_again_harmlessly);
    tcase_add_test(tcase, a_shifted_node_may_be_removed_harmlessly);
    tcase_add_test(tcase, splices_behind_the_end_and_leaves_the_source_empty);
    tcase_add_test(tcase, splicing_nothing_changes_nothing);
    tcase_add_test(tcase, splices_onto_an_empty_list);
    suite_add_tcase(suite, tcase);
    return suite;
}
