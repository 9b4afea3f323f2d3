#include "engine/nap.h"

#include "base/clock.h"
#include "base/slabs.h"
#include "engine/awake.h"
#include "engine/outcome.h"
#include "engine/run_request.h"
#include "engine/runner.h"
#include "protocol/packed.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- the block ---- */

/* In this order, those that there are; behind them is the packed invocation. */
enum part { PART_RUN_ID, PART_PREPARED_ID, PART_STATE, PART_POLL_URL, PART_KICKOFF_URL, PARTS };

struct nap {
    uint32_t bytes; /* of the whole block */
    uint8_t has;    /* a bit for each part */
    char text[];
};

/* Instead of its poll URL: that is the template of the message with the run id in it, as it is for most. */
#define HAS_TEMPLATE (1u << PARTS)
_Static_assert(PARTS < 8, "a bit for each, and one more");

/* Returns the packed invocation. */
static const char *find_parts(const struct nap *nap, const char *parts[PARTS])
{
    const char *at = nap->text;
    for (int i = 0; i < PARTS; i++) {
        parts[i] = NULL;
        if ((nap->has & (1u << i)) != 0) {
            parts[i] = at;
            at += strlen(at) + 1;
        }
    }
    return at;
}

void nap_look(const struct nap *nap, struct run_peek *out)
{
    const char *parts[PARTS];
    const char *packed = find_parts(nap, parts);
    *out = (struct run_peek){
        .invocation_id = rxp_packed_id(packed),
        .runtime_name = rxp_packed_name(packed),
        .kickoff_url = parts[PART_KICKOFF_URL] != NULL ? parts[PART_KICKOFF_URL] : rxp_packed_url(packed),
        .run_id = parts[PART_RUN_ID],
        .prepared_id = parts[PART_PREPARED_ID],
        .state = parts[PART_STATE],
    };
}

/* False where it is no such URL, or a longer one. */
static bool fill_template(char room[RUN_POLL_URL_BYTES], const char *template, const char *run_id)
{
    static const char mark[] = "{run_id}";
    const char *at = template != NULL ? strstr(template, mark) : NULL;
    if (at == NULL || run_id == NULL) {
        return false;
    }
    size_t before = (size_t)(at - template);
    size_t id = strlen(run_id);
    size_t behind = strlen(at) - (sizeof mark - 1);
    if (before + id + behind >= RUN_POLL_URL_BYTES) {
        return false;
    }
    memcpy(room, template, before);
    memcpy(room + before, run_id, id);
    memcpy(room + before + id, at + sizeof mark - 1, behind + 1);
    return true;
}

/* `template` is only looked at where it has one. */
static const char *poll_url_of(const struct nap *nap, const char *const parts[PARTS], const char *template,
                               char room[RUN_POLL_URL_BYTES])
{
    if ((nap->has & HAS_TEMPLATE) == 0) {
        return parts[PART_POLL_URL];
    }
    bool is_filled = fill_template(room, template, parts[PART_RUN_ID]);
    assert(is_filled); /* as it was tried when it fell asleep */
    return room;
}

const char *nap_poll_url(const struct nap *nap, char room[RUN_POLL_URL_BYTES])
{
    const char *parts[PARTS];
    const char *packed = find_parts(nap, parts);
    return poll_url_of(nap, parts, rxp_packed_poll_url(packed), room);
}

void nap_free(struct nap *nap)
{
    if (nap != NULL) {
        slabs_give(nap, nap->bytes);
    }
}

bool nap_has(const struct nap *nap, const char *text)
{
    return nap != NULL && text >= nap->text && text < (const char *)nap + nap->bytes;
}

/* ---- falling asleep ---- */

/* It was accepted, waits for nothing but the time of its next poll, and its end is not known in part already. */
static bool may_sleep(const struct run *run)
{
    const struct awake *awake = run->awake;
    bool rests = run->cycle.accepted && run->cycle.state == CYCLE_REST && run->cycle.next == CYCLE_POLL && !run->asking;
    bool is_free = awake->transfer == NULL && awake->sending == NULL && awake->gate == NULL && list_is_empty(&awake->held_node);
    return rests && is_free && !awake->never_sleeps && awake->result == NULL && !outcome_is_kept(run);
}

/* Where the message says it itself, it is in the packed invocation. */
static const char *kickoff_url_of(const struct awake *awake)
{
    return rxp_invocation_metadata(awake->invocation, "http.url") == NULL ? awake->plan->kickoff.url : NULL;
}

/* Without its NUL. */
static size_t part_bytes(enum part part, const char *text)
{
    const char *host = part == PART_KICKOFF_URL ? strstr(text, "://") : NULL;
    return host != NULL ? (size_t)(host - text) + 3 + strcspn(host + 3, "/?#\\") : strlen(text);
}

static bool is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static struct nap *take_nap(struct runner *runner, size_t bytes)
{
    if (runner->naps == NULL) {
        runner->naps = slabs_new();
    }
    return runner->naps != NULL ? slabs_take(runner->naps, bytes) : NULL;
}

static bool is_of_template(const struct awake *awake)
{
    char room[RUN_POLL_URL_BYTES];
    const char *template = rxp_invocation_metadata(awake->invocation, "http.poll_url_template");
    return awake->poll_url != NULL && fill_template(room, template, awake->run_id) && strcmp(room, awake->poll_url) == 0;
}

/* NULL for want of memory, or where it were too large (*is_large). The invocation has not been packed yet, or lies in the nap that
 * the run slept in before. */
static struct nap *write_nap(struct runner *runner, const struct awake *awake, bool *is_large)
{
    bool has_template = is_of_template(awake);
    const char *parts[PARTS] = {awake->run_id, awake->prepared_id, awake->state, has_template ? NULL : awake->poll_url, NULL};
    const char *old_parts[PARTS];
    const char *packed = awake->nap != NULL ? find_parts(awake->nap, old_parts) : NULL;
    size_t packed_bytes = packed != NULL ? (size_t)((const char *)awake->nap + awake->nap->bytes - packed)
                                         : rxp_packed_bytes(awake->invocation);
    size_t bytes = offsetof(struct nap, text) + packed_bytes;
    parts[PART_KICKOFF_URL] = packed != NULL ? old_parts[PART_KICKOFF_URL] : kickoff_url_of(awake);
    for (int i = 0; i < PARTS; i++) {
        bytes += parts[i] != NULL ? part_bytes((enum part)i, parts[i]) + 1 : 0;
    }
    *is_large = bytes > NAP_MAX_BYTES;
    struct nap *nap = *is_large ? NULL : take_nap(runner, bytes);
    if (nap == NULL) {
        return NULL;
    }
    *nap = (struct nap){.bytes = (uint32_t)bytes, .has = has_template ? HAS_TEMPLATE : 0};
    char *at = nap->text;
    for (int i = 0; i < PARTS; i++) {
        if (parts[i] != NULL) {
            nap->has |= (uint8_t)(1u << i);
            at = mempcpy(at, parts[i], part_bytes((enum part)i, parts[i]));
            *at++ = '\0';
        }
    }
    if (packed != NULL) {
        memcpy(at, packed, packed_bytes);
    } else {
        (void)rxp_packed_write(at, awake->invocation);
    }
    return nap;
}

static bool is_current(const struct awake *awake)
{
    struct run_peek peek;
    char room[RUN_POLL_URL_BYTES];
    if (awake->nap == NULL) {
        return false;
    }
    nap_look(awake->nap, &peek);
    /* Nobody has put another in its place since it was put together of this nap. */
    bool is_its_own = awake->bed != NULL && awake->poll_url == awake->bed->poll_url;
    return is_same(peek.run_id, awake->run_id) && is_same(peek.prepared_id, awake->prepared_id) &&
           is_same(peek.state, awake->state) && (is_its_own || is_same(nap_poll_url(awake->nap, room), awake->poll_url));
}

static int make_plan(struct run *run, struct awake *awake, const char *packed, struct rxp_http_plan *out)
{
    const struct pool_hooks *hooks = run->runner->hooks;
    const struct rxp_defaults *defaults = hooks->defaults != NULL ? hooks->defaults(run, hooks->opaque) : NULL;
    struct rxp_refusal why = {.error = RXP_OK};
    struct awake_bed *bed = awake->bed;
    size_t n_pairs = rxp_packed_pairs(packed);
    awake->pairs = n_pairs <= AWAKE_PAIRS ? bed->pairs : malloc(n_pairs * sizeof *awake->pairs);
    if (awake->pairs == NULL) {
        return -1;
    }
    rxp_packed_read(packed, awake->pairs, &awake->unpacked);
    return rxp_http_plan_make_later(&awake->unpacked, defaults, bed->room, sizeof bed->room, out, &why);
}

/* Can it wake from that? Once is enough. */
static bool try_to_wake(struct run *run, struct nap *nap)
{
    const char *parts[PARTS];
    struct rxp_http_plan plan = {0};
    struct awake *awake = run->awake;
    struct awake *trial = awakes_try(&run->runner->awakes);
    if (trial == NULL) {
        return false;
    }
    bool is_good = make_plan(run, trial, find_parts(nap, parts), &plan) == 0;
    awake->never_sleeps = is_good && plan.owned_bytes > NAP_MAX_BYTES;
    rxp_http_plan_deinit(&plan);
    awakes_give(&run->runner->awakes, trial);
    return is_good && !awake->never_sleeps;
}

static void tell_resized(struct run *run, size_t from, size_t to)
{
    const struct pool_hooks *hooks = run->runner->hooks;
    if (hooks->resized != NULL && from != to) {
        hooks->resized(run, (ptrdiff_t)to - (ptrdiff_t)from, hooks->opaque);
    }
}

/* What it is to sleep in. NULL: it stays awake. */
static struct nap *make_nap(struct run *run)
{
    struct awake *awake = run->awake;
    const struct pool_hooks *hooks = run->runner->hooks;
    bool is_large;
    struct nap *nap = write_nap(run->runner, awake, &is_large);
    awake->never_sleeps = is_large;
    if (nap == NULL || awake->nap != NULL) {
        return nap;
    }
    if (!try_to_wake(run, nap)) {
        nap_free(nap);
        return NULL;
    }
    awake->resume = NULL;
    if (hooks->slept != NULL) {
        hooks->slept(run, hooks->opaque);
    }
    return nap;
}

bool nap_fall(struct run *run, int64_t wake_at_ms, int64_t now_ms)
{
    struct awake *awake = run->awake;
    struct runner *runner = run->runner;
    struct rxp_refusal why;
    if (wake_at_ms == CLOCK_NEVER || wake_at_ms - now_ms < runner->config->nap_least_ms || !may_sleep(run) ||
        (awake->resume != NULL && run_request_address(run, &why) != RUN_REQUEST_MADE)) {
        return false;
    }
    struct nap *nap = awake->nap;
    if (!is_current(awake)) {
        nap = make_nap(run);
        if (nap == NULL) {
            return false;
        }
        tell_resized(run, awake->nap != NULL ? awake->nap->bytes : 0, nap->bytes);
    }
    awake_leave(awake, nap);
    run->nap = nap;
    awakes_give(&runner->awakes, awake);
    return true;
}

/* ---- waking ---- */

int nap_wake(struct run *run)
{
    const char *parts[PARTS];
    struct nap *nap = run->nap;
    struct awakes *awakes = &run->runner->awakes;
    assert(run->awake == NULL && nap != NULL);
    const char *packed = find_parts(nap, parts);
    struct awake *awake = awakes_try(awakes);
    if (awake == NULL) {
        return -1;
    }
    const struct pool_hooks *hooks = run->runner->hooks;
    if (make_plan(run, awake, packed, &awake->made) != 0 ||
        (hooks->find_trace != NULL && hooks->find_trace(run, &awake->trace, hooks->opaque) != 0)) {
        awakes_give(awakes, awake);
        return -1;
    }
    awake_give(awake, run);
    awake->invocation = &awake->unpacked;
    awake->plan = &awake->made;
    awake->nap = nap;
    awake->run_id = parts[PART_RUN_ID];
    awake->prepared_id = parts[PART_PREPARED_ID];
    awake->state = parts[PART_STATE];
    awake->poll_url = poll_url_of(nap, parts, rxp_invocation_metadata(&awake->unpacked, "http.poll_url_template"),
                                  awake->bed->poll_url);
    run->nap = NULL;
    return 0;
}
