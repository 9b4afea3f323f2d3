#include "base/slabs.h"
#include "support/check_main.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 4000

struct held {
    unsigned char *at;
    size_t bytes;
    unsigned char mark;
};

static struct held held[BLOCKS];
static uint64_t seed;

static size_t draw(size_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (size_t)(seed >> 33) % below;
}

static void take(struct slabs *slabs, struct held *block)
{
    block->bytes = draw(SLABS_BLOCK_MAX_BYTES + 40);
    block->mark = (unsigned char)draw(256);
    block->at = slabs_take(slabs, block->bytes);
    ck_assert_ptr_nonnull(block->at);
    ck_assert_uint_eq((uintptr_t)block->at % sizeof(void *), 0);
    memset(block->at, block->mark, block->bytes);
}

static void give(struct held *block)
{
    size_t same = 0;
    while (same < block->bytes && block->at[same] == block->mark) {
        same++;
    }
    ck_assert_uint_eq(same, block->bytes);
    slabs_give(block->at, block->bytes);
    block->at = NULL;
}

START_TEST(blocks_are_one_s_own_whatever_comes_and_goes)
{
    struct slabs *slabs = slabs_new();
    memset(held, 0, sizeof held);
    seed = 17;
    for (int i = 0; i < 10 * BLOCKS; i++) {
        struct held *block = &held[draw(BLOCKS)];
        if (block->at == NULL) {
            take(slabs, block);
        } else {
            give(block);
        }
    }
    slabs_release(slabs); /* the blocks outlive it */
    for (size_t i = 0; i < BLOCKS; i++) {
        if (held[i].at != NULL) {
            give(&held[i]);
        }
    }
}
END_TEST

START_TEST(what_is_given_back_is_taken_again)
{
    struct slabs *slabs = slabs_new();
    void *one = slabs_take(slabs, 200);
    void *other = slabs_take(slabs, 200);
    ck_assert_ptr_ne(one, other);
    slabs_give(one, 200);
#if !defined(__SANITIZE_ADDRESS__) /* there it is malloc's */
    ck_assert_ptr_eq(slabs_take(slabs, 193), one);
#else
    one = slabs_take(slabs, 193);
#endif
    slabs_give(one, 193);
    slabs_give(other, 200);
    slabs_give(NULL, 5);
    slabs_release(slabs);
    slabs_release(NULL);
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* What is mapped, not what is resident: the kernel counts that per CPU and tells it only roughly. */
static size_t mapped_bytes(void)
{
    size_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%zu", &pages), 1);
    fclose(file);
    return pages * 4096;
}

START_TEST(what_is_given_back_goes_back_to_the_system)
{
    struct slabs *slabs = slabs_new();
    static void *blocks[BLOCKS];
    size_t before = mapped_bytes();
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = slabs_take(slabs, 1000);
        memset(blocks[i], 1, 1000);
    }
    size_t most = mapped_bytes();
    for (size_t i = 0; i < BLOCKS; i++) {
        slabs_give(blocks[i], 1000);
    }
    ck_assert_uint_ge(most - before, (size_t)BLOCKS * 1000);
    ck_assert_uint_le(most - before, (size_t)BLOCKS * 1060);
    ck_assert_uint_le(mapped_bytes() - before, (size_t)1 << 20);
    slabs_release(slabs);
}
END_TEST
#endif

/* ---- several threads ---- */

static struct slabs *shared;
static void *exchange[64]; /* atomic */

/* Takes one, and gives back what another thread left there. */
static void *trade(void *opaque)
{
    uint64_t x = (uint64_t)(uintptr_t)opaque;
    for (int i = 0; i < 20000; i++) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
        void *mine = slabs_take(shared, 300);
        memset(mine, (int)x, 300);
        slabs_give(__atomic_exchange_n(&exchange[(x >> 33) % 64], mine, __ATOMIC_ACQ_REL), 300);
    }
    return NULL;
}

START_TEST(any_thread_may_give_back)
{
    pthread_t threads[4];
    shared = slabs_new();
    for (uintptr_t i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, trade, (void *)(i + 1)), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    slabs_release(shared);
    for (size_t i = 0; i < 64; i++) {
        slabs_give(exchange[i], 300);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("slabs");
    TCase *tests = tcase_create("slabs");
    tcase_add_test(tests, blocks_are_one_s_own_whatever_comes_and_goes);
    tcase_add_test(tests, what_is_given_back_is_taken_again);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    tcase_add_test(tests, what_is_given_back_goes_back_to_the_system);
#endif
    tcase_add_test(tests, any_thread_may_give_back);
    suite_add_tcase(suite, tests);
    return suite;
}
