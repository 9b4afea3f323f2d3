/* header_lines: a request's headers as libcurl takes them: its list, in one block of memory (curl_slist_append makes two for each
 * line), which is overwritten before it is freed, since it may hold secrets.
 *
 * Of one thread at a time. */
#ifndef RXP_ENGINE_HEADER_LINES_H
#define RXP_ENGINE_HEADER_LINES_H

#include "engine/transport.h"

#include <curl/curl.h>
#include <stddef.h>

struct header_lines {
    struct curl_slist *first; /* for CURLOPT_HTTPHEADER; NULL: none */
    struct curl_slist *end;   /* behind the last one */
    char *text;               /* where the next one's text goes */
    void *block;
    size_t bytes; /* of the block */
};

/* What the text of a header takes. */
size_t header_line_bytes(const struct http_header *header);
/* Room for so many lines, with so many bytes of text. 0, or -1 for want of memory. */
int header_lines_make(struct header_lines *lines, size_t n, size_t text_bytes);
/* A line as it stands: a constant, which needs no room for its text. */
void header_lines_put(struct header_lines *lines, const char *constant);
void header_lines_put_pair(struct header_lines *lines, const struct http_header *header);
/* Of none: harmless. */
void header_lines_wipe(struct header_lines *lines);

#endif
