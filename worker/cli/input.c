#include "cli/input.h"

#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

char *input_read(const char *path, size_t *bytes, char *why, size_t why_bytes)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (file == NULL) {
        snprintf(why, why_bytes, "cannot open '%s': %s", path, strerror(errno));
        return NULL;
    }
    struct buf buf;
    buf_init(&buf, INPUT_MAX_BYTES);
    char chunk[64 * 1024];
    size_t n;
    while (!buf_failed(&buf) && (n = fread(chunk, 1, sizeof chunk, file)) > 0) {
        buf_put(&buf, chunk, n);
    }
    char *text = NULL;
    if (ferror(file)) {
        snprintf(why, why_bytes, "cannot read '%s': %s", path, strerror(errno));
    } else if (buf_failed(&buf)) {
        snprintf(why, why_bytes, "'%s' is over %zu bytes", path, INPUT_MAX_BYTES);
    } else {
        buf_put(&buf, "", 0);
        *bytes = buf.bytes;
        text = buf.at != NULL ? buf_take(&buf) : strdup("");
    }
    buf_deinit(&buf);
    if (file != stdin) {
        fclose(file);
    }
    return text;
}
