/* egress_list: one comma list of the egress policy, and what it matches.
 *
 * Immutable after egress_list_parse: any thread. Entries are host[:port], where host is `*`, a name, a pattern
 * (`*.example.com`: any name below it), an address or a range (10.0.0.0/8); IPv6 with a port stands in brackets.
 * Without a port an entry means every port. */
#ifndef RXP_ENGINE_EGRESS_LIST_H
#define RXP_ENGINE_EGRESS_LIST_H

#include "engine/address.h"

#include <stdbool.h>
#include <stddef.h>

#define EGRESS_HOST_MAX_BYTES 253 /* RFC 1035: 255 octets on the wire */

/* What a check is about. */
struct egress_target {
    char host[EGRESS_HOST_MAX_BYTES + 1]; /* without brackets and trailing dot */
    int port;
    struct address address; /* once it is resolved */
    struct address_form forms[ADDRESS_MAX_FORMS];
    size_t n_forms; /* 0: not resolved yet, and no range matches */
};

enum egress_entry_kind { EGRESS_ANY, EGRESS_NAME, EGRESS_SUFFIX, EGRESS_RANGE };

struct egress_entry {
    enum egress_entry_kind kind;
    char *text; /* as the operator wrote it */
    char *name; /* NAME: without a trailing dot; SUFFIX: with its leading dot */
    struct address_range range;
    int port; /* 0: any */
};

struct egress_list {
    struct egress_entry *entry;
    size_t n;
};

/* Fills *list from `text`; empty items are skipped. Returns 0, or -1 with a sentence in why[why_bytes] that names the
 * option and the entry. egress_list_deinit in both cases. */
int egress_list_parse(struct egress_list *list, const char *option, const char *text, char *why, size_t why_bytes);
void egress_list_deinit(struct egress_list *list);

/* Names are compared without regard to case. A range matches any form of the address (to deny), or only those that
 * are the same host (to allow). */
enum egress_forms { EGRESS_ALL_FORMS, EGRESS_SAME_HOST };
bool egress_entry_has(const struct egress_entry *entry, const struct egress_target *target, enum egress_forms forms);
bool egress_list_has_names(const struct egress_list *list);

#endif
