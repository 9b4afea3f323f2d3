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
    int64_t wall_us;       /* the same */
    const char *run_id;    /* of the run that it began; NULL: it began none */
    const char *status_path;  /* where its status is, up to its id */
    const char *kickoff_body; /* of an accepted kickoff; NULL: the run as it stands */
    bool without_result;      /* the answer leaves it out */
    bool has_ended;           /* script's own: the answer tells of a run that has */
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

/* The run as it stands, whatever its course has for polls. */
void script_state(struct asked *asked, const struct course *course, const char *id);
/* Its result alone; 409 before the end. */
void script_output(struct asked *asked, const struct course *course);

#endif
