#include "base/mailbox.h"
#include "support/check_main.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct letter {
    int sender;
    int number;
    struct list node;
};

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    return poll(&pollfd, 1, timeout_ms) == 1;
}

static struct letter *shift(struct list *head)
{
    struct list *node = list_shift(head);
    return node == NULL ? NULL : list_entry(node, struct letter, node);
}

START_TEST(gives_letters_back_in_the_order_of_posting)
{
    struct mailbox mailbox;
    struct letter letter[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct list taken;
    list_init(&taken);
    ck_assert_int_eq(mailbox_init(&mailbox, -1), 0);
    list_push(&taken, &letter[0].node);
    mailbox_post(&mailbox, &letter[1].node);
    mailbox_post(&mailbox, &letter[2].node);
    mailbox_take(&mailbox, &taken);
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_eq(shift(&taken), &letter[i]);
    }
    ck_assert(list_is_empty(&taken));
    mailbox_take(&mailbox, &taken);
    ck_assert(list_is_empty(&taken));
    mailbox_deinit(&mailbox);
}
END_TEST

START_TEST(a_post_makes_the_fd_readable_until_it_is_drained)
{
    struct mailbox mailbox;
    struct letter letter[2];
    struct list taken;
    list_init(&taken);
    ck_assert_int_eq(mailbox_init(&mailbox, -1), 0);
    ck_assert(!is_readable(mailbox.event_fd, 0));
    mailbox_drain_fd(mailbox.event_fd);
    mailbox_post(&mailbox, &letter[0].node);
    mailbox_post(&mailbox, &letter[1].node);
    ck_assert(is_readable(mailbox.event_fd, 0));
    mailbox_drain_fd(mailbox.event_fd);
    ck_assert(!is_readable(mailbox.event_fd, 0));
    mailbox_take(&mailbox, &taken);
    ck_assert(!list_is_empty(&taken));
    ck_assert_ptr_eq(shift(&taken), &letter[0]);
    mailbox_post(&mailbox, &letter[0].node);
    ck_assert(is_readable(mailbox.event_fd, 0));
    mailbox_take(&mailbox, &taken);
    mailbox_deinit(&mailbox);
}
END_TEST

START_TEST(two_mailboxes_can_share_an_eventfd_that_outlives_them)
{
    struct mailbox mailbox[2];
    struct letter letter;
    struct list taken;
    int fd = eventfd(0, EFD_NONBLOCK);
    list_init(&taken);
    ck_assert_int_eq(mailbox_init(&mailbox[0], fd), 0);
    ck_assert_int_eq(mailbox_init(&mailbox[1], fd), 0);
    mailbox_post(&mailbox[1], &letter.node);
    ck_assert(is_readable(fd, 0));
    mailbox_take(&mailbox[0], &taken);
    ck_assert(list_is_empty(&taken));
    mailbox_take(&mailbox[1], &taken);
    ck_assert_ptr_eq(shift(&taken), &letter);
    mailbox_deinit(&mailbox[0]);
    mailbox_deinit(&mailbox[1]);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    close(fd);
}
END_TEST

START_TEST(its_own_eventfd_is_closed_with_it)
{
    struct mailbox mailbox;
    ck_assert_int_eq(mailbox_init(&mailbox, -1), 0);
    int fd = mailbox.event_fd;
    ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    mailbox_deinit(&mailbox);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(a_full_eventfd_does_not_block_a_post)
{
    struct mailbox mailbox;
    struct letter letter;
    struct list taken;
    uint64_t full = UINT64_MAX - 1;
    list_init(&taken);
    ck_assert_int_eq(mailbox_init(&mailbox, -1), 0);
    ck_assert_int_eq(write(mailbox.event_fd, &full, sizeof full), sizeof full);
    mailbox_post(&mailbox, &letter.node);
    mailbox_take(&mailbox, &taken);
    ck_assert_ptr_eq(shift(&taken), &letter);
    mailbox_deinit(&mailbox);
}
END_TEST

#define SENDERS 4
#define LETTERS 5000

static struct mailbox shared;
static struct letter letters[SENDERS][LETTERS];

static void *send_all(void *opaque)
{
    struct letter *own = opaque;
    for (int i = 0; i < LETTERS; i++) {
        own[i].number = i;
        mailbox_post(&shared, &own[i].node);
    }
    return NULL;
}

START_TEST(no_letter_of_many_threads_is_lost_or_sleeps)
{
    pthread_t sender[SENDERS];
    int next[SENDERS] = {0};
    struct list taken;
    list_init(&taken);
    ck_assert_int_eq(mailbox_init(&shared, -1), 0);
    for (int i = 0; i < SENDERS; i++) {
        for (int k = 0; k < LETTERS; k++) {
            letters[i][k].sender = i;
        }
        ck_assert_int_eq(pthread_create(&sender[i], NULL, send_all, letters[i]), 0);
    }
    for (int n = 0; n < SENDERS * LETTERS;) {
        ck_assert_msg(is_readable(shared.event_fd, 20000), "asleep after %d letters", n);
        mailbox_drain_fd(shared.event_fd);
        mailbox_take(&shared, &taken);
        for (struct letter *letter = shift(&taken); letter != NULL; letter = shift(&taken)) {
            ck_assert_int_eq(letter->number, next[letter->sender]);
            next[letter->sender]++;
            n++;
        }
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(sender[i], NULL);
    }
    mailbox_deinit(&shared);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("mailbox");
    TCase *tcase = tcase_create("mailbox");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, gives_letters_back_in_the_order_of_posting);
    tcase_add_test(tcase, a_post_makes_the_fd_readable_until_it_is_drained);
    tcase_add_test(tcase, two_mailboxes_can_share_an_eventfd_that_outlives_them);
    tcase_add_test(tcase, its_own_eventfd_is_closed_with_it);
    tcase_add_test(tcase, a_full_eventfd_does_not_block_a_post);
    tcase_add_test(tcase, no_letter_of_many_threads_is_lost_or_sleeps);
    suite_add_tcase(suite, tcase);
    return suite;
}
