/* crowds: partitions that bring runs of an origin where too many wait to be kicked off already. Each pauses until fewer
 * do, so that kickoffs which wait for one origin don't take all of max-in-flight.
 *
 * crowds_join is for any thread that has the job, the rest for the Kafka thread. */
#ifndef RXP_CORE_CROWDS_H
#define RXP_CORE_CROWDS_H

#include "base/list.h"
#include "core/job.h"
#include "engine/gate.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So often the crowds are looked at while a partition is paused for one. */
#define CROWDS_LOOK_MS 100
/* A backend that is merely slower than the topic makes partitions pause and go on all the time: that is told once in so
 * long, and else for debugging only. */
#define CROWDS_TELL_MS 10000

struct crowds {
    pthread_mutex_t lock;
    struct list joined; /* beginnings of jobs, by crowd_node; `lock` */
    struct list jams;   /* the Kafka thread's: who is paused for whom */
    int64_t tell_ms;    /* not before */
    size_t go_on_at;    /* runs that wait, or fewer: the partition goes on */
    void (*pause)(struct assignment *assignment, bool pause, void *opaque);
    void *opaque;
};

void crowds_init(struct crowds *crowds, size_t go_on_at,
                 void (*pause)(struct assignment *assignment, bool pause, void *opaque), void *opaque);
/* `pause` is not called any more. */
void crowds_deinit(struct crowds *crowds, int64_t now_ms);

/* The job is one too many for this gate; crowds_serve is to be called then. */
void crowds_join(struct crowds *crowds, struct job *job, struct gate *gate);
/* Pauses, and goes on. When it wants to be called at the latest. */
int64_t crowds_serve(struct crowds *crowds, int64_t now_ms);
/* Is any partition paused? */
bool crowds_are_there(const struct crowds *crowds);
/* Before it is freed. */
void crowds_forget(struct crowds *crowds, struct job *job, int64_t now_ms);
/* Nothing more comes of this assignment. */
void crowds_leave(struct crowds *crowds, const struct assignment *assignment, int64_t now_ms);

#endif
