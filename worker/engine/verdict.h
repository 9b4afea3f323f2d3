/* verdict: what an HTTP answer means for a run (SPEC of the http_async cycle): pending, done, transient or broken.
 *
 * Pure: looks at plan and reply, allocates only the strings that it hands over. */
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

#define VERDICT_TEXT_BYTES 640

struct verdict {
    enum verdict_kind kind;
    /* DONE */
    bool succeeded;
    int exit_code;
    /* DONE unsuccessfully, TRANSIENT, BROKEN */
    enum rxp_error error;
    char text[VERDICT_TEXT_BYTES]; /* the sentence for error_summary */
    bool rejected;                 /* BROKEN before anything left: the egress policy refused it */
    /* Handed over to the caller, who frees them; NULL where there is none. */
    char *run_id;
    char *state;  /* the backend's word at poll_status_path */
    char *result; /* JSON text at result_path of a terminal body */
    bool result_truncated;
};

struct verdict_limits {
    size_t max_result_bytes;
};

/* What the kickoff's reply says. Fills *verdict. */
void verdict_of_kickoff(const struct rxp_http_plan *plan, const struct verdict_limits *limits,
                        const struct http_reply *reply, struct verdict *verdict);
void verdict_of_poll(const struct rxp_http_plan *plan, const struct verdict_limits *limits,
                     const char *url, const struct http_reply *reply, struct verdict *verdict);
void verdict_deinit(struct verdict *verdict);

#endif
