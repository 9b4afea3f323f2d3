/* clock: the two clocks. Deadlines, timers and ages use the monotonic one; only stamps in results use the wall's.
 *
 * Any thread. A loop reads the clock once a wake and passes `now` on as an argument. */
#ifndef RXP_BASE_CLOCK_H
#define RXP_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NEVER INT64_MAX

/* Milliseconds since some fixed moment; never steps. */
int64_t clock_mono_ms(void);
/* Unix time in milliseconds. */
int64_t clock_wall_ms(void);
/* The same in microseconds. */
int64_t clock_wall_us(void);
/* CPU time that the calling thread has used, in microseconds. */
int64_t clock_cpu_us(void);

#endif
