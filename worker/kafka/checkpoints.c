#include "kafka/checkpoints.h"

#include "base/clock.h"
#include "base/mailbox.h"
#include "kafka/checkpoint_clients.h"
#include "kafka/checkpoint_reader.h"
#include "kafka/checkpoint_topic.h"
#include "ops/log.h"

#include <assert.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    REASON_BYTES = CHECKPOINT_TOPIC_WHY_BYTES,
    STEP_MS = 20,           /* after a step that went well */
    RETRY_MS = 500,         /* after one that did not */
    SMALL_RETRY_MS = 5000,  /* after one that is not allowed */
    IDLE_MS = 1000,         /* librdkafka wants to be served now and then */
    WARN_AFTER_MS = 2000,   /* a leader's election is no trouble */
    WARN_INTERVAL_MS = 30000,
    END_MS = 1400,
};

struct checkpoints {
    struct checkpoints_config config;
    struct checkpoints_hooks hooks;
    struct checkpoint_clients clients;
    pthread_t thread;
    bool thread_runs;
    atomic_bool stop;
    struct mailbox requests; /* to the thread */
    struct mailbox answers;  /* to the Kafka thread */

    atomic_bool failed; /* set after `reason` was written, by the thread */
    char reason[REASON_BYTES];

    /* The Kafka thread's. */
    bool told;        /* hooks.fatal was called */
    struct list open; /* requests that hold their assignment */

    /* The thread's. */
    struct checkpoint_topic topic;
    struct checkpoint_reader *reader;
    struct list answered;
    int partitions;        /* of the topic, as far as is known; 0: not yet */
    bool topic_sure;
    int64_t topic_ms;      /* when it is next made sure of */
    int64_t trouble_since_ms; /* CLOCK_NEVER: none */
    int64_t warn_ms;
    int64_t small_warn_ms; /* not before: that the topic may not grow */
    char network_why[128]; /* librdkafka's last word */
};
static_assert(CHECKPOINT_READER_WHY_BYTES <= REASON_BYTES, "sentences are passed on");

/* ---- the thread ---- */

static void fail(struct checkpoints *checkpoints, const char *reason)
{
    static const uint64_t one = 1;
    if (atomic_load(&checkpoints->failed))
        return;
    snprintf(checkpoints->reason, sizeof checkpoints->reason, "%s", reason);
    atomic_store(&checkpoints->failed, true);
    if (write(checkpoints->config.event_fd, &one, sizeof one) < 0)
        return; /* a full counter is awake enough */
}

static void trouble(struct checkpoints *checkpoints, const char *why, int64_t now_ms)
{
    const char *more = checkpoints->network_why;
    if (checkpoints->trouble_since_ms == CLOCK_NEVER) {
        checkpoints->trouble_since_ms = now_ms;
        checkpoints->warn_ms = now_ms + WARN_AFTER_MS;
    }
    if (now_ms < checkpoints->warn_ms)
        return;
    checkpoints->warn_ms = now_ms + WARN_INTERVAL_MS;
    log_event(LOG_WARN, "checkpoints_wait", "the checkpoints topic '%s' can't be read for %lld s now, and %zu partitions wait "
              "for that: %s%s%s", checkpoints->config.topic,
              (long long)(now_ms - checkpoints->trouble_since_ms) / 1000, checkpoint_reader_outstanding(checkpoints->reader),
              why, more[0] != '\0' ? "; " : "", more);
}

static void trouble_over(struct checkpoints *checkpoints, int64_t now_ms)
{
    if (checkpoints->trouble_since_ms == CLOCK_NEVER)
        return;
    if (now_ms - checkpoints->trouble_since_ms >= WARN_AFTER_MS)
        log_event(LOG_INFO, "checkpoints_go_on", "the checkpoints topic '%s' can be read again", checkpoints->config.topic);
    checkpoints->trouble_since_ms = CLOCK_NEVER;
    checkpoints->network_why[0] = '\0';
}

/* From rd_kafka_poll, thus on the thread. */
static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
    struct checkpoints *checkpoints = opaque;
    (void)rk;
    if (err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        snprintf(checkpoints->network_why, sizeof checkpoints->network_why, "%s", reason);
}

static void take_requests(struct checkpoints *checkpoints)
{
    struct list taken;
    struct list *node;
    list_init(&taken);
    mailbox_take(&checkpoints->requests, &taken);
    while ((node = list_shift(&taken)) != NULL) {
        struct checkpoint_request *request = list_entry(node, struct checkpoint_request, node);
        if (checkpoint_reader_add(checkpoints->reader, request) == 0)
            continue;
        fail(checkpoints, "out of memory while checkpoints are read");
        list_push(&checkpoints->answered, node);
    }
}

static void post_answers(struct checkpoints *checkpoints)
{
    struct list *node;
    while ((node = list_shift(&checkpoints->answered)) != NULL)
        mailbox_post(&checkpoints->answers, node);
}

static void take_partitions(struct checkpoints *checkpoints, int partitions)
{
    checkpoint_marker_open(checkpoints->clients.marker);
    checkpoint_reader_set_partitions(checkpoints->reader, partitions);
    if (partitions > checkpoints->partitions && checkpoints->hooks.topic_changed != NULL)
        checkpoints->hooks.topic_changed(partitions, checkpoints->hooks.opaque);
    checkpoints->partitions = partitions;
    if (checkpoint_reader_outstanding(checkpoints->reader) == 0)
        trouble_over(checkpoints, clock_mono_ms());
}

/* At the start a topic that may not grow ends the worker. Later it does not: what has its partition goes on, and somebody may
 * do what the sentence says. */
static void stay_small(struct checkpoints *checkpoints, int partitions, const char *why)
{
    if (checkpoints->partitions == 0) {
        fail(checkpoints, why);
        return;
    }
    int64_t now_ms = clock_mono_ms();
    checkpoints->topic_ms = now_ms + SMALL_RETRY_MS;
    take_partitions(checkpoints, partitions);
    if (now_ms < checkpoints->small_warn_ms)
        return;
    checkpoints->small_warn_ms = now_ms + WARN_INTERVAL_MS;
    log_event(LOG_WARN, "checkpoints_topic_small", "%s; until then input partitions from %d on are not worked on", why,
              partitions);
}

static void make_sure(struct checkpoints *checkpoints, int64_t now_ms)
{
    char why[CHECKPOINT_TOPIC_WHY_BYTES];
    int highest = checkpoint_reader_highest(checkpoints->reader);
    int partitions = 0;
    if (highest >= checkpoints->partitions)
        checkpoints->topic_sure = false;
    if (checkpoints->topic_sure || now_ms < checkpoints->topic_ms)
        return;
    switch (checkpoint_topic_ensure(&checkpoints->topic, highest + 1, &partitions, why)) {
    case CHECKPOINT_TOPIC_READY:
        checkpoints->topic_sure = true;
        checkpoints->small_warn_ms = 0;
        take_partitions(checkpoints, partitions);
        break;
    case CHECKPOINT_TOPIC_LATER:
        checkpoints->topic_ms = clock_mono_ms() + (why[0] == '\0' ? STEP_MS : RETRY_MS);
        if (why[0] != '\0')
            trouble(checkpoints, why, clock_mono_ms());
        break;
    case CHECKPOINT_TOPIC_SMALL:
        stay_small(checkpoints, partitions, why);
        break;
    case CHECKPOINT_TOPIC_REFUSED:
        fail(checkpoints, why);
        break;
    }
}

/* True where it wants to be called again at once. */
static bool read_on(struct checkpoints *checkpoints, int64_t now_ms)
{
    char why[CHECKPOINT_READER_WHY_BYTES];
    char closed[CHECKPOINT_TOPIC_WHY_BYTES];
    size_t before = checkpoint_reader_outstanding(checkpoints->reader);
    bool more = false;
    enum checkpoint_reader_state state = checkpoint_reader_turn(checkpoints->reader, now_ms, why);
    switch (state) {
    case CHECKPOINT_READER_GOES_ON:
        break;
    case CHECKPOINT_READER_HAS_MORE:
        more = true;
        break;
    case CHECKPOINT_READER_NO_TOPIC:
        checkpoint_reader_set_partitions(checkpoints->reader, 0);
        checkpoints->topic_sure = false;
        checkpoints->topic_ms = now_ms + STEP_MS;
        trouble(checkpoints, why, now_ms);
        break;
    case CHECKPOINT_READER_STUCK:
        trouble(checkpoints, why, now_ms);
        break;
    case CHECKPOINT_READER_UNREADABLE:
    case CHECKPOINT_READER_UNWRITABLE:
        checkpoint_topic_closed(&checkpoints->topic, state == CHECKPOINT_READER_UNREADABLE ? "Read" : "Write", why, closed);
        fail(checkpoints, closed);
        break;
    case CHECKPOINT_READER_FATAL:
        fail(checkpoints, why);
        break;
    }
    if (before > 0 && checkpoint_reader_outstanding(checkpoints->reader) == 0)
        trouble_over(checkpoints, now_ms);
    return more;
}

static void rest(struct checkpoints *checkpoints)
{
    int64_t now_ms = clock_mono_ms();
    int64_t until_ms = now_ms + IDLE_MS;
    if (!checkpoints->topic_sure && checkpoints->topic_ms < until_ms)
        until_ms = checkpoints->topic_ms;
    if (checkpoints->partitions > 0) {
        int64_t next_ms = checkpoint_reader_next_ms(checkpoints->reader, now_ms);
        until_ms = next_ms < until_ms ? next_ms : until_ms;
    }
    struct pollfd awake = {.fd = checkpoints->requests.event_fd, .events = POLLIN};
    (void)poll(&awake, 1, until_ms > now_ms ? (int)(until_ms - now_ms) : 0);
}

static void *checkpoints_main(void *opaque)
{
    struct checkpoints *checkpoints = opaque;
    while (!atomic_load(&checkpoints->stop) && !atomic_load(&checkpoints->failed)) {
        bool more = false;
        mailbox_drain_fd(checkpoints->requests.event_fd);
        take_requests(checkpoints);
        rd_kafka_poll(checkpoints->clients.rk, 0);
        make_sure(checkpoints, clock_mono_ms());
        if (checkpoints->partitions > 0)
            more = read_on(checkpoints, clock_mono_ms());
        post_answers(checkpoints);
        if (!more && !atomic_load(&checkpoints->stop))
            rest(checkpoints);
    }
    return NULL;
}

/* ---- the Kafka thread ---- */

/* Lets go of the assignment; whatever becomes of the request is not told any more. */
static void request_close(struct checkpoint_request *request)
{
    list_remove(&request->open_node);
    assignment_release(request->assignment);
    request->assignment = NULL;
}

static void request_free(struct checkpoint_request *request)
{
    request_close(request);
    checkpoint_table_free(request->table);
    free(request);
}

int checkpoints_read(struct checkpoints *checkpoints, struct assignment *assignment)
{
    size_t topic_bytes = strlen(assignment->topic) + 1;
    struct checkpoint_request *request = calloc(1, sizeof *request + topic_bytes);
    if (request == NULL)
        return -1;
    memcpy(request->topic, assignment->topic, topic_bytes);
    request->partition = assignment->partition;
    request->assignment = assignment_hold(assignment);
    atomic_init(&request->unwanted, false);
    list_push(&checkpoints->open, &request->open_node);
    mailbox_post(&checkpoints->requests, &request->node);
    return 0;
}

/* An assignment that ends is not kept waiting for the thread. */
static void close_ended(struct checkpoints *checkpoints)
{
    struct list *next;
    for (struct list *node = checkpoints->open.next; node != &checkpoints->open; node = next) {
        struct checkpoint_request *request = list_entry(node, struct checkpoint_request, open_node);
        next = node->next;
        if (tenure_read(&request->assignment->tenure) == TENURE_HELD)
            continue;
        request_close(request);
        atomic_store(&request->unwanted, true); /* the last touch: the thread may send it back any time */
    }
}

void checkpoints_turn(struct checkpoints *checkpoints)
{
    struct list answered;
    struct list *node;
    close_ended(checkpoints);
    list_init(&answered);
    mailbox_take(&checkpoints->answers, &answered);
    while ((node = list_shift(&answered)) != NULL) {
        struct checkpoint_request *request = list_entry(node, struct checkpoint_request, node);
        struct checkpoint_table *table = request->table;
        /* A hook before may have ended this one. */
        if (table != NULL && request->assignment != NULL && tenure_read(&request->assignment->tenure) == TENURE_HELD) {
            request->table = NULL;
            checkpoints->hooks.ready(request->assignment, table, checkpoints->hooks.opaque);
        }
        request_free(request);
    }
    if (atomic_load(&checkpoints->failed) && !checkpoints->told) {
        checkpoints->told = true;
        checkpoints->hooks.fatal(checkpoints->reason, checkpoints->hooks.opaque);
    }
}

/* ---- begin and end ---- */

static int open_clients(struct checkpoints *checkpoints, char *why, size_t why_bytes)
{
    struct checkpoint_clients *clients = &checkpoints->clients;
    if (checkpoint_clients_open(clients, &checkpoints->config.settings, checkpoints->config.topic,
                                checkpoints->requests.event_fd, on_error, checkpoints, why, why_bytes) != 0)
        return -1;
    struct checkpoint_reader_config config = {
        .stall_ms = CHECKPOINT_READER_STALL_MS,
        .rk = clients->rk,
        .topic = clients->topic,
        .marker = clients->marker,
        .event_fd = checkpoints->requests.event_fd,
        .group_id = checkpoints->config.group_id,
        .check = checkpoints->hooks.check,
        .opaque = checkpoints->hooks.opaque,
        .answered = &checkpoints->answered,
    };
    checkpoints->reader = checkpoint_reader_new(&config);
    if (checkpoints->reader == NULL)
        snprintf(why, why_bytes, "out of memory");
    return checkpoints->reader != NULL ? 0 : -1;
}

static int start_thread(struct checkpoints *checkpoints)
{
    sigset_t all;
    sigset_t before;
    /* Signals are for main. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&checkpoints->thread, NULL, checkpoints_main, checkpoints);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    checkpoints->thread_runs = error == 0;
    return -error;
}

struct checkpoints *checkpoints_new(const struct checkpoints_config *config, const struct checkpoints_hooks *hooks,
                                    char *why, size_t why_bytes)
{
    struct checkpoints *checkpoints = calloc(1, sizeof *checkpoints);
    if (checkpoints == NULL || mailbox_init(&checkpoints->requests, -1) != 0) {
        snprintf(why, why_bytes, "out of memory or of file descriptors");
        free(checkpoints);
        return NULL;
    }
    if (mailbox_init(&checkpoints->answers, config->event_fd) != 0) {
        snprintf(why, why_bytes, "out of memory");
        mailbox_deinit(&checkpoints->requests);
        free(checkpoints);
        return NULL;
    }
    checkpoints->config = *config;
    checkpoints->hooks = *hooks;
    list_init(&checkpoints->answered);
    list_init(&checkpoints->open);
    atomic_init(&checkpoints->stop, false);
    atomic_init(&checkpoints->failed, false);
    checkpoints->trouble_since_ms = CLOCK_NEVER;
    if (open_clients(checkpoints, why, why_bytes) != 0)
        goto out;
    checkpoints->topic = (struct checkpoint_topic){
        .rk = checkpoints->clients.rk,
        .name = config->topic,
        .inputs = config->inputs,
        .n_inputs = config->n_inputs,
        .servers = config->settings.bootstrap_servers,
        .stop = &checkpoints->stop,
    };
    if (start_thread(checkpoints) == 0)
        return checkpoints;
    snprintf(why, why_bytes, "no thread could be started to read checkpoints");
out:
    checkpoints_free(checkpoints);
    return NULL;
}

void checkpoints_free(struct checkpoints *checkpoints)
{
    static const uint64_t one = 1;
    struct list left;
    struct list *node;
    if (checkpoints == NULL)
        return;
    int64_t until_ms = clock_mono_ms() + END_MS;
    atomic_store(&checkpoints->stop, true);
    if (checkpoints->thread_runs) {
        ssize_t n = write(checkpoints->requests.event_fd, &one, sizeof one);
        (void)n; /* a full counter is awake enough */
        pthread_join(checkpoints->thread, NULL);
    }
    checkpoint_reader_free(checkpoints->reader);
    list_init(&left);
    list_splice(&left, &checkpoints->answered);
    mailbox_take(&checkpoints->requests, &left);
    mailbox_take(&checkpoints->answers, &left);
    while ((node = list_shift(&left)) != NULL)
        request_free(list_entry(node, struct checkpoint_request, node));
    checkpoint_clients_end(&checkpoints->clients, until_ms);
    mailbox_deinit(&checkpoints->requests);
    mailbox_deinit(&checkpoints->answers);
    free(checkpoints);
}
