#include "cli/command.h"
#include "cli/dry_run.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/settings.h"
#include "cli/watch.h"
#include "core/answer.h"
#include "core/intake.h"
#include "engine/awake.h"
#include "engine/pool.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* What a run needs of the configuration. */
struct surroundings {
    struct egress *egress;
    struct outlet *outlet;
    struct secrets *secrets;
    struct profiles *profiles;
    struct profile_set *set; /* of the profiles */
};

static int surroundings_make(struct surroundings *out, const struct options *options, char why[SETTINGS_WHY_BYTES])
{
    out->egress = settings_egress(options, true, why);
    out->outlet = out->egress != NULL ? settings_outlet(options, why) : NULL;
    out->secrets = out->outlet != NULL ? settings_secrets(options, out->egress, out->outlet, why) : NULL;
    out->profiles = out->secrets != NULL ? settings_profiles(options, why) : NULL;
    out->set = profiles_hold(out->profiles);
    return out->profiles != NULL ? 0 : -1;
}

static void surroundings_free(struct surroundings *surroundings)
{
    profile_set_release(surroundings->set);
    profiles_free(surroundings->profiles);
    secrets_free(surroundings->secrets);
    egress_free(surroundings->egress);
    outlet_free(surroundings->outlet);
}

#define ERRAND_LOOK_MS 10

/* One run without Kafka: the same engine, and a file descriptor to wait for its end. */
struct execution {
    struct run run;
    struct rxp_invocation *invocation;
    const struct rxp_defaults *profile; /* NULL: none */
    struct rxp_http_plan plan;
    struct rxp_refusal why;
    bool refused;
    struct watch watch;
    int ended_fd; /* readable once the run has ended */
};

static enum pool_prepared on_prepare(struct run *run, void *opaque)
{
    struct execution *execution = opaque;
    if (execution->refused) {
        run->awake->invocation = execution->invocation; /* what could be read of it */
        intake_reject(run, &execution->why);
        return POOL_REFUSED;
    }
    run->awake->invocation = execution->invocation;
    run->awake->plan = &execution->plan;
    return POOL_PREPARED;
}

static void on_trace(struct run *run, const struct trace *trace, void *opaque)
{
    struct execution *execution = opaque;
    watch_trace(&execution->watch, run, trace);
}

static void on_ended(struct run *run, void *opaque)
{
    struct execution *execution = opaque;
    if (execution->watch.out != NULL) {
        watch_end(&execution->watch, run);
    }
    uint64_t one = 1;
    ssize_t written = write(execution->ended_fd, &one, sizeof one);
    assert(written == sizeof one);
}

static int exit_status_of(enum rxp_status status)
{
    switch (status) {
    case RXP_STATUS_SUCCEEDED:
        return 0;
    case RXP_STATUS_REJECTED:
        return 3;
    case RXP_STATUS_TIMED_OUT:
        return 4;
    case RXP_STATUS_CANCELLED:
        return 5;
    case RXP_STATUS_FAILED:
    case RXP_STATUS_PENDING:
    case RXP_STATUS_RUNNING:
        return 1;
    }
    return 1;
}

static int write_result_file(const char *path, const char *text, size_t bytes)
{
    FILE *file = fopen(path, "w");
    bool written = file != NULL && fwrite(text, 1, bytes, file) == bytes && fputc('\n', file) != EOF;
    if (file != NULL && fclose(file) != 0) {
        written = false;
    }
    if (!written) {
        fprintf(stderr, "rxp-worker exec: output_result_path '%s' could not be written: %s\n", path, strerror(errno));
    }
    return written ? 0 : -1;
}

static int write_result(const struct execution *execution, const char *worker_id)
{
    const struct answer_context context = {.worker_id = worker_id[0] != '\0' ? worker_id : "exec"};
    size_t bytes = 0;
    char *text = answer_write(&execution->run, &context, &bytes);
    if (text == NULL) {
        fprintf(stderr, "rxp-worker exec: out of memory for the result\n");
        return EXIT_FATAL;
    }
    int status = exit_status_of(execution->run.awake->outcome.status);
    if (fwrite(text, 1, bytes, stdout) != bytes || fputc('\n', stdout) == EOF || fflush(stdout) != 0) {
        fprintf(stderr, "rxp-worker exec: the result could not be written to stdout: %s\n", strerror(errno));
        status = EXIT_FATAL;
    }
    const char *path = execution->invocation != NULL ? execution->invocation->output_result_path : NULL;
    if (path != NULL && write_result_file(path, text, bytes) != 0) {
        status = EXIT_FATAL;
    }
    free(text);
    return status;
}

/* 0, also where it is refused; or -1 for want of memory. */
static int execution_read(struct execution *execution, const struct options *options, const struct profile_set *set,
                          const char *text, size_t bytes)
{
    size_t max_bytes = (size_t)options_int(options, "max-message-bytes");
    int refused = rxp_invocation_parse(text, bytes, max_bytes, &execution->invocation, &execution->why);
    if (refused == 0) {
        refused = profile_set_find(set, execution->invocation->runtime_name, &execution->profile, &execution->why);
    }
    if (refused == 0) {
        refused = rxp_http_plan_make(execution->invocation, execution->profile, &execution->plan, &execution->why);
    }
    execution->refused = refused != 0;
    if (refused == 0 || !rxp_lacked_memory(&execution->why)) {
        return 0;
    }
    fprintf(stderr, "rxp-worker exec: %s\n", execution->why.text);
    return -1;
}

/* Its run ends. NULL: it could not begin. */
static struct pool *execution_wait(struct execution *execution, const struct pool_config *config)
{
    char why[SETTINGS_WHY_BYTES];
    const struct pool_hooks hooks = {
        .prepare = on_prepare,
        .trace = execution->watch.out != NULL ? on_trace : NULL,
        .ended = on_ended,
        .opaque = execution,
    };
    struct pool *pool = pool_new(config, &hooks, why, sizeof why);
    if (pool == NULL) {
        fprintf(stderr, "rxp-worker exec: %s\n", why);
        return NULL;
    }
    execution->ended_fd = eventfd(0, EFD_CLOEXEC);
    if (execution->ended_fd < 0) {
        fprintf(stderr, "rxp-worker exec: no eventfd: %s\n", strerror(errno));
        pool_free(pool);
        return NULL;
    }
    interrupt_catch();
    pool_submit(pool, &execution->run);
    if (interrupt_wait_or(execution->ended_fd)) {
        pool_cancel_all(pool); /* it ends at once, with a result; a second signal ends the process */
    }
    /* Read in any case: that orders what the loop wrote of the run before what is read of it here. */
    uint64_t ended;
    while (read(execution->ended_fd, &ended, sizeof ended) < 0 && errno == EINTR) {
    }
    close(execution->ended_fd);
    return pool;
}

/* For the cancel or after call, which ends within ten seconds. A signal that comes now is not waited for. */
static void wait_for_errands(struct pool *pool)
{
    bool was_interrupted = interrupt_seen();
    struct pool_counts counts;
    pool_read_counts(pool, &counts);
    while (counts.n_errands > 0 && interrupt_seen() == was_interrupted) {
        poll(NULL, 0, ERRAND_LOOK_MS);
        pool_read_counts(pool, &counts);
    }
}

static int execute(struct execution *execution, const struct pool_config *config, const char *worker_id)
{
    struct pool *pool = execution_wait(execution, config);
    if (pool == NULL) {
        return EXIT_FATAL;
    }
    int status = write_result(execution, worker_id);
    wait_for_errands(pool);
    pool_free(pool);
    return status;
}

static int print_dry_run(struct execution *execution, const struct pool_config *config)
{
    const struct dry_run dry = {
        .invocation = execution->invocation,
        .plan = &execution->plan,
        .profile = execution->profile,
        .egress = config->egress,
        .outlet = config->outlet,
        .secrets = config->secrets,
        .max_run_ms = config->max_run_ms,
        .poll_max_failures = config->poll_max_failures,
    };
    if (!execution->refused && dry_run_print(&dry, stdout, &execution->why) == 0) {
        return EXIT_OK;
    }
    (void)fflush(stdout);
    if (rxp_lacked_memory(&execution->why)) {
        fprintf(stderr, "rxp-worker exec: %s\n", execution->why.text);
        return EXIT_FATAL;
    }
    fprintf(stderr, "rxp-worker exec: it would be rejected: %s: %s\n", rxp_error_name(execution->why.error),
            execution->why.text);
    return exit_status_of(RXP_STATUS_REJECTED);
}

static int exec_main(const struct options *options)
{
    char why[SETTINGS_WHY_BYTES] = "";
    size_t n = 0;
    const char *const *positional = options_positionals(options, &n);
    if (n > 1) {
        fprintf(stderr, "rxp-worker exec: takes one FILE, got %zu\n", n);
        return EXIT_USAGE;
    }
    size_t bytes = 0;
    char *text = input_read(n == 1 ? positional[0] : "-", &bytes, why, sizeof why);
    if (text == NULL) {
        fprintf(stderr, "rxp-worker exec: %s\n", why);
        return EXIT_USAGE;
    }
    struct surroundings around = {0};
    if (surroundings_make(&around, options, why) != 0) {
        fprintf(stderr, "rxp-worker exec: %s\n", why);
        surroundings_free(&around);
        free(text);
        return EXIT_USAGE;
    }
    struct pool_config config;
    settings_pool(options, around.egress, around.outlet, &config);
    config.secrets = around.secrets;
    config.threads = 1;
    config.poll_min_interval_ms = 0;
    config.nap_least_ms = INT64_MAX; /* one run is no memory, and its plan is watched */
    struct execution execution = {.ended_fd = -1};
    run_init(&execution.run);
    int status = EXIT_FATAL;
    if (execution_read(&execution, options, around.set, text, bytes) == 0) {
        watch_begin(&execution.watch, options_flag(options, "trace") ? stderr : NULL, &execution.plan);
        status = options_flag(options, "dry-run") ? print_dry_run(&execution, &config)
                                                  : execute(&execution, &config, options_text(options, "worker-id"));
        watch_deinit(&execution.watch);
    }
    run_deinit(&execution.run);
    rxp_http_plan_deinit(&execution.plan);
    rxp_invocation_free(execution.invocation);
    surroundings_free(&around);
    free(text);
    return status;
}

const struct command command_exec = {
    .name = "exec",
    .bit = COMMAND_EXEC,
    .arguments = "[FILE|-]",
    .summary = "carry out one invocation from a file or stdin, without Kafka",
    .about =
        "Reads one RuntimeInvocation, carries it out and prints its RuntimeResult on stdout, one line of JSON.\n"
        "The same engine as `run`: what works here works there, but that loopback addresses are allowed here\n"
        "and polls have no shortest interval. Where the invocation names an output_result_path, the result is\n"
        "written there as well. SIGINT or SIGTERM cancels it: the result says so; a second one ends at once.\n"
        "It ends after the cancel or after call, if there is one.\n"
        "\n"
        "To find out why an invocation does not work: --dry-run prints the requests that would be sent, the\n"
        "rule of its polls and what the policy says of each host, and sends none; --trace prints each exchange\n"
        "on stderr as it happens, its times, and what the worker makes of it. Neither shows a secret's value.\n"
        "\n"
        "Examples:\n"
        "  rxp-worker exec invocation.json\n"
        "  rxp-worker exec --dry-run invocation.json\n"
        "  rxp-worker exec --trace invocation.json\n"
        "\n"
        "Exit status: 0 succeeded, 1 failed, 3 rejected, 4 timed_out, 5 cancelled, 2 usage. Of a dry run: 0 it\n"
        "would run, 3 it would be rejected.\n",
    .main = exec_main,
};
