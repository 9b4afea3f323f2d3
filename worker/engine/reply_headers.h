/* reply_headers: what the headers of an answer say that a run asks for: how long to wait, and where to go on.
 *
 * Owned by one loop thread. The strings are copies: those of curl go with its next question. */
#ifndef RXP_ENGINE_REPLY_HEADERS_H
#define RXP_ENGINE_REPLY_HEADERS_H

#include "engine/target.h"

#include <curl/curl.h>

struct reply_headers {
    char *retry_after; /* as it stands; NULL: none, or one that is longer than any that can be read */
    char *wanted_raw;  /* the first header of the wanted name, as it stands; NULL: none, or empty */
    char *wanted_url;  /* the same resolved against the URL that answered, without a fragment; NULL where that is no URL that a
                        * request of the run can have: not http or https, over URL_MAX_BYTES, with a user or password */
};

/* Of the final answer that the handle has. `wanted` NULL: none. 0, or -1 for want of memory (deinit all the same). */
int reply_headers_read(struct reply_headers *out, CURL *easy, const char *wanted, const struct target *answered);
void reply_headers_deinit(struct reply_headers *headers);

/* The first header of that name in the final answer, NULL where there is none or it is empty. Blanks may stand at its
 * end. Lives until the handle is asked again. */
const char *reply_header_find(CURL *easy, const char *name);

#endif
