/* plan_stage: an invocation in the making, and a profile, for tests of the plan that comes of them. */
#ifndef RXP_TESTS_PLAN_STAGE_H
#define RXP_TESTS_PLAN_STAGE_H

#include "protocol/http_plan.h"
#include "support/check_main.h"
#include "support/later_plan.h"

#include <string.h>

#define ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define MAX_PAIRS 80

struct sample {
    struct rxp_invocation invocation;
    struct rxp_pair pair[MAX_PAIRS];
    struct rxp_defaults defaults;
    struct rxp_pair default_pair[MAX_PAIRS];
    bool has_defaults; /* set by set_default */
};

static void put_pair(struct rxp_pair *pairs, size_t *n, const char *key, const char *value)
{
    size_t i = 0;

    while (i < *n && strcmp(pairs[i].key, key) != 0)
        i++;
    if (value == NULL) {
        if (i < *n)
            pairs[i] = pairs[--*n];
        return;
    }
    ck_assert_uint_lt(i, MAX_PAIRS);
    pairs[i] = (struct rxp_pair){key, value};
    if (i == *n)
        (*n)++;
}

/* NULL takes the key away. */
static inline void set(struct sample *sample, const char *key, const char *value)
{
    put_pair(sample->pair, &sample->invocation.n_metadata, key, value);
}

/* The same in the profile. */
static inline void set_default(struct sample *sample, const char *key, const char *value)
{
    sample->has_defaults = true;
    put_pair(sample->default_pair, &sample->defaults.n_metadata, key, value);
}

/* With all that the kind requires. */
static inline void sample_init(struct sample *sample, enum rxp_kind kind)
{
    memset(sample, 0, sizeof(*sample));
    sample->invocation.invocation_id = "inv-1";
    sample->invocation.runtime_name = "archon";
    sample->invocation.kind = kind;
    sample->invocation.metadata = sample->pair;
    sample->defaults.name = "archon.json";
    sample->defaults.metadata = sample->default_pair;
    set(sample, "http.url", "https://api.example/runs?key=secret");
    if (kind == RXP_KIND_HTTP_ASYNC) {
        set(sample, "http.poll_url_template", "https://api.example/runs/{run_id}");
        set(sample, "http.poll_run_id_path", "data.id");
        set(sample, "http.poll_status_path", "status");
        set(sample, "http.poll_terminal_states", "completed,failed");
    }
}

/* The profile has the whole, the message nothing. */
static inline void sample_init_by_profile(struct sample *sample)
{
    sample_init(sample, RXP_KIND_HTTP_ASYNC);
    for (size_t i = 0; i < sample->invocation.n_metadata; i++)
        set_default(sample, sample->pair[i].key, sample->pair[i].value);
    sample->invocation.n_metadata = 0;
}

static inline int sample_make(const struct sample *sample, struct rxp_http_plan *plan, struct rxp_refusal *why)
{
    return rxp_http_plan_make(&sample->invocation, sample->has_defaults ? &sample->defaults : NULL, plan, why);
}

static inline void assert_made(const struct sample *sample, struct rxp_http_plan *plan)
{
    struct rxp_refusal why;

    ck_assert_msg(sample_make(sample, plan, &why) == 0, "%s", why.text);
    /* As well as when it is made once more, after its run has slept. */
    const char *fault = later_fault(&sample->invocation, sample->has_defaults ? &sample->defaults : NULL, plan);
    ck_assert_msg(fault == NULL, "%s", fault);
}

static inline void assert_refused(const struct sample *sample, enum rxp_error error, const char *sentence)
{
    struct rxp_http_plan plan;
    struct rxp_refusal why;

    ck_assert_msg(sample_make(sample, &plan, &why) == -1, "accepted, and not refused with: %s", sentence);
    ck_assert_msg(why.error == error, "%s: %s", rxp_error_name(why.error), why.text);
    ck_assert_msg(strstr(why.text, sentence) != NULL, "'%s' does not say '%s'", why.text, sentence);
    ck_assert_msg(strstr(why.text, "secret") == NULL, "'%s' tells a secret", why.text);
    ck_assert_ptr_null(plan.owned);
    rxp_http_plan_deinit(&plan);
}

#endif
