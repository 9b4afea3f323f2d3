#include "engine/pem_file.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOKED_AT_BYTES ((size_t)1 << 20)

/* What OpenSSL takes for a certificate, and for a key. */
static const char *const certificate_marks[] = {
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN TRUSTED CERTIFICATE-----",
    "-----BEGIN X509 CERTIFICATE-----",
    NULL,
};
static const char *const key_marks[] = {
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY-----",
    NULL,
};
static const char *const encrypted_marks[] = {
    "-----BEGIN ENCRYPTED PRIVATE KEY-----",
    "Proc-Type: 4,ENCRYPTED",
    NULL,
};

static bool has_mark(const char *text, size_t bytes, const char *const *marks)
{
    for (; *marks != NULL; marks++) {
        if (memmem(text, bytes, *marks, strlen(*marks)) != NULL) {
            return true;
        }
    }
    return false;
}

/* What is wrong with the text, NULL: nothing. */
static const char *find_fault(const char *text, size_t bytes, enum pem_content content)
{
    switch (content) {
    case PEM_CERTIFICATE:
        return has_mark(text, bytes, certificate_marks)
                   ? NULL
                   : "it holds no certificate (PEM, -----BEGIN CERTIFICATE-----)";
    case PEM_PRIVATE_KEY:
        if (has_mark(text, bytes, encrypted_marks)) {
            return "its private key is encrypted, and there is nobody to ask for the pass phrase: give one that is not";
        }
        return has_mark(text, bytes, key_marks) ? NULL : "it holds no private key (PEM, -----BEGIN PRIVATE KEY-----)";
    }
    return NULL;
}

static const char *look_into(FILE *file, enum pem_content content)
{
    char *text = malloc(LOOKED_AT_BYTES);
    if (text == NULL) {
        return "out of memory";
    }
    const char *fault = find_fault(text, fread(text, 1, LOOKED_AT_BYTES, file), content);
    explicit_bzero(text, LOOKED_AT_BYTES); /* it may be a key */
    free(text);
    return fault;
}

int pem_file_check(const char *option, const char *path, enum pem_content content, char *why, size_t why_bytes)
{
    struct stat about;
    const char *fault = "it is no regular file"; /* which is read again and again */
    FILE *file = NULL;
    if (stat(path, &about) != 0 || (S_ISREG(about.st_mode) && (file = fopen(path, "re")) == NULL)) {
        fault = strerror(errno);
    } else if (file != NULL) {
        fault = look_into(file, content);
        fclose(file);
    }
    if (fault != NULL) {
        snprintf(why, why_bytes, "%s '%s' cannot be used: %s", option, path, fault);
    }
    return fault == NULL ? 0 : -1;
}

const char *pem_file_of_system(void)
{
    static const char *const usual[] = {
        "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Ubuntu, Alpine, Arch */
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem", /* openSUSE */
        "/etc/ssl/cert.pem",
    };
    const char *of_curl = curl_version_info(CURLVERSION_NOW)->cainfo;
    if (of_curl != NULL && access(of_curl, R_OK) == 0) {
        return of_curl;
    }
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++) {
        if (access(usual[i], R_OK) == 0) {
            return usual[i];
        }
    }
    return NULL;
}
