/* origin_stage: a set of origins, and claims by the dozen.
 *
 * For the test files of origin. One thread. */
#ifndef RXP_TESTS_ORIGIN_STAGE_H
#define RXP_TESTS_ORIGIN_STAGE_H

#include "engine/origin.h"
#include "support/check_main.h"

#include <stdio.h>

#define A "http://a.example:80"
#define B "http://b.example:80"

static struct origins *origins;

static inline void make(size_t max_active, size_t max_total)
{
    const struct origins_config config = {.max_active = max_active, .max_total = max_total};
    origins = origins_new(&config);
    ck_assert_ptr_nonnull(origins);
}

static inline void teardown(void)
{
    origins_free(origins);
    origins = NULL;
}

static inline void enter(struct origin_claim *claims, size_t n, const char *key, enum origin_class class)
{
    for (size_t i = 0; i < n; i++) {
        origin_claim_init(&claims[i]);
        ck_assert_int_eq(origins_enter(origins, &claims[i], key, class, ORIGIN_LAST), 0);
    }
}

static inline void leave(struct origin_claim *claims, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        origins_leave(origins, &claims[i]);
    }
}

/* Lets go what may, each opened at once. */
static inline size_t open_all(void)
{
    struct origin_claim *claim;
    size_t n = 0;
    while ((claim = origins_next(origins)) != NULL) {
        origins_opened(origins, claim);
        n++;
    }
    return n;
}

/* Those of n origins, one each, named by `name` and a number. */
static inline void enter_each(struct origin_claim *claims, int n, const char *name, enum origin_class class)
{
    for (int i = 0; i < n; i++) {
        char key[64];
        snprintf(key, sizeof key, "http://%s%d.example:80", name, i);
        enter(&claims[i], 1, key, class);
    }
}

/* Lets go what may, and leaves it there. */
static inline size_t begin_all(void)
{
    size_t n = 0;
    while (origins_next(origins) != NULL) {
        n++;
    }
    return n;
}

static inline size_t count(const struct origin_claim *claims, size_t n, enum origin_place place)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        found += claims[i].place == place;
    }
    return found;
}

#endif
