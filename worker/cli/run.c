#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/lookout.h"
#include "cli/reload.h"
#include "cli/settings.h"
#include "cli/topic_roles.h"
#include "core/worker.h"
#include "ops/log.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Some seventy of its own, 64 connections of the admin server's, and as many for a backend. */
#define FEW_FILES 256

/* What the signal handler needs: the worker to stop. */
static struct worker *_Atomic signalled_worker;

static void on_signal(int number)
{
    static const char text[] = "a second signal: ending at once; what was in flight is handed back uncommitted\n";
    struct worker *worker;
    (void)number;
    switch (interrupt_take()) {
    case INTERRUPT_FIRST:
        worker = atomic_load(&signalled_worker); /* NULL: not there yet, and then the flag is looked at */
        if (worker != NULL) {
            worker_stop(worker);
        }
        break;
    case INTERRUPT_ECHO:
        break;
    case INTERRUPT_AGAIN: {
        ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
        (void)written;
        _exit(EXIT_FATAL);
    }
    }
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    reload_catch();
}

static const char *worker_name(const struct options *options, char *room, size_t room_bytes)
{
    const char *given = settings_text(options, "worker-id");
    if (given != NULL) {
        return given;
    }
    char host[256] = "worker";
    gethostname(host, sizeof host - 1);
    snprintf(room, room_bytes, "%s-%ld", host, (long)getpid());
    return room;
}

static int start_log(const struct options *options)
{
    enum log_level level = LOG_INFO;
    log_level_parse(options_text(options, "log-level"), &level);
    log_set_level(level);
    return log_start(STDOUT_FILENO, strcmp(options_text(options, "log-format"), "text") == 0 ? LOG_TEXT : LOG_JSON);
}

static bool chose(const struct options *options, const char *option, const char *choice)
{
    return strcmp(options_text(options, option), choice) == 0;
}

static void tell_unknown(const struct secret_view *view, void *opaque)
{
    (void)opaque;
    log_event(LOG_WARN, "secret_unknown", "secrets-hosts binds secret '%s', which is not there yet: no file of that name in "
              "secrets-dir, and no variable RXP_SECRET_%s", view->name, view->name);
}

/* Once the pool has taken all that the process may have. */
static void tell_few_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FEW_FILES) {
        log_event(LOG_WARN, "files_few", "this process may have %llu files open, fewer than %d: connections to backends and brokers "
                  "may fail for that; raise the limit (ulimit -n, LimitNOFILE, --ulimit nofile)",
                  (unsigned long long)files.rlim_cur, FEW_FILES);
    }
}

static void tell_start(const struct worker_config *config, const struct options *options)
{
    if (options_source(options, "egress-allow") == OPTION_DEFAULT) {
        log_event(LOG_WARN, "egress_open", "egress-allow is not set: a message may make this worker call any %s; name the "
                  "backends in --egress-allow",
                  chose(options, "egress-private", "deny")
                      ? "host with a public address"
                      : "host but loopback, link-local and metadata addresses, private networks among them");
    }
    tell_few_files();
    secrets_view_unknown(config->pool.secrets, tell_unknown, NULL);
    size_t n = 0;
    struct profile_set *set = profiles_hold(config->profiles);
    profile_set_all(set, &n);
    profile_set_release(set);
    if (set != NULL) {
        log_event(LOG_INFO, "profiles_read", "%zu profiles", n);
    }
    log_event(LOG_INFO, "worker_starting", "rxp-worker %s, %d loop threads, at most %zu runs in flight, group %s on %s",
              RXP_VERSION, config->pool.threads, config->max_in_flight, config->kafka.group_id,
              config->kafka.bootstrap_servers);
}

static int run_worker(struct worker_config *config, const struct options *options)
{
    char why[WORKER_WHY_BYTES] = "";
    struct lookout *lookout = lookout_start(options, config, why);
    struct worker *worker = lookout != NULL ? worker_new(config, why) : NULL;
    if (worker == NULL) {
        fprintf(stderr, "rxp-worker run: %s\n", why);
        lookout_free(lookout);
        return EXIT_USAGE;
    }
    lookout_use_worker(lookout, worker);
    tell_start(config, options);
    if (reload_start(config->profiles, options) != 0) {
        log_event(LOG_WARN, "reload_off", "no thread for SIGHUP: it will do nothing");
    }
    atomic_store(&signalled_worker, worker);
    if (interrupt_seen()) {
        worker_stop(worker);
    }
    int ended = worker_run(worker, why);
    reload_stop();
    atomic_store(&signalled_worker, NULL);
    struct worker_counts counts;
    worker_read_counts(worker, &counts);
    lookout_close(lookout);
    worker_free(worker);
    lookout_free(lookout);
    if (ended != 0) {
        fprintf(stderr, "rxp-worker run: %s\n", why);
        return EXIT_FATAL;
    }
    log_event(LOG_INFO, "worker_stopped", "stopped as asked after %llu invocations; %llu were handed back",
              (unsigned long long)counts.flight.taken, (unsigned long long)counts.flight.handed_back);
    return EXIT_OK;
}

static int take_guarantees(const struct options *options, struct worker_config *config, char *why, size_t why_bytes)
{
    config->checkpoints_topic = settings_text(options, "checkpoints-topic");
    config->at_most_once = chose(options, "kickoff-guarantee", "at-most-once");
    config->exactly_once = chose(options, "results-guarantee", "exactly-once");
    config->transaction_ms = options_int(options, "transaction-ms");
    config->ordering = chose(options, "ordering", "key")         ? LANES_KEY
                       : chose(options, "ordering", "partition") ? LANES_PARTITION
                                                                 : LANES_NONE;
    if (config->at_most_once && config->checkpoints_topic == NULL) {
        snprintf(why, why_bytes, "--kickoff-guarantee at-most-once needs a checkpoints topic to write its intents to: leave "
                 "--checkpoints-topic at its default, or name one");
        return -1;
    }
    return 0;
}

/* Once the other topics are known. */
static int take_outputs(const struct options *options, struct worker_config *config, char *why, size_t why_bytes)
{
    struct settle_config *settle = &config->settle;
    settle->results_topic = options_text(options, "results-topic");
    settle->dead_letter_topic = settings_text(options, "dead-letter-topic");
    settle->key_by_id = chose(options, "results-key", "invocation_id");
    config->progress_topic = settings_text(options, "progress-topic");
    config->control_topic = settings_text(options, "control-topic");
    settle->reply.progress_topic = config->progress_topic;
    settle->reply.control_topic = config->control_topic;
    settle->reply.input_topics = config->topics;
    settle->reply.n_input_topics = config->n_topics;
    settle->reply.dead_letter_topic = settle->dead_letter_topic;
    settle->reply.checkpoints_topic = config->checkpoints_topic;
    settle->reply.results_topic = settle->results_topic;
    return topic_roles_check(config, why, why_bytes);
}

static void take_numbers(const struct options *options, struct worker_config *config)
{
    config->max_in_flight = (size_t)options_int(options, "max-in-flight");
    config->max_in_flight_bytes = (size_t)options_int(options, "max-in-flight-bytes");
    config->max_message_bytes = (size_t)options_int(options, "max-message-bytes");
    config->log_runs = chose(options, "log-runs", "all")        ? LOG_RUNS_ALL
                       : chose(options, "log-runs", "failures") ? LOG_RUNS_FAILURES
                                                                : LOG_RUNS_NONE;
    config->commit_interval_ms = options_int(options, "commit-interval-ms");
    config->drain_ms = options_ms(options, "drain-seconds");
}

static int run_main(const struct options *options)
{
    char why[SETTINGS_WHY_BYTES] = "";
    char name[300];
    struct worker_config config = {0};
    struct egress *egress = NULL;
    struct outlet *outlet = NULL;
    struct secrets *secrets = NULL;
    const char **topics = NULL;
    const char **replies = NULL;
    int status = EXIT_USAGE;
    catch_signals(); /* a SIGHUP while files are being read must not end it */
    if (settings_kafka(options, &config.kafka, why) != 0) {
        goto out;
    }
    topics = settings_list(options_text(options, "invocations-topics"), &config.n_topics);
    if (topics == NULL || config.n_topics == 0) {
        snprintf(why, sizeof why, "--invocations-topics names no topic");
        goto out;
    }
    replies = settings_replies(options, &config.settle.reply, why);
    if (replies == NULL) {
        goto out;
    }
    egress = settings_egress(options, false, why);
    outlet = egress != NULL ? settings_outlet(options, why) : NULL;
    if (outlet == NULL) {
        goto out;
    }
    secrets = settings_secrets(options, egress, outlet, why);
    config.profiles = secrets != NULL ? settings_profiles(options, why) : NULL;
    if (config.profiles == NULL) {
        goto out;
    }
    config.topics = topics;
    settings_pool(options, egress, outlet, &config.pool);
    config.pool.secrets = secrets;
    config.settle.worker_id = worker_name(options, name, sizeof name);
    if (take_guarantees(options, &config, why, sizeof why) != 0 || take_outputs(options, &config, why, sizeof why) != 0) {
        goto out;
    }
    take_numbers(options, &config);
    if (start_log(options) != 0) {
        snprintf(why, sizeof why, "the log could not be started");
        goto out;
    }
    status = run_worker(&config, options);
    log_stop();
    why[0] = '\0';
out:
    if (why[0] != '\0') {
        fprintf(stderr, "rxp-worker run: %s\n", why);
    }
    profiles_free(config.profiles);
    secrets_free(secrets);
    egress_free(egress);
    outlet_free(outlet);
    free(topics);
    free(replies);
    settings_free_kafka(&config.kafka);
    return status;
}

const struct command command_run = {
    .name = "run",
    .bit = COMMAND_RUN,
    .arguments = "",
    .summary = "take invocations from Kafka, carry them out, publish their results",
    .about =
        "Takes invocations from the input topics, starts each run over HTTP, polls it until its status is\n"
        "terminal, publishes a RuntimeResult and commits the input's offset only after the broker has\n"
        "acknowledged that result. A few event-loop threads (--threads) carry every run between them: a run\n"
        "that waits for its next poll is a small struct and a timer, not a thread.\n"
        "\n"
        "SIGTERM or SIGINT drains: no new runs, then up to --drain-seconds for those in flight, a last commit,\n"
        "exit 0. A second signal, half a second later or more, ends it at once. Logs go to stdout, one JSON object a line.\n"
        "\n"
        "Example:\n"
        "  rxp-worker run --bootstrap-servers localhost:9092 --egress-allow 'api.internal:8080'\n"
        "\n"
        "Exit status: 0 stopped as asked, 1 fatal error (the reason is the last line), 2 usage or configuration.\n",
    .main = run_main,
};
