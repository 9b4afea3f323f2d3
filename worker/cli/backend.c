#include "cli/command.h"

#include "backend/backend.h"
#include "backend/course.h"
#include "backend/shape.h"
#include "base/cpus.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define MOST_THREADS 4

static int thread_count(const struct options *options)
{
    int threads = (int)options_int(options, "threads");
    if (threads == 0) {
        int cpus = cpus_usable("");
        threads = cpus < MOST_THREADS ? cpus : MOST_THREADS;
    }
    return threads;
}

/* Where a client on this machine finds it: an address of every interface is none to connect to. */
static void print_url(const char *listen, int port, char *out, size_t room)
{
    const char *colon = strrchr(listen, ':');
    int host_bytes = colon ? (int)(colon - listen) : 0;
    if (host_bytes == 0 || strncmp(listen, "0.0.0.0:", 8) == 0 || strncmp(listen, "[::]:", 5) == 0) {
        snprintf(out, room, "http://127.0.0.1:%d", port);
    } else {
        snprintf(out, room, "http://%.*s:%d", host_bytes, listen, port);
    }
}

static int backend_main(const struct options *options)
{
    char why[512];
    char url[300];
    const char *listen = options_text(options, "listen");
    const char *record = options_text(options, "record");
    size_t n_words;
    const char *const *words = options_positionals(options, &n_words);
    if (n_words > 0) {
        fprintf(stderr, "rxp-worker backend: it takes no arguments, but got '%s'; see `rxp-worker backend --help`\n",
                words[0]);
        return EXIT_USAGE;
    }
    /* Blocked before the server's threads start, so that they inherit it and sigwait alone takes them. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    struct backend_config config = {.listen = listen, .threads = thread_count(options), .record_path = record};
    struct backend *backend = backend_start(&config, why, sizeof(why));
    if (!backend) {
        fprintf(stderr, "rxp-worker backend: %s\n", why);
        return EXIT_FATAL;
    }
    print_url(listen, backend_port(backend), url, sizeof(url));
    fprintf(stderr,
            "simulated backend on %s (%d thread%s%s%s; Ctrl-C ends it)\n"
            "try it:  curl -X POST '%s/runs?seconds=5&outcome=failed'\n"
            "then:    curl %s/runs/ID-FROM-THE-ANSWER\n"
            "more:    curl %s/ tells the parameters, curl %s/stats what was seen\n",
            url, config.threads, config.threads == 1 ? "" : "s", record && *record ? ", recording in " : "",
            record && *record ? record : "", url, url, url, url);

    int signal_number = 0;
    while (sigwait(&signals, &signal_number) != 0) {
    }
    struct backend_counts counts;
    backend_read_counts(backend, &counts);
    backend_stop(backend);
    fprintf(stderr, "simulated backend ended: %" PRIu64 " requests, %" PRIu64 " kickoffs, %" PRIu64 " polls\n",
            counts.requests, counts.kickoffs, counts.polls);
    return EXIT_OK;
}

const struct command command_backend = {
    .name = "backend",
    .bit = COMMAND_BACKEND,
    .arguments = "",
    .summary = "a simulated backend, to rehearse with",
    .about = "Serves a simulated asynchronous HTTP API: runs that take as long and end as each request asks for, and\n"
             "that fail in every way that a backend can. Goes on until SIGINT or SIGTERM.\n"
             "\n"
             "  rxp-worker backend --listen 127.0.0.1:8080\n"
             "  curl -X POST 'http://127.0.0.1:8080/runs?seconds=5&outcome=failed'\n"
             "  curl http://127.0.0.1:8080/runs/ID-FROM-THE-ANSWER\n"
             "\n"
             COURSE_HELP "\n" SHAPE_HELP,
    .main = backend_main,
};
