/* option_file: the file of --config, line by line.
 *
 *   # a comment
 *   max-in-flight = 500        # so is this: '#' after a space, or first in a line
 *   kafka.security.protocol = SSL
 *
 * White space around names and values does not count; there are no quotes. Internal to options.c. */
#ifndef RXP_OPS_OPTION_FILE_H
#define RXP_OPS_OPTION_FILE_H

#define OPTION_FILE_MAX_BYTES ((size_t)1024 * 1024)

/* One `name = value`; the strings live until it returns. place is "worker.conf:12". 0, or -1 with why filled. */
typedef int (*option_file_fn)(const char *name, const char *value, const char *place, void *opaque, char *why);

/* 0, or -1 with a sentence in why[OPTIONS_WHY_BYTES], from here or from `each`. */
int option_file_read(const char *path, option_file_fn each, void *opaque, char *why);

#endif
