/* json_facts: what must hold of JSON texts and values, for the targets that have them. */
#ifndef RXP_TESTS_JSON_FACTS_H
#define RXP_TESTS_JSON_FACTS_H

#include <stdbool.h>
#include <stddef.h>

/* Whatever json_check says of it: refused with a phrase; or it can be walked and searched, and cJSON reads it as well.
 * Returns whether it is JSON. */
bool must_be_json_or_not(const char *text, size_t bytes);
/* How many values a JSON text holds, itself counted. */
size_t json_count_values(const char *text, size_t bytes);

#endif
