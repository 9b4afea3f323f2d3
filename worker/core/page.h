/* page: the page for people, whole: page.html with its style sheet and scripts in it. Made by page.cmake as the project is
 * built; constants. */
#ifndef RXP_CORE_PAGE_H
#define RXP_CORE_PAGE_H

#include <stddef.h>

/* As gzip packs it: 15 kB instead of 52. */
extern const unsigned char page_bytes[];
extern const size_t page_n_bytes;
/* Its Content-Security-Policy: this style and this script, by their hashes, and requests to where it came from; nothing
 * else. */
extern const char page_policy[];

#endif
