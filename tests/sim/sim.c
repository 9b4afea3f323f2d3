/* sim: the worker in simulated worlds, one a seed, and what their judge finds.
 *
 *     sim                          10,000 seeds (RXP_TEST_SEEDS: so many), shared out among two processes (RXP_TEST_JOBS)
 *     sim --first N --seeds N      from this one on, so many
 *     sim --seed N                 one of them again
 *     sim --seed N --trace         and its whole record
 *
 * Of a seed that fails, what is about the input in question is printed, and how to see all of it. For run_tap.py it writes TAP
 * to the file that CK_TAP_LOG_FILE_NAME names. */
#include "sim/life.h"

#include <assert.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEDS 10000
#define BLOCKS 10
#define PROCESSES_MAX 8
#define AGAIN_EVERY 100 /* every so many seeds, one is lived twice */
#define SEED_SECONDS 100 /* one that takes longer hangs without its time going on */
#define SHOWN_MAX 3

/* What the processes share. */
struct tally {
    atomic_uint_fast64_t at[PROCESSES_MAX]; /* the seed of each */
    atomic_int failed[BLOCKS];
    atomic_int unlike; /* lived twice, and not alike */
    atomic_int shown;
    atomic_uint_fast64_t events;
};

struct task {
    uint64_t first;
    uint64_t n;
    uint64_t processes;
    const char *program;
    struct tally *tally;
};

static void count_failure(const struct task *task, uint64_t seed)
{
    atomic_fetch_add(&task->tally->failed[(seed - task->first) * BLOCKS / task->n], 1);
}

/* ---- one seed ---- */

static void tell(uint64_t seed, const struct life *life)
{
    printf("seed %" PRIu64 " (%.1f s, %" PRIu64 " events, fingerprint %016" PRIx64 "): %s%s", seed, (double)life->lasted_ms / 1000,
           life->events, life->fingerprint, life->failure[0] != '\0' ? "FAILED: " : "ok", life->failure);
    if (life->failed_input >= 0)
        printf(" (input %d)", life->failed_input);
    putchar('\n');
    fflush(stdout);
}

static void show_failure(const struct task *task, uint64_t seed, const struct life *life)
{
    tell(seed, life);
    if (atomic_fetch_add(&task->tally->shown, 1) < SHOWN_MAX) {
        life_of(seed, true, life->failed_input);
        printf("all of it: %s --seed %" PRIu64 " --trace\n", task->program, seed);
    }
    fflush(stdout);
}

static void live_seed(const struct task *task, uint64_t seed)
{
    alarm(SEED_SECONDS);
    struct life life = life_of(seed, false, -1);
    atomic_fetch_add(&task->tally->events, life.events);
    if (life.failure[0] != '\0') {
        count_failure(task, seed);
        show_failure(task, seed, &life);
    } else if (seed % AGAIN_EVERY == 0 && life_of(seed, false, -1).fingerprint != life.fingerprint) {
        atomic_fetch_add(&task->tally->unlike, 1);
        printf("seed %" PRIu64 " was not the same when it was lived again\n", seed);
    }
    alarm(0);
}

/* ---- processes ---- */

static pid_t start_process(const struct task *task, uint64_t process, uint64_t from)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    for (uint64_t seed = from; seed < task->first + task->n; seed += task->processes) {
        atomic_store(&task->tally->at[process], seed);
        live_seed(task, seed);
    }
    fflush(stdout);
    exit(0);
}

/* One that dies has found something: the next goes on behind the seed that killed it. */
static void live_all(const struct task *task)
{
    pid_t pid[PROCESSES_MAX];
    uint64_t n = task->processes;
    for (uint64_t i = 0; i < task->processes; i++)
        pid[i] = start_process(task, i, task->first + i);
    while (n > 0) {
        int status;
        uint64_t i = 0;
        pid_t ended = wait(&status);
        if (ended < 0)
            break;
        while (i < task->processes && pid[i] != ended)
            i++;
        if (i == task->processes)
            continue;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            n--;
            continue;
        }
        uint64_t seed = atomic_load(&task->tally->at[i]);
        count_failure(task, seed);
        printf("seed %" PRIu64 " FAILED: it ended its process (%s)\nall of it: %s --seed %" PRIu64 " --trace\n", seed,
               WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit", task->program, seed);
        pid[i] = start_process(task, i, seed + task->processes);
    }
}

/* ---- what is told ---- */

static int sum_up(const struct task *task)
{
    const char *path = getenv("CK_TAP_LOG_FILE_NAME");
    FILE *tap = path != NULL ? fopen(path, "w") : NULL;
    int failed = 0;
    for (int i = 0; i < BLOCKS; i++) {
        int n = atomic_load(&task->tally->failed[i]);
        failed += n;
        if (tap != NULL)
            fprintf(tap, "%s %d - seeds %" PRIu64 " to %" PRIu64 ": %d fail\n", n > 0 ? "not ok" : "ok", i + 1,
                    task->first + (task->n * (uint64_t)i + BLOCKS - 1) / BLOCKS,
                    task->first + (task->n * (uint64_t)(i + 1) + BLOCKS - 1) / BLOCKS - 1, n);
    }
    int unlike = atomic_load(&task->tally->unlike);
    if (tap != NULL) {
        fprintf(tap, "%s %d - a seed that is lived again is the same, event by event\n1..%d\n", unlike > 0 ? "not ok" : "ok",
                BLOCKS + 1, BLOCKS + 1);
        fclose(tap);
    }
    printf("%d of %" PRIu64 " seeds failed, %" PRIu64 " events\n", failed, task->n, (uint64_t)atomic_load(&task->tally->events));
    return failed + unlike > 0 ? 1 : 0;
}

static uint64_t read_number(const char *text, uint64_t otherwise)
{
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

int main(int n_arguments, char **arguments)
{
    struct task task = {
        .first = 1,
        .n = read_number(getenv("RXP_TEST_SEEDS"), SEEDS),
        .processes = read_number(getenv("RXP_TEST_JOBS"), 2),
        .program = arguments[0],
    };
    bool traced = false;
    bool one = false;
    for (int i = 1; i < n_arguments; i++) {
        const char *value = i + 1 < n_arguments ? arguments[i + 1] : NULL;
        traced = traced || strcmp(arguments[i], "--trace") == 0;
        if (strcmp(arguments[i], "--seeds") == 0)
            task.n = read_number(value, task.n);
        if (strcmp(arguments[i], "--first") == 0 || strcmp(arguments[i], "--seed") == 0)
            task.first = read_number(value, task.first);
        one = one || strcmp(arguments[i], "--seed") == 0;
    }
    if (one) {
        struct life life = life_of(task.first, traced, -1);
        tell(task.first, &life);
        return life.failure[0] != '\0';
    }
    task.n = task.n > 0 ? task.n : 1;
    task.processes = task.processes < 1 ? 1 : task.processes > PROCESSES_MAX ? PROCESSES_MAX : task.processes;
    task.tally = mmap(NULL, sizeof *task.tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert(task.tally != MAP_FAILED);
    live_all(&task);
    return sum_up(&task);
}
