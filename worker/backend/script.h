/* script: the answers of the simulated backend, well-behaved or not, as a run's course has them.
 *
 * On the HTTP server's threads. Each function answers the exchange, once, and records it. */
#ifndef RXP_BACKEND_SCRIPT_H
#define RXP_BACKEND_SCRIPT_H

#include "backend/course.h"
#include "backend/record.h"
#include "ops/http_server.h"

#include <stdbool.h>
#include <stdint.h>

struct asked {
    struct http_exchange *exchange;
    struct record *record; /* NULL: off */
    int64_t wall_ms;       /* when it came */
    const char *run_id;    /* of the run that it began; NULL: it began none */
};

void script_answer(struct asked *asked, int code, const char *content_type, const char *body);
/* {"error":"…"} */
void script_error(struct asked *asked, int code, const char *sentence);

/* To redirect_to, or to the same URL with one redirect fewer. */
void script_redirect(struct asked *asked, const struct course *course);
void script_kickoff(struct asked *asked, const struct course *course, const char *id);

/* Whether any of the course's parameters spoils polls. */
bool script_can_fail(const struct course *course);
/* goes_wrong: this is one of the polls that they spoil. */
void script_poll(struct asked *asked, const struct course *course, const char *id, bool goes_wrong);

#endif
