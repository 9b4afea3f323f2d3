/* verdict: what an HTTP answer means for a run: accepted, pending, done, transient or broken.
 *
 * Pure, any thread: looks at plan and reply, allocates only the strings that it hands over. A body is checked and read
 * once, and only where a status, an id or a result is needed from it. Sentences are UTF-8 without control characters; URLs
 * stand in them without user, password, query and fragment. */
#ifndef RXP_ENGINE_VERDICT_H
#define RXP_ENGINE_VERDICT_H

#include "engine/transport.h"
#include "protocol/http_plan.h"
#include "protocol/vocab.h"

#include <stdbool.h>
#include <stdint.h>

enum verdict_kind {
    VERDICT_PREPARED,  /* prepare: go on with the kickoff */
    VERDICT_ACCEPTED,  /* kickoff accepted: poll */
    VERDICT_PENDING,   /* poll: not yet */
    VERDICT_RETRY,     /* prepare, kickoff: nothing was started by it, and it may be sent again; broken when the budget is
                        * spent */
    VERDICT_FETCH,     /* kickoff, poll: terminal, as of DONE, and the result is still to be fetched */
    VERDICT_DONE,      /* terminal; of a fetch: it has ended well */
    VERDICT_TRANSIENT, /* poll, fetch: a failure that may pass; broken when the budget is spent */
    VERDICT_BROKEN,
};

/* Room for the longest sentence: 200 bytes of a body, each escaped as four, and a URL. */
#define VERDICT_TEXT_BYTES 1280

struct verdict {
    enum verdict_kind kind;
    /* DONE, FETCH; RETRY of kind http */
    bool succeeded;
    bool has_exit_code; /* not of a fetch */
    int exit_code;      /* 0 or 1; of kind http the HTTP status */
    /* DONE and FETCH unsuccessfully, RETRY, TRANSIENT, BROKEN */
    enum rxp_error error;
    char text[VERDICT_TEXT_BYTES]; /* the sentence for error_summary */
    bool rejected;                 /* BROKEN before anything left: the egress policy refused it, or it has no URL */
    bool unauthorized; /* BROKEN, or DONE of kind http, by a 401. Where the request bore a token that may have run out, the
                        * caller makes TRANSIENT of a poll's or fetch's, before the cycle hears of it */
    bool lacked_memory; /* RETRY, TRANSIENT, for want of it here: nothing left, and nothing speaks against the run */
    bool saw_200;      /* poll: it was answered with 200 */
    int64_t retry_after_ms; /* ACCEPTED, PENDING, RETRY, TRANSIENT: wait so long at least; 0: it does not say */
    /* Handed over to the caller, who frees them; NULL where there is none. */
    char *prepared_id; /* PREPARED */
    char *run_id; /* of the kickoff's answer; or of a poll's, where that was asked for and none was known */
    enum rxp_id_fault run_id_fault; /* ACCEPTED, FETCH, PENDING: one was named that does not serve. FIT: none was */
    char *poll_url; /* ACCEPTED, FETCH, PENDING: from a header; NULL from a poll also where it is the one that was polled */
    char *state;  /* the backend's word at poll_status_path */
    char *result; /* DONE: JSON text at result_path of a terminal body, or what was fetched */
    bool result_truncated; /* there was one, and it is over max_result_bytes */
};

struct verdict_limits {
    size_t max_result_bytes;
    int64_t wall_ms; /* Unix time by now, for a Retry-After that is a date */
};

/* All of them fill *verdict, which the caller deinits (or takes the strings out of). `url` is the one that the request was
 * sent to, its placeholders filled. */

/* PREPARED, RETRY or BROKEN. */
void verdict_of_prepare(const struct rxp_http_plan *plan, const struct verdict_limits *limits, const char *url,
                        const struct http_reply *reply, struct verdict *verdict);
/* ACCEPTED, FETCH, DONE, RETRY or BROKEN. Kind http ends here: DONE, with a code that is not 2xx as kickoff_status.
 * A run id that the answer lacks breaks the run, where the poll URL needs it; or a later call does and no late_run_id_path
 * may find one, unless the poll URL came by its header. */
void verdict_of_kickoff(const struct rxp_http_plan *plan, const struct verdict_limits *limits, const char *url,
                        const struct http_reply *reply, struct verdict *verdict);

struct verdict_poll {
    const char *url;
    bool has_run_id; /* one is known: none is looked for */
    bool saw_200;    /* an earlier poll was answered with 200 */
    int64_t since_ms; /* since the kickoff was accepted */
};

/* PENDING, FETCH, DONE, TRANSIENT or BROKEN. */
void verdict_of_poll(const struct rxp_http_plan *plan, const struct verdict_limits *limits,
                     const struct verdict_poll *poll, const struct http_reply *reply, struct verdict *verdict);
/* Of the result call: DONE, TRANSIENT or BROKEN; it says nothing of success, which the state before has settled. Too
 * large a result is DONE, and result_truncated. */
void verdict_of_fetch(const struct rxp_http_plan *plan, const struct verdict_limits *limits, const char *url,
                      const struct http_reply *reply, struct verdict *verdict);
/* Frees the strings; a second time is harmless. */
void verdict_deinit(struct verdict *verdict);

#endif
