#include "engine/ca_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOOKED_AT_BYTES ((size_t)1 << 20)

/* What OpenSSL takes for a certificate. */
static const char *const marks[] = {
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN TRUSTED CERTIFICATE-----",
    "-----BEGIN X509 CERTIFICATE-----",
};

static bool has_mark(const char *text, size_t bytes)
{
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (memmem(text, bytes, marks[i], strlen(marks[i])) != NULL) {
            return true;
        }
    }
    return false;
}

static int refuse(const char *path, const char *what, char *why, size_t why_bytes)
{
    snprintf(why, why_bytes, "ca-file '%s' cannot be used: %s", path, what);
    return -1;
}

int ca_file_check(const char *path, char *why, size_t why_bytes)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        return refuse(path, strerror(errno), why, why_bytes);
    }
    if (!S_ISREG(about.st_mode)) { /* it is read again and again */
        return refuse(path, "it is no regular file", why, why_bytes);
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return refuse(path, strerror(errno), why, why_bytes);
    }
    char *text = malloc(LOOKED_AT_BYTES);
    int failed;
    if (text == NULL) {
        failed = refuse(path, "out of memory", why, why_bytes);
    } else if (has_mark(text, fread(text, 1, LOOKED_AT_BYTES, file))) {
        failed = 0;
    } else {
        failed = refuse(path, "it holds no certificate (PEM, -----BEGIN CERTIFICATE-----)", why, why_bytes);
    }
    free(text);
    fclose(file);
    return failed;
}
