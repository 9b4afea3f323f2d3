/* sim: the worker in simulated worlds, one a seed, and what its judge finds.
 *
 *     sim                       10,000 seeds
 *     sim --first N --seeds N   so many seeds, from this one on
 *     sim --seed N [--trace]    one of them again, exactly, and its record
 *
 * Written for run_tap.py, too: a line a block of seeds. Several processes share the seeds out. */
#include "sim/life.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void tell(uint64_t seed, const struct life *life)
{
    printf("seed %" PRIu64 " (%.1f s, %" PRIu64 " events, fingerprint %016" PRIx64 "): %s%s", seed, (double)life->lasted_ms / 1000,
           life->events, life->fingerprint, life->failure[0] != '\0' ? "FAILED: " : "ok", life->failure);
    if (life->failed_input >= 0)
        printf(" (input %d)", life->failed_input);
    putchar('\n');
    fflush(stdout);
}

int main(int n_arguments, char **arguments)
{
    uint64_t first = 1;
    uint64_t n = 10000;
    bool traced = false;
    bool one = false;
    for (int i = 1; i < n_arguments; i++) {
        if (strcmp(arguments[i], "--trace") == 0)
            traced = true;
        else if (strcmp(arguments[i], "--seeds") == 0 && i + 1 < n_arguments)
            n = strtoull(arguments[++i], NULL, 10);
        else if (strcmp(arguments[i], "--first") == 0 && i + 1 < n_arguments)
            first = strtoull(arguments[++i], NULL, 10);
        else if (strcmp(arguments[i], "--seed") == 0 && i + 1 < n_arguments) {
            first = strtoull(arguments[++i], NULL, 10);
            one = true;
        }
    }
    if (one)
        n = 1;
    int failed = 0;
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct life life = life_of(seed, traced, -1);
        if (one || life.failure[0] != '\0')
            tell(seed, &life);
        failed += life.failure[0] != '\0';
    }
    printf("%d of %" PRIu64 " failed\n", failed, n);
    return failed > 0;
}
