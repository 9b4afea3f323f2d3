/* file_text: a small regular file, read whole.
 *
 * Any thread. */
#ifndef RXP_ENGINE_FILE_TEXT_H
#define RXP_ENGINE_FILE_TEXT_H

#include <stddef.h>

/* The bytes of `name` below the directory dir_fd, and a NUL: at most `most`, and one more where there are more. What is no
 * regular file is not opened for long, and never waited for. NULL with errno. The caller frees it; it never moves while it is
 * read, so that no copies are left behind. */
char *file_text_read(int dir_fd, const char *name, size_t most, size_t *bytes);

#endif
