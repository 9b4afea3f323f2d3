/* paths: what is to be counted, and the main of the programs that have it.
 *
 *     PROGRAM         tells "compiler gcc 12.2.0", "libc glibc 2.36", and of each path its turns: "path parse 200"
 *     PROGRAM PATH    prepares the path, then takes its turns in path_PATH, which is what callgrind counts
 *
 * Single-threaded. No path may depend on time, addresses, environment or chance: the same program gives the same count.
 * What a path does stays as it is: other work is another path, or counts.txt says nothing. */
#ifndef RXP_BENCH_PATHS_H
#define RXP_BENCH_PATHS_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* callgrind looks for it by its name. */
#define COUNTED __attribute__((noinline)) static void

/* A turn whose work failed would be cheap. */
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                              \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

struct path {
    const char *name;
    int turns;
    void (*prepare)(void); /* what is not counted */
    void (*take)(int turns);
};
#define PATH(name, turns, prepare) {#name, turns, prepare, path_##name}

int paths_main(int argc, char **argv, const struct path *paths, size_t n);

#endif
