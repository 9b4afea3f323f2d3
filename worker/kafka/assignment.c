#include "kafka/assignment.h"

#include "kafka/checkpoint_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct assignment *assignment_new(const char *topic, int32_t partition, uint64_t epoch)
{
    size_t topic_bytes = strlen(topic) + 1;
    struct assignment *assignment = calloc(1, sizeof *assignment + topic_bytes);
    if (assignment == NULL)
        return NULL;
    char *name = (char *)(assignment + 1);
    memcpy(name, topic, topic_bytes);
    assignment->topic = name;
    assignment->partition = partition;
    assignment->epoch = epoch;
    atomic_init(&assignment->tenure, TENURE_HELD);
    atomic_init(&assignment->writes, 0);
    assignment->holders = 1;
    list_init(&assignment->node);
    return assignment;
}

/* A write is begun by a holder, whose hold ends on the Kafka thread. So with no holder left that thread has seen every
 * begin, and no other thread can begin one. */
static void free_unused(struct assignment *assignment)
{
    if (assignment->holders > 0 || atomic_load_explicit(&assignment->writes, memory_order_acquire) > 0)
        return;
    assert(assignment->own == NULL);
    list_remove(&assignment->node);
    checkpoint_table_free(assignment->checkpoints);
    free(assignment);
}

struct assignment *assignment_hold(struct assignment *assignment)
{
    assert(assignment->holders > 0);
    assignment->holders++;
    return assignment;
}

void assignment_release(struct assignment *assignment)
{
    if (assignment == NULL)
        return;
    assert(assignment->holders > 0);
    assignment->holders--;
    free_unused(assignment);
}

void assignment_write_begin(struct assignment *assignment)
{
    atomic_fetch_add_explicit(&assignment->writes, 1, memory_order_relaxed);
}

void assignment_write_end(struct assignment *assignment)
{
    size_t before = atomic_fetch_sub_explicit(&assignment->writes, 1, memory_order_acq_rel);
    assert(before > 0);
    (void)before;
    free_unused(assignment);
}

/* The holders first: with one more of them a write could begin just after the look. */
bool assignment_is_quiet(const struct assignment *assignment, size_t own_holds)
{
    return assignment->holders <= own_holds && atomic_load_explicit(&assignment->writes, memory_order_acquire) == 0;
}
