/* ca_file: is this a file of certificates to trust? curl looks only when it connects, and then says no to every server.
 *
 * Pure but for the file; any thread. */
#ifndef RXP_ENGINE_CA_FILE_H
#define RXP_ENGINE_CA_FILE_H

#include <stddef.h>

/* A regular file that can be read, with the mark of at least one PEM certificate in its first megabyte; whether the
 * certificate is sound is left to TLS. 0, or -1 with a sentence in why[why_bytes]. */
int ca_file_check(const char *path, char *why, size_t why_bytes);

#endif
