/* verdict: what an HTTP answer means for a run: accepted, pending, done, transient or broken.
 *
 * Pure, any thread: looks at plan and reply, allocates only the strings that it hands over. A body is checked and read
 * once, and only where a status, run id or result is needed from it. Sentences are UTF-8 without control characters;
 * URLs stand in them without user, password, query and fragment. */
#ifndef RXP_ENGINE_VERDICT_H
#define RXP_ENGINE_VERDICT_H

#include "engine/transport.h"
#include "protocol/http_plan.h"
#include "protocol/vocab.h"

enum verdict_kind {
    VERDICT_ACCEPTED,  /* kickoff accepted: poll */
    VERDICT_PENDING,   /* poll: not yet */
    VERDICT_DONE,      /* terminal */
    VERDICT_TRANSIENT, /* poll: a failure that may pass; broken when the budget is spent */
    VERDICT_BROKEN,
};

/* Room for the longest sentence: 200 bytes of a body, each escaped as four, and a URL. */
#define VERDICT_TEXT_BYTES 1280

struct verdict {
    enum verdict_kind kind;
    /* DONE */
    bool succeeded;
    int exit_code; /* 0 or 1; of kind http the HTTP status */
    /* DONE unsuccessfully, TRANSIENT, BROKEN */
    enum rxp_error error;
    char text[VERDICT_TEXT_BYTES]; /* the sentence for error_summary */
    bool rejected;                 /* BROKEN before anything left: the egress policy refused it */
    /* Handed over to the caller, who frees them; NULL where there is none. */
    char *run_id;
    char *state;  /* the backend's word at poll_status_path */
    char *result; /* JSON text at result_path of a terminal body */
    bool result_truncated; /* there was one, and it is over max_result_bytes */
};

struct verdict_limits {
    size_t max_result_bytes;
};

/* What the kickoff's reply says: ACCEPTED, DONE or BROKEN. Fills *verdict, which the caller deinits (or takes the
 * strings out of). Kind http ends here: DONE, with a code that is not 2xx as kickoff_status. */
void verdict_of_kickoff(const struct rxp_http_plan *plan, const struct verdict_limits *limits,
                        const struct http_reply *reply, struct verdict *verdict);
/* What a poll's reply says: PENDING, DONE, TRANSIENT or BROKEN. `url` is the one that was polled. */
void verdict_of_poll(const struct rxp_http_plan *plan, const struct verdict_limits *limits,
                     const char *url, const struct http_reply *reply, struct verdict *verdict);
/* Frees the strings; a second time is harmless. */
void verdict_deinit(struct verdict *verdict);

#endif
