#include "ops/option_file.h"

#include "base/buf.h"
#include "ops/option_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The whole file, NUL-terminated; NULL with why filled. */
static char *file_slurp(const char *path, char *why)
{
    char chunk[8192];
    struct buf text;
    buf_init(&text, OPTION_FILE_MAX_BYTES + sizeof chunk);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)option_refuse(why, "can't open the configuration file '%.200s': %s", path, strerror(errno));
        return NULL;
    }
    size_t n = 1;
    while (n > 0 && text.bytes <= OPTION_FILE_MAX_BYTES) {
        n = fread(chunk, 1, sizeof chunk, file);
        buf_put(&text, chunk, n);
    }
    int failed = ferror(file) ? errno : 0;
    (void)fclose(file);
    buf_put(&text, "", 0);
    char *out = NULL;
    size_t bytes = text.bytes;
    if (failed != 0)
        (void)option_refuse(why, "can't read the configuration file '%.200s': %s", path, strerror(failed));
    else if (bytes > OPTION_FILE_MAX_BYTES)
        (void)option_refuse(why, "the configuration file '%.200s' is over %zu bytes", path, OPTION_FILE_MAX_BYTES);
    else if (bytes > 0 && memchr(text.at, '\0', bytes) != NULL)
        (void)option_refuse(why, "the configuration file '%.200s' holds a NUL byte: it is no text", path);
    else
        out = bytes == 0 ? strdup("") : buf_take(&text);
    if (out == NULL && failed == 0 && *why == '\0')
        (void)option_refuse(why, "no memory for the configuration file '%.200s'", path);
    buf_deinit(&text);
    return out;
}

static char *trimmed(char *text)
{
    text += strspn(text, " \t\r");
    size_t bytes = strlen(text);
    while (bytes > 0 && strchr(" \t\r", text[bytes - 1]) != NULL)
        bytes--;
    text[bytes] = '\0';
    return text;
}

static void cut_comment(char *line)
{
    for (char *at = line; *at != '\0'; at++) {
        if (*at == '#' && (at == line || at[-1] == ' ' || at[-1] == '\t')) {
            *at = '\0';
            return;
        }
    }
}

int option_file_read(const char *path, option_file_fn each, void *opaque, char *why)
{
    *why = '\0';
    char *text = file_slurp(path, why);
    if (text == NULL)
        return -1;
    int result = 0;
    char *rest = text;
    if (strncmp(rest, "\xEF\xBB\xBF", 3) == 0) /* some editors put it there */
        rest += 3;
    int number = 0;
    for (char *line = strsep(&rest, "\n"); line != NULL && result == 0; line = strsep(&rest, "\n")) {
        char place[300];
        snprintf(place, sizeof place, "%.260s:%d", path, ++number);
        cut_comment(line);
        char *name = trimmed(line);
        if (*name == '\0')
            continue;
        char *value = strchr(name, '=');
        /* The line itself is not repeated: it may hold a password. */
        if (value == NULL || value == name) {
            result = option_refuse(why, "%s: a line is 'name = value', a comment (# …) or empty; this one is neither",
                                   place);
            break;
        }
        *value++ = '\0';
        result = each(trimmed(name), trimmed(value), place, opaque, why);
    }
    free(text);
    return result;
}
