/* aim: where a request goes, by its URL. Requests go to few origins, so those of the last ones are kept parsed, and a plain URL
 * of one of them is cut and not parsed: 0.8k instructions instead of 9.4k, and 3.7k less of libcurl's own, which copies and
 * encodes the shorter URL.
 *
 * Plain is what a URL parser would leave as it is, byte for byte: "http://" or "https://" in lower case, a host without user name
 * or escapes, then "/" and visible ASCII that needs no escape, without dot segments and fragment. All others are parsed.
 *
 * Owned by one thread. What is kept follows from the text alone, from the outlet and the egress policy, which never
 * change: it cannot go stale.
 * Names are looked up, and their addresses checked, for each connection as ever. */
#ifndef RXP_ENGINE_AIM_H
#define RXP_ENGINE_AIM_H

#include "base/key_table.h"
#include "base/list.h"
#include "engine/egress.h"
#include "engine/outlet.h"
#include "engine/target.h"

#include <stdbool.h>
#include <stddef.h>

#define AIMS_MAX 128 /* about 0.5 kB each */

/* An origin, as its URLs spell it. */
struct aim {
    struct key_node node;
    struct list use_node; /* the one that was used last at the end */
    size_t n_targets;     /* that share it */
    struct target target; /* of "http://host:port/" */
    bool is_proxied;
    bool is_allowed; /* the egress policy was asked, and lets its host pass */
    char key[];      /* "http://host:port" */
};

struct aims {
    struct key_table table;
    struct list uses;
    const struct egress *egress;
    const struct outlet *outlet;
};

/* Both outlive the aims. outlet NULL: see outlet.h; egress NULL: nobody asks aims_allow. Without memory nothing is kept. */
void aims_init(struct aims *aims, const struct egress *egress, const struct outlet *outlet);
/* No target may share them any more. */
void aims_deinit(struct aims *aims);

/* As target_parse, but that the URL must outlive *out. The target of one that goes through a proxy has the whole URL parsed:
 * curl writes it into the request. */
enum target_error aims_take(struct aims *aims, const char *url, struct target *out, char *why, size_t why_bytes);
/* May a request go there, by the name of its host? Where not, a sentence in why[EGRESS_WHY_BYTES]. Asked of the policy once
 * for an origin that is kept (1.9k instructions). */
bool aims_allow(const struct aims *aims, const struct target *target, char *why);
/* Of a target that shares it: by target_deinit. */
void aim_give_back(struct aim *aim);

#endif
