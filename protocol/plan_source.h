/* plan_source: what a plan is read from: the metadata of a message over the defaults of its profile, and what the plan
 * shall keep.
 *
 * A sentence about a value of the profile begins with the profile's name: who reads the sentence and who can mend the
 * value are often two people. One thread at a time. Not for use outside protocol/. */
#ifndef RXP_PROTOCOL_PLAN_SOURCE_H
#define RXP_PROTOCOL_PLAN_SOURCE_H

#include "protocol/arena.h"
#include "protocol/http_plan.h"
#include "protocol/plan_keys.h"
#include "protocol/template.h"

struct plan_value {
    const char *text; /* NULL: not given */
    bool from_defaults;
    const char *of_defaults; /* what these say, also where the message overrides it; NULL: nothing */
};

struct plan_variable {
    const char *name;
    const char *value;
    bool from_defaults;
};

#define PLAN_SOURCE_FEW 8

struct plan_source {
    const struct rxp_invocation *invocation;
    const struct rxp_defaults *defaults; /* NULL: none */
    struct rxp_refusal *why;
    bool is_later; /* of a run whose kickoff was accepted: keys that are PLAN_START are not looked at, and the texts of URLs,
                    * bodies and headers not checked once more */
    bool has_headers; /* http.header.NAME is given */
    struct plan_value value[PLAN_KEYS]; /* empty for families */
    struct plan_variable *variables;    /* by name; of two with one name the message's is first */
    size_t n_variables;
    size_t filled_bytes; /* of bodies that variables were filled into */
    struct arena arena; /* whose chunks the plan takes over */
    struct plan_variable few[PLAN_SOURCE_FEW]; /* room for as many variables as most have */
};

/* Reads all keys. Returns 0, or -1 with *why: a key that there is not, or that its maker may not say. To be
 * deinitialised in both cases; that leaves the arena. */
int plan_source_init(struct plan_source *source, const struct rxp_invocation *invocation,
                     const struct rxp_defaults *defaults, struct rxp_refusal *why);
/* The same with is_later; the arena begins with room[0..room_bytes). */
int plan_source_init_later(struct plan_source *source, const struct rxp_invocation *invocation,
                           const struct rxp_defaults *defaults, void *room, size_t room_bytes, struct rxp_refusal *why);
void plan_source_deinit(struct plan_source *source);

/* What is required must not be empty either. */
static inline bool plan_source_is_missing(const struct plan_source *source, enum plan_key key)
{
    const char *text = source->value[key].text;

    return text == NULL || text[0] == '\0';
}
/* NULL where there is no such var.NAME. */
const struct plan_variable *plan_source_variable(const struct plan_source *source, const char *name, size_t bytes);
/* Of the metadata of both. */
size_t plan_source_said_bytes(const struct plan_source *source);
/* The invocation_id and the variables. */
struct template_fills plan_source_fills(const struct plan_source *source);

/* All that follow return -1, with *why filled. */

/* "KEY 'VALUE' what" */
int plan_source_refuse(struct plan_source *source, enum plan_key key, const char *what);
/* "missing metadata 'KEY'", and what for, if that is not NULL. */
int plan_source_refuse_missing(struct plan_source *source, enum plan_key key, const char *what_for);
/* After *why was filled: it is about the value of this key, and perhaps of another (else PLAN_KEYS). Names the profile
 * where none of it is the message's. */
int plan_source_blame(struct plan_source *source, enum plan_key key, enum plan_key other);
int plan_source_blame_defaults(struct plan_source *source);
/* With the cause RXP_OK. */
int plan_source_no_memory(struct plan_source *source);

#endif
