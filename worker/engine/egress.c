#include "engine/egress.h"

#include "engine/address.h"
#include "engine/egress_list.h"
#include "engine/excerpt.h"
#include "engine/special.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SHOWN_HOST_BYTES 60

struct egress {
    struct egress_list allow;
    struct egress_list deny;
    bool deny_has_names;
    bool private_denied;
    bool loopback_allowed;
    bool allow_is_star; /* the list is `*` and nothing else */
};

struct egress *egress_make(const struct egress_config *config, char *why)
{
    struct egress *egress = calloc(1, sizeof *egress);
    if (egress == NULL) {
        snprintf(why, EGRESS_WHY_BYTES, "egress-allow: out of memory");
        return NULL;
    }
    egress->private_denied = config->private_denied;
    egress->loopback_allowed = config->loopback_allowed;
    const char *allow = config->allow != NULL ? config->allow : "*";
    const char *deny = config->deny != NULL ? config->deny : "";
    if (egress_list_parse(&egress->allow, "egress-allow", allow, why, EGRESS_WHY_BYTES) != 0 ||
        egress_list_parse(&egress->deny, "egress-deny", deny, why, EGRESS_WHY_BYTES) != 0) {
        goto out;
    }
    if (egress->allow.n == 0) {
        snprintf(why, EGRESS_WHY_BYTES,
                 "egress-allow is empty, so that nothing could be reached; name hosts, or * for all");
        goto out;
    }
    const struct egress_entry *first = &egress->allow.entry[0];
    egress->allow_is_star = egress->allow.n == 1 && first->kind == EGRESS_ANY && first->port == 0;
    egress->deny_has_names = egress_list_has_names(&egress->deny);
    return egress;
out:
    egress_free(egress);
    return NULL;
}

void egress_free(struct egress *egress)
{
    if (egress == NULL) {
        return;
    }
    egress_list_deinit(&egress->allow);
    egress_list_deinit(&egress->deny);
    free(egress);
}

/* Writes the sentence and returns false. Hosts come from messages: what is no fit text is escaped. */
__attribute__((format(printf, 2, 3))) static bool refuse(char *why, const char *format, ...)
{
    char text[2 * EGRESS_WHY_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    why[0] = '\0';
    excerpt_put(why, EGRESS_WHY_BYTES, text, strlen(text), sizeof text);
    return false;
}

/* "<what> <reason>; egress-allow=<entry> would allow it". */
static bool refuse_with_entry(const struct egress *egress, const char *what, const char *reason, const char *host,
                              int port, char *why)
{
    bool is_v6 = strchr(host, ':') != NULL;
    const char *open = is_v6 ? "[" : "";
    const char *close = is_v6 ? "]" : "";
    if (egress->allow_is_star) {
        return refuse(why, "%s %s; egress-allow=*,%s%.*s%s:%d would allow it", what, reason, open, SHOWN_HOST_BYTES,
                      host, close, port);
    }
    return refuse(why, "%s %s; adding %s%.*s%s:%d to egress-allow would allow it", what, reason, open,
                  SHOWN_HOST_BYTES, host, close, port);
}

static bool target_init(struct egress_target *target, const char *host, int port, char *why)
{
    size_t bytes = strlen(host);
    if (bytes >= 2 && host[0] == '[' && host[bytes - 1] == ']') {
        host++;
        bytes -= 2;
    }
    *target = (struct egress_target){.port = port};
    bool has_dot = bytes > 1 && host[bytes - 1] == '.';
    if (bytes - has_dot > EGRESS_HOST_MAX_BYTES) {
        return refuse(why, "host '%.*s...' is longer than %d bytes", SHOWN_HOST_BYTES, host, EGRESS_HOST_MAX_BYTES);
    }
    memcpy(target->host, host, bytes - has_dot);
    return true;
}

static bool check_denied(const struct egress *egress, const struct egress_target *target, char *why)
{
    for (size_t i = 0; i < egress->deny.n; i++) {
        const struct egress_entry *entry = &egress->deny.entry[i];
        if (egress_entry_has(entry, target, EGRESS_ALL_FORMS)) {
            return refuse(why, "host '%.*s' port %d is refused by '%.*s' in egress-deny", SHOWN_HOST_BYTES,
                          target->host, target->port, SHOWN_HOST_BYTES, entry->text);
        }
    }
    for (const char *c = target->host; egress->deny_has_names && *c != '\0'; c++) {
        /* Such a name is rewritten before it is looked up, and could become one that is denied. */
        if ((unsigned char)*c >= 0x80) {
            return refuse(why, "host '%.*s' cannot be compared with egress-deny; write it in ASCII (xn--)",
                          SHOWN_HOST_BYTES, target->host);
        }
    }
    return true;
}

static bool is_allowed(const struct egress *egress, const struct egress_target *target)
{
    for (size_t i = 0; i < egress->allow.n; i++) {
        if (egress_entry_has(&egress->allow.entry[i], target, EGRESS_SAME_HOST)) {
            return true;
        }
    }
    return false;
}

/* Could an address of the host be on the list, though the host is not? */
static bool may_be_allowed(const struct egress *egress, int port)
{
    for (size_t i = 0; i < egress->allow.n; i++) {
        const struct egress_entry *entry = &egress->allow.entry[i];
        if (entry->kind == EGRESS_RANGE && (entry->port == 0 || entry->port == port)) {
            return true;
        }
    }
    return false;
}

/* Loopback needs an entry that means it: the very host, or a range that holds nothing but loopback. `*`, a pattern and
 * 0.0.0.0/0 do not, since whoever owns a name in them decides where it points. */
static bool names_loopback(const struct egress *egress, const struct egress_target *target)
{
    for (size_t i = 0; i < egress->allow.n; i++) {
        const struct egress_entry *entry = &egress->allow.entry[i];
        bool means_it =
            entry->kind == EGRESS_NAME || (entry->kind == EGRESS_RANGE && special_covers(&entry->range, SPECIAL_LOOPBACK));
        if (means_it && egress_entry_has(entry, target, EGRESS_SAME_HOST)) {
            return true;
        }
    }
    return false;
}

#define WHAT_BYTES 192

/* "address 127.0.0.1 (host 'sidecar')", with what it holds inside where that is the reason. */
static void describe(const struct egress_target *target, const struct address *inner, char what[WHAT_BYTES])
{
    char outer_text[ADDRESS_TEXT_BYTES];
    char inner_text[ADDRESS_TEXT_BYTES];
    address_write(&target->address, outer_text);
    address_write(inner, inner_text);
    bool is_inside = strcmp(outer_text, inner_text) != 0;
    bool is_literal = strcasecmp(outer_text, target->host) == 0;
    snprintf(what, WHAT_BYTES, "address %s%s%s%s%.*s%s", outer_text, is_inside ? ", which holds " : "",
             is_inside ? inner_text : "", is_literal ? "" : " (host '", SHOWN_HOST_BYTES,
             is_literal ? "" : target->host, is_literal ? "" : "')");
}

static bool is_private_only(const struct address_range *range)
{
    return range->prefix_bits == (range->base.family == AF_INET ? 32 : 128) || special_covers(range, SPECIAL_PRIVATE) ||
           special_covers(range, SPECIAL_LOOPBACK);
}

/* With egress-private=deny: is the address on the list, or a range of nothing but such ones that holds it? */
static bool names_range(const struct egress *egress, const struct egress_target *target)
{
    for (size_t i = 0; i < egress->allow.n; i++) {
        const struct egress_entry *entry = &egress->allow.entry[i];
        if (entry->kind == EGRESS_RANGE && is_private_only(&entry->range) &&
            egress_entry_has(entry, target, EGRESS_SAME_HOST)) {
            return true;
        }
    }
    return false;
}

static bool may_be_called(const struct egress *egress, const struct egress_target *target,
                          const struct address_form *form, enum special_rule rule)
{
    switch (rule) {
    case SPECIAL_NEVER:
        return false;
    case SPECIAL_LOOPBACK:
        return form->same_host && (egress->private_denied ? names_range(egress, target)
                                                          : egress->loopback_allowed || names_loopback(egress, target));
    case SPECIAL_PRIVATE: /* what a tunnel, or a guess, holds inside is not where it goes first */
        return !egress->private_denied || !form->same_host || names_range(egress, target);
    case SPECIAL_CARRIER:
        return true;
    }
    return false;
}

static bool check_form(const struct egress *egress, const struct egress_target *target,
                       const struct address_form *form, char *why)
{
    const struct special *special = special_find(&form->address);
    if (special == NULL || may_be_called(egress, target, form, special->rule)) {
        return true;
    }
    char what[WHAT_BYTES];
    char reason[128];
    char text[ADDRESS_TEXT_BYTES];
    describe(target, &form->address, what);
    if (special->rule == SPECIAL_NEVER || !form->same_host) {
        return refuse(why, "%s is %s, refused whatever is allowed", what, special->name);
    }
    snprintf(reason, sizeof reason, "is %s%s", special->name, egress->private_denied ? ", refused by egress-private=deny" : "");
    address_write(&form->address, text);
    return refuse_with_entry(egress, what, reason, text, target->port, why);
}

static bool check_resolved(const struct egress *egress, struct egress_target *target, char *why)
{
    target->n_forms = address_unwrap(&target->address, target->forms);
    if (!check_denied(egress, target, why)) {
        return false;
    }
    for (size_t i = 0; i < target->n_forms; i++) {
        if (!check_form(egress, target, &target->forms[i], why)) {
            return false;
        }
    }
    if (!is_allowed(egress, target)) {
        char what[WHAT_BYTES];
        char text[ADDRESS_TEXT_BYTES];
        describe(target, &target->address, what);
        address_write(&target->address, text);
        return refuse_with_entry(egress, what, "is not in egress-allow", text, target->port, why);
    }
    return true;
}

bool egress_check_host(const struct egress *egress, const char *host, int port, enum egress_way way, char *why)
{
    struct egress_target target;
    if (!target_init(&target, host, port, why)) {
        return false;
    }
    if (address_parse_loose(target.host, &target.address)) {
        return check_resolved(egress, &target, why);
    }
    if (!check_denied(egress, &target, why)) {
        return false;
    }
    for (const char *c = target.host; way == EGRESS_BY_PROXY && *c != '\0'; c++) {
        /* Rewritten on its way to the proxy, it could become an address that is refused. */
        if ((unsigned char)*c >= 0x80) {
            return refuse(why, "host '%.*s' cannot be checked before a proxy gets it; write it in ASCII (xn--)",
                          SHOWN_HOST_BYTES, target.host);
        }
    }
    char what[WHAT_BYTES];
    snprintf(what, sizeof what, "host '%.*s'", SHOWN_HOST_BYTES, target.host);
    if (is_allowed(egress, &target) || (way == EGRESS_DIRECT && may_be_allowed(egress, port))) {
        return true;
    }
    return refuse_with_entry(egress, what, "is not in egress-allow", target.host, port, why);
}

bool egress_check_address(const struct egress *egress, const char *host, int port, const struct sockaddr *address,
                          char *why)
{
    struct egress_target target;
    if (!target_init(&target, host, port, why)) {
        return false;
    }
    if (!address_from_socket(address, &target.address)) {
        return refuse(why, "host '%.*s' has an address that is neither IPv4 nor IPv6", SHOWN_HOST_BYTES, target.host);
    }
    return check_resolved(egress, &target, why);
}
