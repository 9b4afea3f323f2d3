/* pem_file: is this a file of certificates, or of a private key? curl looks only when it connects, and then says no to every
 * server.
 *
 * Pure but for the files; any thread. */
#ifndef RXP_ENGINE_PEM_FILE_H
#define RXP_ENGINE_PEM_FILE_H

#include <stddef.h>

enum pem_content {
    PEM_CERTIFICATE,
    PEM_PRIVATE_KEY, /* not an encrypted one: nobody could be asked for its pass phrase */
};

/* A regular file that can be read, with the mark of at least one such thing in its first megabyte. 0, or -1 with a sentence
 * in why[why_bytes] that names `option` and the file. */
int pem_file_check(const char *option, const char *path, enum pem_content content, char *why, size_t why_bytes);

/* Where the system keeps the authorities that it trusts, all in one file; NULL: not known. */
const char *pem_file_of_system(void);

#endif
