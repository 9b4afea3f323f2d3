/* secrets: named values that headers may carry, as ${secret:NAME}, each to the hosts that it is bound to and to no other.
 *
 * One object a process, for any thread. What is known comes from files (secrets-dir: NAME, or NAME.oauth2.json, whose
 * access token is the value then), else from the environment (RXP_SECRET_NAME); a file wins. Where files change they are
 * read again within a second or two, and a file that is gone takes its secret with it.
 *
 * A keeper thread of its own (secrets_start) looks at the files, and fetches and renews the tokens that somebody asks
 * for. Values are overwritten before their memory is freed, and stand in no sentence and no log line: names do. */
#ifndef RXP_ENGINE_SECRETS_H
#define RXP_ENGINE_SECRETS_H

#include "engine/egress.h"
#include "protocol/invocation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRETS_WHY_BYTES 384

struct secrets;
struct outlet;

struct secrets_config {
    const char *dir;          /* NULL: no files. It need not exist */
    const char *const *environment; /* NULL: none; looked at by secrets_new only */
    const char *hosts;        /* secrets-hosts: NAME=host[:port][,host…];NAME2=…; NULL: none */
    /* For token requests; what they point to outlives the secrets. */
    const struct egress *egress;
    const struct outlet *outlet; /* NULL: see outlet.h */
    int64_t connect_timeout_ms;
    int64_t fetch_timeout_ms; /* of a token request; 0: 30 s */
};

/* Copies the strings of the config and reads what is there. NULL with a sentence that names the faulty entry. */
struct secrets *secrets_new(const struct secrets_config *config, char why[SECRETS_WHY_BYTES]);
/* Starts the keeper, before others get to know of the secrets; without it nothing changes, and no token is ever fetched.
 * 0, or -1 with why. */
int secrets_start(struct secrets *secrets, char why[SECRETS_WHY_BYTES]);
/* Ends the keeper first. Nobody may use it any more. */
void secrets_free(struct secrets *secrets);

enum secret_fill {
    SECRET_READY,
    SECRET_WAIT,        /* a token is under way: secrets_watch's callback will come */
    SECRET_DENIED,      /* unknown, unfit for a header, or not bound to that host: secret_denied */
    SECRET_UNAVAILABLE, /* its token could not be fetched. It is tried again before long, and the callback comes then */
    SECRET_NO_MEMORY,
};

/* `value` with every ${secret:NAME} replaced. host: without brackets; bindings: those of the run's profile, NAME ->
 * "host[:port],…" (secret_hosts_check accepted them), beside those of secrets-hosts. READY: *out is malloc'd, and the
 * caller overwrites it (explicit_bzero) before it frees it. Else *out is NULL, and DENIED, UNAVAILABLE and NO_MEMORY have a
 * sentence in why. `secrets` NULL: no secret is known. */
enum secret_fill secrets_fill(struct secrets *secrets, const char *value, const char *host, int port,
                              const struct rxp_pair *bindings, size_t n_bindings, char **out,
                              char why[SECRETS_WHY_BYTES]);

/* Would it be filled, as far as can be known before a token is fetched? False with why: secret_denied. */
bool secrets_check(struct secrets *secrets, const char *value, const char *host, int port,
                   const struct rxp_pair *bindings, size_t n_bindings, char why[SECRETS_WHY_BYTES]);

/* A 401 answered a request that carried `value`, filled: its tokens are fetched anew, unless one is less than 10 s old. */
void secrets_refused(struct secrets *secrets, const char *value);

/* `changed` is called on the keeper's thread after each token request has ended, well or not. There is one place for it;
 * NULL takes it away, and it is not under way any more when this returns (so it must not be called from `changed`). 0, or
 * -1 where the place is taken. `secrets` NULL is harmless. */
int secrets_watch(struct secrets *secrets, void (*changed)(void *), void *opaque);

/* Does it hold a ${secret:? */
bool secret_is_in(const char *value);

/* What is known, for `config --check` and the log: names, never values. */
struct secret_view {
    const char *name;
    const char *source; /* "file", "environment", "OAuth2 file" */
    const char *fault;  /* why it cannot be used; NULL: it can */
    const char *hosts;  /* of secrets-hosts; NULL: none, so that only a profile's binding lets it be sent */
};
/* `each` is called under a lock: it must not call back. */
void secrets_view(struct secrets *secrets, void (*each)(const struct secret_view *view, void *opaque), void *opaque);

/* Names that secrets-hosts binds and nobody knows, one by one: each is called as above with source NULL. */
void secrets_view_unknown(struct secrets *secrets, void (*each)(const struct secret_view *view, void *opaque),
                          void *opaque);

#endif
