/* timing: how long the parts of an HTTP exchange took, as curl tells. */
#ifndef RXP_ENGINE_TIMING_H
#define RXP_ENGINE_TIMING_H

#include "engine/transport.h"

#include <curl/curl.h>

/* Of the handle's last request; what the queue and redirects add is the caller's. */
void timing_read(CURL *easy, struct http_timing *out);

#endif
