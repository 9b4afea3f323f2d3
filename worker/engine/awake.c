#include "engine/awake.h"

#include "engine/nap.h"
#include "engine/pool.h"
#include "engine/trace_context.h"

#include <stdlib.h>

/* ---- texts ---- */

/* Harmless for what is not its own. */
static void free_text(const struct awake *awake, const char *text)
{
    bool is_in_bed = awake->bed != NULL && text == awake->bed->poll_url;
    if (!is_in_bed && !nap_has(awake->nap, text)) {
        free((char *)(uintptr_t)text);
    }
}

void awake_put(struct awake *awake, const char **at, char *text)
{
    const char *before = *at;
    *at = text;
    free_text(awake, before);
}

/* ---- one ---- */

/* The bed lies behind it, where there is one. */
struct awake_with_bed {
    struct awake awake;
    struct awake_bed bed;
};

static struct awake *clear(struct awake *awake, struct awake_bed *bed)
{
    *awake = (struct awake){.bed = bed};
    list_init(&awake->held_node);
    return awake;
}

void awake_give(struct awake *awake, struct run *run)
{
    awake->run = run;
    run->awake = awake;
}

struct awake *awake_new(struct run *run)
{
    struct awake *awake = malloc(sizeof *awake);
    if (awake != NULL) {
        awake_give(clear(awake, NULL), run);
    }
    return awake;
}

void awake_leave(struct awake *awake, struct nap *nap)
{
    if (awake->nap == nap) { /* what lies there is left there */
        awake_put(awake, &awake->run_id, NULL);
        awake_put(awake, &awake->prepared_id, NULL);
        awake_put(awake, &awake->state, NULL);
        awake_put(awake, &awake->poll_url, NULL);
        awake->nap = NULL;
    }
}

static void drop(struct awake *awake)
{
    rxp_http_plan_deinit(&awake->made);
    rxp_invocation_free(awake->parsed);
    trace_context_free(awake->trace);
    free_text(awake, awake->prepared_id);
    free_text(awake, awake->poll_url);
    free_text(awake, awake->run_id);
    free_text(awake, awake->state);
    free(awake->result);
    free(awake->outcome.summary);
    if (awake->bed != NULL && awake->pairs != awake->bed->pairs) {
        free(awake->pairs);
    }
    nap_free(awake->nap);
}

void awake_free(struct awake *awake)
{
    if (awake != NULL) {
        drop(awake);
        free(awake);
    }
}

size_t awake_bytes(const struct awake *awake)
{
    return awake->bed != NULL ? sizeof(struct awake_with_bed) : sizeof(struct awake);
}

/* ---- those of a runner ---- */

void awakes_init(struct awakes *awakes, const struct pool_hooks *hooks)
{
    awakes->hooks = hooks;
    awakes->n = 0;
}

static struct awake *tell(const struct awakes *awakes, struct awake *awake, int sign)
{
    if (awake != NULL && awakes->hooks->resized != NULL) {
        awakes->hooks->resized(NULL, sign * (ptrdiff_t)awake_bytes(awake), awakes->hooks->opaque);
    }
    return awake;
}

void awakes_trim(struct awakes *awakes, size_t n_runs)
{
    while (awakes->n > n_runs) {
        free(tell(awakes, awakes->kept[--awakes->n], -1));
    }
}

void awakes_deinit(struct awakes *awakes)
{
    awakes_trim(awakes, 0);
}

struct awake *awakes_take(struct awakes *awakes, struct run *run)
{
    return tell(awakes, awake_new(run), 1);
}

struct awake *awakes_try(struct awakes *awakes)
{
    if (awakes->n > 0) {
        struct awake *kept = awakes->kept[--awakes->n];
        return clear(kept, kept->bed);
    }
    struct awake_with_bed *made = malloc(sizeof *made);
    return made != NULL ? tell(awakes, clear(&made->awake, &made->bed), 1) : NULL;
}

void awakes_give(struct awakes *awakes, struct awake *awake)
{
    if (awake == NULL) {
        return;
    }
    if (awake->run != NULL) {
        awake->run->awake = NULL;
    }
    drop(awake);
    if (awake->bed != NULL && awakes->n < AWAKES_KEPT) {
        awakes->kept[awakes->n++] = awake;
    } else {
        free(tell(awakes, awake, -1));
    }
}
