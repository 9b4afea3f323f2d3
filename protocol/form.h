/* form: a flat JSON object as application/x-www-form-urlencoded.
 *
 * true and false as words, null as nothing, numbers digit for digit, an array repeats its key. Space is '+'; kept as
 * they are: letters, digits and *-._ (the URL standard's form serializer). Pure and thread-safe. Not for use outside
 * protocol/. */
#ifndef RXP_PROTOCOL_FORM_H
#define RXP_PROTOCOL_FORM_H

#include "protocol/json.h"
#include "protocol/refusal.h"

#include <stddef.h>

/* An object of scalars and of arrays of scalars? Returns 0, or -1 with *why (RXP_ERROR_INVALID_METADATA). `key` is the
 * metadata key that holds it. */
int form_check(const char *key, struct json_slice object, struct rxp_refusal *why);

/* Writes an object that passed; with out NULL it only counts. Returns the length; there is no NUL. */
size_t form_write(struct json_slice object, char *out);

#endif
