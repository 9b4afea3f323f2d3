#include "backend/backend.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/demo_broker.h"
#include "cli/demo_load.h"
#include "cli/interrupt.h"
#include "cli/lookout.h"
#include "cli/sender.h"
#include "cli/settings.h"
#include "cli/tally.h"
#include "core/worker.h"
#include "kafka/reader.h"
#include "ops/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define INVOCATIONS_TOPIC "rxp.invocations"
#define RESULTS_TOPIC "rxp.results"
#define PARTITIONS 6
#define BROKER_TIMEOUT_MS 10000
#define COMMIT_INTERVAL_MS 500
#define DRAIN_MS 2000
#define TURN_MS 100
/* The whole demo ends within 30 s, a machine that is too slow for its load included. */
#define RESULTS_WITHIN_MS 24000

struct demo {
    const struct options *options;
    size_t n_invocations;
    struct demo_broker *broker;
    struct backend *backend;
    struct egress *egress;
    struct outlet *outlet;
    struct kafka_settings kafka;
    struct worker_config config;
    struct lookout *lookout; /* NULL without --keep */
    struct worker *worker;
    pthread_t worker_thread;
    bool worker_runs;
    struct reader *reader;
    struct sender *sender;
    struct tally *tally;
    int64_t started_ms;
    size_t most_in_flight;
    bool draws; /* on a terminal: the progress line is redrawn */
    int64_t next_line_ms;
    char why[WORKER_WHY_BYTES];
};

/* The embedded broker answers a fetch only when its wait is over, and nobody else shares it. */
static const struct kafka_property demo_properties[] = {{"fetch.wait.max.ms", "10"}};

static void *worker_thread(void *opaque)
{
    struct demo *demo = opaque;
    char why[WORKER_WHY_BYTES];
    if (worker_run(demo->worker, why) != 0) {
        fprintf(stderr, "rxp-worker demo: the worker ended: %s\n", why);
    }
    return NULL;
}

static int start_worker(struct demo *demo)
{
    static const char *const topics[] = {INVOCATIONS_TOPIC};
    const char *worker_id = settings_text(demo->options, "worker-id");
    demo->config = (struct worker_config){
        .kafka = demo->kafka,
        .topics = topics,
        .n_topics = 1,
        .settle = {.worker_id = worker_id != NULL ? worker_id : "demo",
                   .results_topic = RESULTS_TOPIC},
        .max_in_flight = (size_t)options_int(demo->options, "max-in-flight"),
        .max_in_flight_bytes = (size_t)options_int(demo->options, "max-in-flight-bytes"),
        .max_message_bytes = (size_t)options_int(demo->options, "max-message-bytes"),
        .commit_interval_ms = COMMIT_INTERVAL_MS,
        .drain_ms = DRAIN_MS,
    };
    settings_pool(demo->options, demo->egress, demo->outlet, &demo->config.pool);
    if (options_flag(demo->options, "keep")) {
        demo->lookout = lookout_start(demo->options, &demo->config, demo->why);
        if (demo->lookout == NULL) {
            return -1;
        }
    }
    demo->worker = worker_new(&demo->config, demo->why);
    if (demo->worker == NULL) {
        return -1;
    }
    if (demo->lookout != NULL) {
        lookout_use_worker(demo->lookout, demo->worker);
    }
    if (pthread_create(&demo->worker_thread, NULL, worker_thread, demo) != 0) {
        snprintf(demo->why, sizeof demo->why, "the worker's thread could not be started");
        return -1;
    }
    demo->worker_runs = true;
    fprintf(stderr, "  worker     %d event-loop threads that between them carry every run\n",
            demo->config.pool.threads);
    if (demo->lookout != NULL && lookout_port(demo->lookout) > 0) {
        fprintf(stderr, "  page       http://127.0.0.1:%d/ shows what it does\n", lookout_port(demo->lookout));
    }
    return 0;
}

static int start_backend(struct demo *demo)
{
    const struct backend_config config = {.listen = "127.0.0.1:0", .threads = 1};
    demo->backend = backend_start(&config, demo->why, sizeof demo->why);
    if (demo->backend == NULL) {
        return -1;
    }
    fprintf(stderr, "  backend    http://127.0.0.1:%d (simulated)\n", backend_port(demo->backend));
    return 0;
}

static int start_all(struct demo *demo)
{
    static const char *const topics[] = {INVOCATIONS_TOPIC, RESULTS_TOPIC};
    fprintf(stderr, "All in this process, and nothing to set up:\n");
    demo->broker = demo_broker_new(topics, 2, PARTITIONS, demo->why);
    if (demo->broker == NULL) {
        return -1;
    }
    demo->kafka = (struct kafka_settings){
        .bootstrap_servers = demo_broker_address(demo->broker),
        .group_id = "rxp-worker",
        .client_id = "rxp-demo",
        .properties = demo_properties,
        .n_properties = 1,
    };
    fprintf(stderr, "  broker     %s (embedded), topics %s and %s\n", demo->kafka.bootstrap_servers, INVOCATIONS_TOPIC,
            RESULTS_TOPIC);
    demo->egress = settings_egress(demo->options, true, demo->why);
    demo->outlet = demo->egress != NULL ? settings_outlet(demo->options, demo->why) : NULL;
    if (demo->outlet == NULL || start_backend(demo) != 0 || start_worker(demo) != 0) {
        return -1;
    }
    demo->reader = reader_new(&demo->kafka, RESULTS_TOPIC, READER_END, BROKER_TIMEOUT_MS, demo->why);
    demo->sender = demo->reader != NULL
                       ? sender_new(&demo->kafka, INVOCATIONS_TOPIC, BROKER_TIMEOUT_MS, demo->why)
                       : NULL;
    return demo->sender != NULL ? 0 : -1;
}

static int submit_all(struct demo *demo)
{
    for (size_t i = 0; i < demo->n_invocations && !interrupt_seen(); i++) {
        char id[DEMO_LOAD_ID_BYTES];
        size_t bytes = 0;
        demo_load_id(i, id);
        char *text = demo_load_invocation(i, backend_port(demo->backend), &bytes);
        int sent = text != NULL ? sender_send(demo->sender, id, text, bytes, demo->why) : -1;
        free(text);
        if (sent != 0) {
            return -1;
        }
    }
    if (sender_finish(demo->sender, demo->why) != 0) {
        return -1;
    }
    size_t n = 0;
    const struct sent *sent = sender_sent(demo->sender, &n);
    demo->tally = tally_new(INVOCATIONS_TOPIC, sent, n);
    char number[TALLY_NUMBER_BYTES];
    fprintf(stderr, "  submitted  %s invocations\n\n", tally_number(n, number));
    return demo->tally != NULL ? 0 : -1;
}

static void show_progress(struct demo *demo, bool last)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms < demo->next_line_ms && !last) {
        return;
    }
    demo->next_line_ms = now_ms + (demo->draws ? TURN_MS : 1000);
    struct worker_counts counts;
    worker_read_counts(demo->worker, &counts);
    if (counts.flight.jobs > demo->most_in_flight) {
        demo->most_in_flight = counts.flight.jobs;
    }
    char text[TALLY_TEXT_BYTES];
    char flying[TALLY_NUMBER_BYTES];
    tally_describe(demo->tally, text);
    fprintf(stderr, "%s  %5.1f s  %s in flight%s%s%s", demo->draws ? "\r" : "",
            (double)(now_ms - demo->started_ms) / 1000, tally_number(counts.flight.jobs, flying),
            text[0] != '\0' ? "; " : "", text, demo->draws ? "\033[K" : "\n");
    if (demo->draws && last) {
        fputc('\n', stderr);
    }
}

static int read_results(struct demo *demo)
{
    const struct tally_counts *counts = tally_counts(demo->tally);
    while (counts->seen < counts->expected && !interrupt_seen() &&
           clock_mono_ms() < demo->started_ms + RESULTS_WITHIN_MS) {
        bool failed = false;
        rd_kafka_message_t *message = reader_next(demo->reader, TURN_MS, &failed, demo->why);
        if (failed) {
            return -1;
        }
        if (message != NULL) {
            struct rxp_result *result = NULL;
            struct rxp_refusal why;
            if (rxp_result_parse(message->payload, message->len, &result, &why) == 0) {
                tally_take(demo->tally, result);
                rxp_result_free(result);
            }
            rd_kafka_message_destroy(message);
        }
        show_progress(demo, false);
    }
    show_progress(demo, true);
    return 0;
}

static int print_summary(const struct demo *demo)
{
    const struct tally_counts *counts = tally_counts(demo->tally);
    char number[TALLY_NUMBER_BYTES];
    char flying[TALLY_NUMBER_BYTES];
    char text[TALLY_TEXT_BYTES];
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    tally_describe(demo->tally, text);
    double seconds = (double)(clock_mono_ms() - demo->started_ms) / 1000;
    printf("%s invocations: %s\n", tally_number(counts->expected, number), text[0] != '\0' ? text : "none has ended");
    printf("%.1f seconds, up to %s runs in flight; %.1f s of CPU and %ld MB of memory for the worker, the broker and the "
           "backend together\n",
           seconds, tally_number(demo->most_in_flight, flying),
           (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
           usage.ru_maxrss / 1024);
    if (counts->expected > 0 && counts->seen == counts->expected && counts->again == 0) {
        printf("Every invocation has exactly one result.\n");
        return EXIT_OK;
    }
    printf("%s%s have no result yet, %zu results came twice.\n", interrupt_seen() ? "Interrupted: " : "",
           tally_number(counts->expected - counts->seen, number), counts->again);
    return EXIT_FATAL;
}

/* As a shell takes it: how this program was called, which need not be in PATH. */
static void write_program(char *out, size_t bytes)
{
    const char *name = program_invocation_name;
    snprintf(out, bytes, strpbrk(name, " \t\"$&;()<>|*?`\\~#!") != NULL && strchr(name, '\'') == NULL ? "'%s'" : "%s", name);
}

static void print_next_steps(const struct demo *demo, bool keep)
{
    const char *servers = demo->kafka.bootstrap_servers;
    char program[PATH_MAX];
    write_program(program, sizeof program);
    if (!keep) {
        printf("\nTry your own:\n"
               "  %s demo --keep   stays up for your clients\n"
               "  %s exec FILE     carries out one invocation without Kafka\n"
               "  %s run --help    is the real thing\n",
               program, program, program);
        return;
    }
    printf("\nStill up, until Ctrl-C. From another terminal:\n"
           "  %s results --bootstrap-servers %s --status failed\n"
           "  %s submit  --bootstrap-servers %s --wait my-invocation.json\n"
           "  %s offsets --bootstrap-servers %s\n"
           "  curl -X POST 'http://127.0.0.1:%d/runs?seconds=5'\n",
           program, servers, program, servers, program, servers, backend_port(demo->backend));
    if (lookout_port(demo->lookout) > 0) {
        printf("And in a browser, what the worker does: http://127.0.0.1:%d/\n", lookout_port(demo->lookout));
    } else {
        printf("There is no page to look at: --admin-listen is empty, or its port is taken (try --admin-listen 127.0.0.1:0).\n");
    }
    fflush(stdout);
    interrupt_wait();
}

static void demo_stop(struct demo *demo)
{
    sender_free(demo->sender);
    reader_free(demo->reader);
    if (demo->worker_runs) {
        worker_stop(demo->worker);
        pthread_join(demo->worker_thread, NULL);
    }
    if (demo->lookout != NULL) {
        lookout_close(demo->lookout);
    }
    worker_free(demo->worker);
    lookout_free(demo->lookout);
    if (demo->backend != NULL) {
        backend_stop(demo->backend);
    }
    demo_broker_free(demo->broker);
    egress_free(demo->egress);
    outlet_free(demo->outlet);
    tally_free(demo->tally);
}

static int demo_main(const struct options *options)
{
    struct demo demo = {
        .options = options,
        .n_invocations = (size_t)options_int(options, "invocations"),
        .draws = isatty(STDERR_FILENO) == 1,
    };
    /* The worker's own chatter would drown the demo's. */
    if (options_source(options, "log-level") == OPTION_DEFAULT) {
        log_set_level(LOG_ERROR);
    }
    interrupt_catch();
    int status = EXIT_FATAL;
    bool started = start_all(&demo) == 0;
    demo.started_ms = clock_mono_ms();
    if (started && submit_all(&demo) == 0 && read_results(&demo) == 0) {
        status = print_summary(&demo);
        if (!interrupt_seen()) {
            print_next_steps(&demo, options_flag(options, "keep"));
        }
        fflush(stdout);
    } else {
        fprintf(stderr, "rxp-worker demo: %s\n", demo.why);
    }
    demo_stop(&demo);
    return status;
}

const struct command command_demo = {
    .name = "demo",
    .bit = COMMAND_DEMO,
    .arguments = "",
    .summary = "all in one process: broker, backend, worker; nothing to set up",
    .about =
        "Starts an embedded broker, a simulated backend and a worker in this process, submits invocations of\n"
        "many courses (success, failure, timeout, a status API with a bad moment, a message that is wrong),\n"
        "shows how they go and prints a summary. Ends by itself within 30 s; --keep stays up, to try one's own\n"
        "clients against it, and serves the worker's page. The embedded broker is for trying only: it forgets\n"
        "everything at the end.\n"
        "\n"
        "Exit status: 0 every invocation has exactly one result, 1 otherwise, 2 usage.\n",
    .main = demo_main,
};
