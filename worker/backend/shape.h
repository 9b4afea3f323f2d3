/* shape: how APIs of the kinds that are met in the field lay out what they say: the paths where they are simulated, and the
 * parameters that make the answers look like theirs.
 *
 * Constants; any thread. */
#ifndef RXP_BACKEND_SHAPE_H
#define RXP_BACKEND_SHAPE_H

#include "backend/course.h"

#include <stdbool.h>

struct shape {
    const char *kickoff;    /* its path */
    const char *status;     /* the path of a run's status, up to its id */
    const char *parameters; /* a query: what holds where the kickoff does not say otherwise */
    bool needs_key;         /* 401 without an X-Api-Key or Authorization */
    bool slash_apart;       /* a %2F in the path is no slash, so that nothing is there */
    bool output_apart;      /* the status bears no result: GET status ID/output does */
};

/* Its kickoff, or NULL. */
const struct shape *shape_of_kickoff(const char *path);
/* Whose status path it begins with, and what stands behind it; or NULL. `target` is the same path as it was sent. */
const struct shape *shape_of_status(const char *path, const char *target, const char **id);
/* A run of the workflow API: /workflows/NAME/run. NULL: it is none. */
const struct shape *shape_of_workflow(const char *path);

/* Names the shape in the course, and so in the run's id. */
void shape_mark(const struct shape *shape, struct course *course);
/* Sets the parameters of the shape that the course names, where they are not set. */
void shape_apply(struct course *course);

#define SHAPE_HELP                                                                                                     \
    "APIs of other shapes take the same parameters:\n"                                                                 \
    "  POST /keyed/runs      as /runs, but 401 without X-Api-Key or Authorization; GET /keyed/runs/ID\n"               \
    "  POST /analyze         202, Operation-Location and Retry-After; there {\"status\":\"Running\"}, \"Succeeded\"\n" \
    "  POST /exports         202, Location and Retry-After; there 202 until 200 {\"state\":\"finished\"}\n"            \
    "  POST /v1/reports:run  200 {\"name\":\"operations/ID\"}; GET /v1/operations/ID, 404 with %2F for the slash:\n"   \
    "                        \"done\" stands there at the end only, with a \"response\"; message=TEXT: an \"error\"\n"  \
    "  POST /renders         202 {\"id\":ID}; GET /renders/ID {\"state\":\"done\"}; GET /renders/ID/output\n"          \
    "  POST /conversations   201 {\"id\":CONVERSATION}; POST /workflows/NAME/run {\"conversationId\":CONVERSATION}:\n" \
    "                        200 {\"accepted\":true}; GET /runs/by-worker/CONVERSATION: 404 for a moment, then\n"      \
    "                        {\"run\":{\"id\":ID,\"status\":…}}; GET /runs/ID with \"events\"\n"                       \
    "POST /runs/ID/cancel ends a run as cancelled, POST /runs/ID/abandon only answers.\n"

#endif
