#include "engine/file_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, char *text, size_t most, size_t *bytes)
{
    while (*bytes < most + 1) {
        ssize_t n = read(fd, text + *bytes, most + 1 - *bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0 ? 0 : -1;
        }
        *bytes += (size_t)n;
    }
    return 0;
}

char *file_text_read(int dir_fd, const char *name, size_t most, size_t *bytes)
{
    struct stat status;
    char *text = NULL;
    int error = 0;
    *bytes = 0;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0) {
        error = errno;
        goto out;
    }
    if (!S_ISREG(status.st_mode)) {
        error = EINVAL;
        goto out;
    }
    text = malloc(most + 2);
    if (text == NULL || read_all(fd, text, most, bytes) != 0) {
        error = text == NULL ? ENOMEM : errno;
        if (text != NULL) {
            explicit_bzero(text, *bytes);
        }
        free(text);
        text = NULL;
        goto out;
    }
    text[*bytes] = '\0';
out:
    if (fd >= 0) {
        close(fd);
    }
    errno = error;
    return text;
}
