/* contract: the fields of one JSON object held against a table of rules. RuntimeInvocation and RuntimeResult are two
 * such tables; schemas/ says the same in JSON Schema, and a test holds the two together.
 *
 * Pure and thread-safe. Not for use outside protocol/. */
#ifndef RXP_PROTOCOL_CONTRACT_H
#define RXP_PROTOCOL_CONTRACT_H

#include "protocol/invocation.h"
#include "protocol/json.h"
#include "protocol/json_writer.h"

#include <stdbool.h>
#include <stddef.h>

enum contract_rule {
    CONTRACT_WORD,           /* the string `word` */
    CONTRACT_TEXT,           /* string, not empty */
    CONTRACT_TEXT_OR_NULL,
    CONTRACT_TEXTS,          /* array of string, at least one */
    CONTRACT_PAIRS,          /* object, string to string */
    CONTRACT_KIND,
    CONTRACT_STATUS,
    CONTRACT_SECONDS,        /* integer above zero, or null */
    CONTRACT_INT_OR_NULL,    /* that an int holds */
    CONTRACT_STAMP,
    CONTRACT_NULL,
    CONTRACT_EMPTY_ARRAY,
};

struct contract_field {
    const char *name;
    enum contract_rule rule;
    bool required;
    const char *word;
};

#define CONTRACT_MAX_FIELDS 16

struct contract {
    const char *name; /* "an invocation" */
    const struct contract_field *field;
    size_t n;
};

/* Strict JSON with unique keys, and an object. Returns 0, or -1 with *why. After -1 *document is empty where nothing
 * can be read; where only a duplicate key stands in the way it is the document all the same. */
int contract_open(const struct contract *contract, const char *text, size_t bytes, struct json_slice *document,
                  struct rxp_refusal *why);

/* What a document says of a field. */
struct contract_slot {
    struct json_slice value; /* empty where it is absent, occurs twice or breaks its rule */
    size_t n;                /* of pairs and texts: how many strings it holds, the keys of pairs not counted … */
    size_t text_bytes;       /* … and the room that they need, decoded, with keys and NULs */
};

/* Fills slot[]. Returns 0, or -1 with *why for the first fault: unknown fields before the others, since a misspelt field is
 * often also a missing one. Of pairs that are not all strings, those that are can still be taken. */
int contract_read(const struct contract *contract, struct json_slice document, struct contract_slot *slot,
                  struct rxp_refusal *why);

/* A string that is short enough to be a word or a stamp, every letter of it escaped perhaps. False for others. */
#define CONTRACT_WORD_ROOM 160
bool contract_take_word(struct json_slice string, char word[CONTRACT_WORD_ROOM]);

/* These decode to *text and move it on. An empty or null slot is NULL. */
const char *contract_take_text(const struct contract_slot *slot, char **text);
void contract_take_texts(const struct contract_slot *slot, const char **out, char **text);
void contract_take_pairs(const struct contract_slot *slot, struct rxp_pair *out, char **text);

void contract_put_pairs(struct json_writer *writer, const struct rxp_pair *pair, size_t n);

#endif
