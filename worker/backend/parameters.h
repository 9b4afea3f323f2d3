/* parameters: what a kickoff says of its run's course: in its URL's query and in its JSON body.
 *
 * Any thread. */
#ifndef RXP_BACKEND_PARAMETERS_H
#define RXP_BACKEND_PARAMETERS_H

#include "backend/course.h"
#include "ops/http_server.h"

/* Sets them in the course; those of the URL win. 0, or -1 with a sentence in why. */
int parameters_take(const struct http_exchange *exchange, struct course *course, char why[COURSE_WHY_BYTES]);

#endif
