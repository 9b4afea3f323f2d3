/* tenure: for how long something may still be worked on. One thread moves it, only forward; any thread may look.
 *
 *   HELD ──> ENDING ──> OVER      (or HELD ──> OVER) */
#ifndef RXP_BASE_TENURE_H
#define RXP_BASE_TENURE_H

#include <stdatomic.h>

enum tenure {
    TENURE_HELD,
    TENURE_ENDING, /* nothing new is begun; what is under way may still come to its answer */
    TENURE_OVER,   /* everything stops, where it stands */
};

static inline enum tenure tenure_read(const atomic_int *tenure)
{
    return (enum tenure)atomic_load_explicit(tenure, memory_order_acquire);
}

static inline void tenure_set(atomic_int *tenure, enum tenure to)
{
    atomic_store_explicit(tenure, (int)to, memory_order_release);
}

#endif
