#include "ops/admin.h"

#include "ops/log.h"
#include "protocol/json_writer.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define THREADS 1 /* no handler waits; and only one counts the connections of an address */
#define MAX_BODY_BYTES 4096
#define MAX_CONNECTIONS 64
#define MAX_CONNECTIONS_OF_ONE_ADDRESS 16
#define IDLE_SECONDS 30
#define SHOWN_BYTES 100 /* of what somebody asked for, in a sentence */
#define SENTENCE_BYTES 512
#define ALLOW_BYTES 64

struct admin {
    struct admin_config config;
    struct http_server *server; /* not for handlers: the first may come before it is set */
};

/* Nothing here is for other sites, frames or caches. */
static const char *const headers[] = {
    "Cache-Control", "no-store", "X-Content-Type-Options", "nosniff", "X-Frame-Options", "DENY",
    "Referrer-Policy", "no-referrer", "Cross-Origin-Resource-Policy", "same-origin", NULL,
};

/* ---- answers ---- */

static void send_json(struct http_exchange *exchange, int code, const char *text, size_t bytes, const char *const *more)
{
    http_answer_send(exchange, &(struct http_answer){.code = code, .content_type = "application/json", .body = text,
                                                     .body_bytes = bytes, .headers = more});
}

void admin_send_json(struct http_exchange *exchange, int code, const char *text, size_t bytes)
{
    send_json(exchange, code, text, bytes, NULL);
}

static void refuse(struct http_exchange *exchange, int code, const char *sentence, const char *const *more)
{
    struct json_writer writer;
    json_writer_init(&writer, SENTENCE_BYTES);
    json_put(&writer, "{\"error\":");
    json_put_string(&writer, sentence);
    json_put(&writer, "}\n");
    size_t bytes = 0;
    char *text = json_writer_take(&writer, &bytes);
    send_json(exchange, code, text != NULL ? text : "", bytes, more);
    free(text);
}

void admin_refuse(struct http_exchange *exchange, int code, const char *sentence)
{
    refuse(exchange, code, sentence, NULL);
}

/* ---- who may ---- */

static bool is_literal(const char *host)
{
    struct in6_addr address;
    return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* A page from elsewhere whose name was made to mean this machine (DNS rebinding) reaches a local listener, but its Host still
 * says that name. What has no Host is no browser. */
static bool is_host_of_this_machine(const char *said)
{
    char host[256];
    if (said == NULL || *said == '\0') {
        return true;
    }
    if (*said == '[') {
        snprintf(host, sizeof host, "%.*s", (int)strcspn(said + 1, "]"), said + 1);
        return is_literal(host);
    }
    snprintf(host, sizeof host, "%.*s", (int)strcspn(said, ":"), said);
    return strcasecmp(host, "localhost") == 0 || is_literal(host);
}

/* In a time that does not tell how much of it is right. */
static bool is_token(const char *said, const char *token)
{
    size_t bytes = strlen(token);
    size_t said_bytes = strlen(said);
    volatile unsigned char differs = said_bytes != bytes;
    for (size_t i = 0; i < said_bytes; i++) {
        differs = (unsigned char)(differs | (unsigned char)(said[i] ^ token[i % bytes]));
    }
    return differs == 0;
}

/* Answers where it may not. */
static bool may(const struct admin *admin, struct http_exchange *exchange, enum admin_access access)
{
    static const char *const challenge[] = {"WWW-Authenticate", "Bearer realm=\"rxp-worker\"", NULL};
    if (access == ADMIN_OPEN || (access == ADMIN_PRIVATE && http_exchange_is_local(exchange))) {
        return true;
    }
    if (admin->config.token == NULL) {
        admin_refuse(exchange, 403,
                     access == ADMIN_PRIVATE
                         ? "this worker has no admin token, without which it shows this on a loopback address alone: set "
                           "admin-token-file or RXP_ADMIN_TOKEN and start it again"
                         : "this worker has no admin token, without which nobody may do this: set admin-token-file or "
                           "RXP_ADMIN_TOKEN and start it again");
        return false;
    }
    static const char scheme[] = "Bearer ";
    const char *said = http_exchange_header(exchange, "Authorization");
    if (said == NULL || strncasecmp(said, scheme, sizeof scheme - 1) != 0) {
        refuse(exchange, 401, "this wants the worker's admin token, in the header 'Authorization: Bearer TOKEN'", challenge);
        return false;
    }
    said += sizeof scheme - 1;
    if (!is_token(said + strspn(said, " "), admin->config.token)) {
        refuse(exchange, 401, "that is not the worker's admin token", challenge);
        return false;
    }
    return true;
}

/* ---- routes ---- */

/* How much of the path the route stands for: 0 where it does not. */
static size_t match(const struct admin_route *route, const char *path)
{
    size_t bytes = strlen(route->path);
    bool is_folder = bytes > 1 && route->path[bytes - 1] == '/';
    return is_folder ? (strncmp(path, route->path, bytes) == 0 ? bytes : 0) : strcmp(path, route->path) == 0 ? bytes : 0;
}

static bool is_method(const struct admin_route *route, const char *method)
{
    return strcmp(route->method, method) == 0 || (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* NULL where there is none; then allow has the methods that the path knows, "" where nothing is there. */
static const struct admin_route *find(const struct admin_config *config, const char *method, const char *path,
                                      char allow[ALLOW_BYTES])
{
    size_t most = 0;
    const struct admin_route *found = NULL;
    for (size_t i = 0; i < config->n_routes; i++) {
        size_t matched = match(&config->routes[i], path);
        most = matched > most ? matched : most;
    }
    allow[0] = '\0';
    for (size_t i = 0; most > 0 && i < config->n_routes; i++) {
        const struct admin_route *route = &config->routes[i];
        if (match(route, path) != most) {
            continue;
        }
        if (is_method(route, method)) {
            found = route;
        }
        size_t used = strlen(allow);
        snprintf(allow + used, ALLOW_BYTES - used, "%s%s", used > 0 ? ", " : "",
                 strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method);
    }
    return found;
}

static void refuse_path(const struct admin *admin, struct http_exchange *exchange, const char *allow)
{
    char sentence[SENTENCE_BYTES];
    const char *path = http_exchange_path(exchange);
    if (*allow != '\0') {
        const char *const more[] = {"Allow", allow, NULL};
        snprintf(sentence, sizeof sentence, "'%.*s' knows %s, not %.20s", SHOWN_BYTES, path, allow,
                 http_exchange_method(exchange));
        refuse(exchange, 405, sentence, more);
        return;
    }
    size_t used = (size_t)snprintf(sentence, sizeof sentence, "there is no '%.*s' here; there is", SHOWN_BYTES, path);
    for (size_t i = 0; i < admin->config.n_routes && used < sizeof sentence; i++) {
        const struct admin_route *route = &admin->config.routes[i];
        size_t bytes = strlen(route->path);
        if (strcmp(route->method, "GET") == 0 && (bytes == 1 || route->path[bytes - 1] != '/')) {
            used += (size_t)snprintf(sentence + used, sizeof sentence - used, " %s", route->path);
        }
    }
    admin_refuse(exchange, 404, sentence);
}

static void handle(struct http_exchange *exchange, void *opaque)
{
    const struct admin *admin = opaque;
    char allow[ALLOW_BYTES];
    if (http_exchange_is_local(exchange) && !is_host_of_this_machine(http_exchange_header(exchange, "Host"))) {
        admin_refuse(exchange, 421,
                     "this server listens on a loopback address, and answers to localhost and to addresses alone, not to other "
                     "names: those may be a page's that is not yours");
        return;
    }
    const struct admin_route *route =
        find(&admin->config, http_exchange_method(exchange), http_exchange_path(exchange), allow);
    if (route == NULL) {
        refuse_path(admin, exchange, allow);
    } else if (may(admin, exchange, route->access)) {
        route->handler(exchange, route->opaque != NULL ? route->opaque : admin->config.opaque);
    }
}

/* ---- life ---- */

static void tell(const struct admin *admin)
{
    log_event(LOG_INFO, "admin_listens", "the admin server listens on %s, port %d", admin->config.listen,
              http_server_port(admin->server));
    if (!http_server_is_local(admin->server) && admin->config.token == NULL) {
        log_event(LOG_WARN, "admin_closed", "admin-listen %s is no loopback address and there is no admin token: /livez, /readyz "
                  "and /metrics are served, what tells of runs and cancels are refused; set admin-token-file or RXP_ADMIN_TOKEN",
                  admin->config.listen);
    }
}

int admin_start(const struct admin_config *config, struct admin **out, char *why, size_t why_bytes)
{
    *out = NULL;
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL) {
        snprintf(why, why_bytes, "out of memory");
        return -1;
    }
    admin->config = *config;
    struct http_server_config server = {
        .listen = config->listen,
        .threads = THREADS,
        .max_body_bytes = MAX_BODY_BYTES,
        .max_connections = MAX_CONNECTIONS,
        .max_connections_of_one_address = MAX_CONNECTIONS_OF_ONE_ADDRESS,
        .idle_seconds = IDLE_SECONDS,
        .headers = headers,
    };
    admin->server = http_server_start(&server, handle, admin, why, why_bytes);
    if (admin->server == NULL) {
        free(admin);
        if (!config->may_be_taken) {
            return -1;
        }
        log_event(LOG_WARN, "admin_off", "no admin server: %s (set admin-listen; empty: off)", why);
        return 0;
    }
    tell(admin);
    *out = admin;
    return 0;
}

void admin_stop(struct admin *admin)
{
    if (admin == NULL) {
        return;
    }
    http_server_stop(admin->server);
    free(admin);
}

int admin_port(const struct admin *admin)
{
    return http_server_port(admin->server);
}
