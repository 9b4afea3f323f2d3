/* input: reading a file or stdin whole, with a limit.
 *
 * Main thread. */
#ifndef RXP_CLI_INPUT_H
#define RXP_CLI_INPUT_H

#include <stddef.h>

#define INPUT_MAX_BYTES ((size_t)1 << 30)

/* "-" is stdin. The bytes, NUL-terminated, which the caller frees; or NULL with a sentence in why that names the file. */
char *input_read(const char *path, size_t *bytes, char *why, size_t why_bytes);

#endif
