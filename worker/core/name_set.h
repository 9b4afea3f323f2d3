/* name_set: the names that were seen, up to a limit.
 *
 * For names that strangers choose and that cost something for good once they are used: librdkafka forgets no topic that it
 * was told to write to. Any thread. */
#ifndef RXP_CORE_NAME_SET_H
#define RXP_CORE_NAME_SET_H

#include <stdbool.h>
#include <stddef.h>

struct name_set;

/* NULL for want of memory. */
struct name_set *name_set_new(size_t limit);
void name_set_free(struct name_set *set);
/* Is it one of the set, or could it be taken in? */
bool name_set_admit(struct name_set *set, const char *name);

#endif
