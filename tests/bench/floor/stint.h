/* stint: what a program of the floor has to do: so many invocations, after some to get warm; and what they took.
 *
 * One thread. */
#ifndef RXP_BENCH_STINT_H
#define RXP_BENCH_STINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#define ACTIVE 64 /* invocations under way at a time, as many as the worker has connections to one origin */

struct stint {
    uint64_t warm;
    uint64_t count; /* 0: without end, and without figures */
    uint64_t begun;
    uint64_t done;
    struct rusage begin, end; /* of the process */
    int64_t begin_ns, end_ns;
};

void stint_init(struct stint *stint, uint64_t warm, uint64_t count);
/* May another one begin? It has then. */
bool stint_begin(struct stint *stint);
/* One has ended. */
void stint_end(struct stint *stint);
bool stint_is_over(const struct stint *stint);
/* {"count":…,"cpu_us":…,"rate":…,"whole_seconds":…} on stdout: CPU µs of an invocation, invocations a second, and the CPU
 * time of the process from its start to now. */
void stint_print(const struct stint *stint);

/* The program ends with this sentence and errno's, where there is one. */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* "http://127.0.0.1:8080" -> its port. */
int origin_port(const char *origin);

#endif
