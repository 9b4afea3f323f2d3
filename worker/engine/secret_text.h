/* secret_text: the little languages about secrets: their names, ${secret:NAME} in a value, and the hosts that a secret is
 * bound to ("host[:port],host…": names and addresses, no patterns).
 *
 * Pure, any thread. */
#ifndef RXP_ENGINE_SECRET_TEXT_H
#define RXP_ENGINE_SECRET_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_NAME_MAX_BYTES 128

/* Letters, digits, '_', '-' and '.', not first a '.': what a file in a mounted secret may be called. */
bool secret_name_is_valid(const char *name, size_t bytes);

/* The next ${secret:NAME} at or after `at`. */
struct secret_mark {
    const char *begin; /* its '$' */
    const char *end;   /* behind its '}' */
    char name[SECRET_NAME_MAX_BYTES + 1];
};
enum secret_next { SECRET_NONE, SECRET_FOUND, SECRET_MALFORMED };
enum secret_next secret_next(const char *at, struct secret_mark *mark);

/* 0, or -1 with a sentence in why[why_bytes] that names the faulty entry. An empty list is faulty. */
int secret_hosts_check(const char *hosts, char *why, size_t why_bytes);

/* Is host (without brackets) and port among them? Only for a list that was checked. Names are compared without case,
 * IPv6 addresses by value. */
bool secret_hosts_have(const char *hosts, const char *host, int port);

/* Does an id or a URL hold the secret, or at least its first half? In either case, percent-encoded or not: a host comes
 * back in small letters. Not for a secret of less than SECRET_HELD_LEAST_BYTES, which would be found everywhere. */
#define SECRET_HELD_LEAST_BYTES 6
bool secret_is_held(const char *text, const char *secret);

#endif
