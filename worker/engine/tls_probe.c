#include "engine/tls_probe.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_MS 5000L

/* A port of loopback that takes a connection and never says a word: curl 7.88 connects whatever it is handed. -1: none. */
static int open_listener(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (bind(fd, (struct sockaddr *)&address, bytes) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &bytes) != 0) {
        close(fd);
        return -1;
    }
    *port = ntohs(address.sin_port);
    return fd;
}

/* Certificate and key were read, and nothing was sent yet. */
static CURLcode on_context(CURL *easy, void *context, void *opaque)
{
    bool *is_read = opaque;
    (void)easy, (void)context;
    *is_read = true;
    return CURLE_ABORTED_BY_CALLBACK;
}

#define SET(option, value) (failed |= curl_easy_setopt(easy, option, value) != CURLE_OK)

static bool set_up(CURL *easy, const char *url, const char *certificate, const char *key, char *error)
{
    bool failed = false;
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_ERRORBUFFER, error);
    SET(CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    SET(CURLOPT_SSL_VERIFYPEER, 0L); /* no authorities need be read: no server is talked to */
    SET(CURLOPT_SSLCERT, certificate);
    SET(CURLOPT_SSLKEY, key);
    SET(CURLOPT_KEYPASSWD, "");
    return !failed;
}

static int perform(CURL *easy, const bool *is_read, const char *error, char *why, size_t why_bytes)
{
    CURLcode code = curl_easy_perform(easy);
    if (*is_read || code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT) {
        return 0; /* or it cannot be told */
    }
    snprintf(why, why_bytes, "%s", error[0] != '\0' ? error : curl_easy_strerror(code));
    return -1;
}

int tls_probe(const char *certificate, const char *key, char *why, size_t why_bytes)
{
    char error[CURL_ERROR_SIZE] = "";
    char url[64];
    bool is_read = false;
    int port = 0;
    int failed = 0;
    int fd = open_listener(&port);
    CURL *easy = curl_easy_init();
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", port);
    snprintf(why, why_bytes, "out of memory");
    if (easy == NULL || !set_up(easy, url, certificate, key, error)) {
        failed = -1;
    } else if (fd >= 0 && curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, &is_read) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context) == CURLE_OK) {
        failed = perform(easy, &is_read, error, why, why_bytes); /* where TLS is not OpenSSL's, it is not tried */
    }
    curl_easy_cleanup(easy);
    if (fd >= 0) {
        close(fd);
    }
    return failed;
}
