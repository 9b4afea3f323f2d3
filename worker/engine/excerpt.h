/* excerpt: pieces of what peers sent and of URLs, made fit for a sentence that people read.
 *
 * Pure, any thread. Both append to a NUL-terminated string in out[out_bytes] (out[0] = '\0' to begin with), leave it
 * NUL-terminated, and never cut an escape or a UTF-8 sequence in two where it is full. */
#ifndef RXP_ENGINE_EXCERPT_H
#define RXP_ENGINE_EXCERPT_H

#include <stddef.h>

/* At most the first max_bytes of text. Control characters (C0, DEL, C1) and bytes that are not UTF-8 become \n, \r, \t
 * or \xNN, one for each byte. */
void excerpt_put(char *out, size_t out_bytes, const char *text, size_t bytes, size_t max_bytes);

/* A URL without its user, password, query and fragment; after EXCERPT_URL_BYTES an ellipsis. */
#define EXCERPT_URL_BYTES 256
void excerpt_put_url(char *out, size_t out_bytes, const char *url);

#endif
