#include "kafka/checkpoint_reader.h"

#include "base/clock.h"
#include "kafka/checkpoint_key.h"
#include "kafka/checkpoint_marker.h"
#include "ops/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RETRY_LEAST_MS = 50,
    RETRY_MOST_MS = 1000,
    SLOW_MARK_MS = 1000, /* a marker that is not acknowledged by then is worth telling */
    STALL_MOST_MS = 120000,
    LATE_MARK_MS = 20000, /* its report should have come before that: another marker */
    LOOK_MS = 250,    /* how often it looks for stalls, and for what is not wanted any more */
    BATCH = 512,
    BATCHES_A_TURN = 16,
    REASON_BYTES = 200,
};

/* A partition that is read, for all who want it.
 *
 *   WAITS ──(a marker was sent)──> MARKS ──(acknowledged)──> FETCHES ──(the marker is passed)──> answered
 *     ^───────────(trouble)──────────┴──────────────────────────┘
 *
 * Who asks once a marker was sent waits in another reading, since what that marker covers may be older than the question. */
enum phase { WAITS, MARKS, FETCHES };
struct reading {
    struct list node;
    int32_t partition;
    enum phase phase;
    struct list requests;
    uint64_t ticket;  /* MARKS: of the marker */
    int64_t marker;   /* FETCHES: where the marker lies, or lay */
    int64_t position; /* FETCHES: behind the last message */
    int64_t begun_ms;
    int64_t moved_ms; /* MARKS: when the marker was sent; FETCHES: when the last message came */
    int64_t retry_ms; /* WAITS: not before */
    int64_t delay_ms;
    int64_t stall_ms; /* nothing came for so long: from the beginning again; doubled each time */
    size_t n_records;
};

struct checkpoint_reader {
    struct checkpoint_reader_config config;
    rd_kafka_queue_t *queue;
    struct list readings;
    size_t outstanding;
    size_t group_bytes;
    int partitions; /* that can be written to and read */
    uint64_t tickets;
    enum checkpoint_reader_state state; /* of this turn */
    char *why;                          /* of this turn */
};

static struct reading *find(const struct checkpoint_reader *reader, int32_t partition, enum phase phase)
{
    for (struct list *node = reader->readings.next; node != &reader->readings; node = node->next) {
        struct reading *reading = list_entry(node, struct reading, node);
        if (reading->partition == partition && reading->phase == phase)
            return reading;
    }
    return NULL;
}

/* The worst of a turn is told. */
static void note(struct checkpoint_reader *reader, enum checkpoint_reader_state state, const char *text)
{
    if (state <= reader->state)
        return;
    reader->state = state;
    snprintf(reader->why, CHECKPOINT_READER_WHY_BYTES, "%s", text);
}

static bool is_missing(rd_kafka_resp_err_t err)
{
    return err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

static void note_error(struct checkpoint_reader *reader, int32_t partition, rd_kafka_resp_err_t err, const char *text)
{
    char reason[REASON_BYTES];
    snprintf(reason, sizeof reason, "partition %" PRId32 ": %s", partition, text != NULL ? text : rd_kafka_err2str(err));
    if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        note(reader, CHECKPOINT_READER_UNREADABLE, rd_kafka_err2str(err));
    else
        note(reader, is_missing(err) ? CHECKPOINT_READER_NO_TOPIC : CHECKPOINT_READER_STUCK, reason);
}

/* ---- requests and readings ---- */

static void answer(struct checkpoint_reader *reader, struct checkpoint_request *request)
{
    reader->outstanding--;
    list_push(reader->config.answered, &request->node);
}

static void answer_unwanted(struct checkpoint_reader *reader, struct checkpoint_request *request)
{
    checkpoint_table_free(request->table);
    request->table = NULL;
    answer(reader, request);
}

int checkpoint_reader_add(struct checkpoint_reader *reader, struct checkpoint_request *request)
{
    request->table = checkpoint_table_new();
    struct reading *reading = find(reader, request->partition, WAITS);
    if (request->table == NULL)
        return -1;
    if (reading == NULL) {
        reading = calloc(1, sizeof *reading);
        if (reading == NULL) /* the table is freed with the request */
            return -1;
        reading->partition = request->partition;
        reading->begun_ms = clock_mono_ms();
        reading->stall_ms = reader->config.stall_ms;
        list_init(&reading->requests);
        list_push(&reader->readings, &reading->node);
    }
    list_push(&reading->requests, &request->node);
    reader->outstanding++;
    return 0;
}

static void stop_fetching(struct checkpoint_reader *reader, struct reading *reading)
{
    /* It throws away what is queued of the partition. */
    if (reading->phase == FETCHES)
        (void)rd_kafka_consume_stop(reader->config.topic, reading->partition);
}

static void forget_records(struct reading *reading)
{
    for (struct list *node = reading->requests.next; node != &reading->requests; node = node->next)
        checkpoint_table_clear(list_entry(node, struct checkpoint_request, node)->table);
    reading->n_records = 0;
}

/* From the beginning again, later, to a new marker. Who waits for the next reading of the partition anyway joins. */
static void reading_wait(struct checkpoint_reader *reader, struct reading *reading, int64_t now_ms)
{
    struct reading *other = find(reader, reading->partition, WAITS);
    stop_fetching(reader, reading);
    forget_records(reading);
    reading->phase = WAITS;
    reading->delay_ms = reading->delay_ms == 0 ? RETRY_LEAST_MS : reading->delay_ms * 2;
    reading->delay_ms = reading->delay_ms > RETRY_MOST_MS ? RETRY_MOST_MS : reading->delay_ms;
    reading->retry_ms = now_ms + reading->delay_ms;
    if (other != NULL && other != reading) {
        list_splice(&reading->requests, &other->requests);
        list_remove(&other->node);
        free(other);
    }
}

static void drop_unwanted(struct checkpoint_reader *reader)
{
    struct list *next;
    for (struct list *node = reader->readings.next; node != &reader->readings; node = next) {
        struct reading *reading = list_entry(node, struct reading, node);
        struct list *after;
        next = node->next;
        for (struct list *at = reading->requests.next; at != &reading->requests; at = after) {
            struct checkpoint_request *request = list_entry(at, struct checkpoint_request, node);
            after = at->next;
            if (!atomic_load(&request->unwanted))
                continue;
            list_remove(at);
            answer_unwanted(reader, request);
        }
        if (list_is_empty(&reading->requests)) {
            stop_fetching(reader, reading);
            list_remove(&reading->node);
            free(reading);
        }
    }
}

/* ---- the end of a reading ---- */

static void finish(struct checkpoint_reader *reader, struct reading *reading)
{
    char why[CHECKPOINT_READER_WHY_BYTES];
    struct list *node;
    stop_fetching(reader, reading);
    while ((node = list_shift(&reading->requests)) != NULL) {
        struct checkpoint_request *request = list_entry(node, struct checkpoint_request, node);
        if (!checkpoint_request_seal(request, reader->config.check, reader->config.opaque,
                                     rd_kafka_topic_name(reader->config.topic), reader->config.group_id, why)) {
            note(reader, CHECKPOINT_READER_FATAL, why);
            answer_unwanted(reader, request);
            continue;
        }
        size_t n = checkpoint_table_count(request->table);
        log_event(n > 0 ? LOG_INFO : LOG_DEBUG, "checkpoints_read",
                  "%s [%" PRId32 "]: %zu checkpoint%s, among %zu records that were read within %lld ms",
                  request->topic, reading->partition, n, n == 1 ? "" : "s", reading->n_records,
                  (long long)(clock_mono_ms() - reading->begun_ms));
        answer(reader, request);
    }
    list_remove(&reading->node);
    free(reading);
}

/* ---- messages ---- */

static int keep_record(struct checkpoint_reader *reader, struct reading *reading, const rd_kafka_message_t *message)
{
    struct checkpoint_key key;
    reading->n_records++;
    if (message->key == NULL || !checkpoint_key_parse(message->key, message->key_len, &key) ||
        key.partition != reading->partition || key.group_bytes != reader->group_bytes ||
        memcmp(key.group, reader->config.group_id, key.group_bytes) != 0)
        return 0;
    for (struct list *node = reading->requests.next; node != &reading->requests; node = node->next) {
        struct checkpoint_request *request = list_entry(node, struct checkpoint_request, node);
        if (checkpoint_request_keep(request, &key, message->payload, message->len) != 0)
            return -1;
    }
    return 0;
}

static void serve_message(struct checkpoint_reader *reader, struct reading *reading, const rd_kafka_message_t *message,
                          int64_t now_ms)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        note_error(reader, reading->partition, message->err, rd_kafka_message_errstr(message));
        if (is_missing(message->err))
            reading_wait(reader, reading, now_ms);
        return; /* what else there is librdkafka gets over by itself, or stall_ms do */
    }
    /* The end of a log lies at or behind the last message, too. Before it: what was read is not the log's any more. */
    if (message->offset < reading->position) {
        note_error(reader, reading->partition, message->err, "the log became shorter while it was read");
        reading_wait(reader, reading, now_ms);
        return;
    }
    reading->position = message->offset;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (keep_record(reader, reading, message) != 0) {
            note(reader, CHECKPOINT_READER_FATAL, "out of memory while checkpoints are read");
            return;
        }
        reading->position++;
    }
    reading->moved_ms = now_ms;
    if (reading->position > reading->marker)
        finish(reader, reading);
}

static bool serve_messages(struct checkpoint_reader *reader, int64_t now_ms)
{
    rd_kafka_message_t *messages[BATCH];
    for (int i = 0; i < BATCHES_A_TURN; i++) {
        ssize_t n = rd_kafka_consume_batch_queue(reader->queue, 0, messages, BATCH);
        for (ssize_t at = 0; at < n; at++) {
            /* Looked for anew each time: the one before may have ended it. */
            struct reading *reading = find(reader, messages[at]->partition, FETCHES);
            if (reading != NULL && reader->state < CHECKPOINT_READER_UNREADABLE)
                serve_message(reader, reading, messages[at], now_ms);
            rd_kafka_message_destroy(messages[at]);
        }
        if (n <= 0)
            return false;
        if (reader->state >= CHECKPOINT_READER_UNREADABLE)
            return true;
    }
    return true;
}

/* ---- the begin of a reading ---- */

static bool is_busy(const struct checkpoint_reader *reader, int32_t partition)
{
    return find(reader, partition, MARKS) != NULL || find(reader, partition, FETCHES) != NULL;
}

static void send_markers(struct checkpoint_reader *reader, int64_t now_ms)
{
    for (struct list *node = reader->readings.next; node != &reader->readings; node = node->next) {
        struct reading *reading = list_entry(node, struct reading, node);
        if (reading->phase != WAITS || reading->retry_ms > now_ms || reading->partition >= reader->partitions ||
            is_busy(reader, reading->partition))
            continue;
        reading->ticket = ++reader->tickets;
        rd_kafka_resp_err_t err = checkpoint_marker_send(reader->config.marker, reading->partition, reading->ticket);
        if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            note_error(reader, reading->partition, err, NULL);
            reading_wait(reader, reading, now_ms);
            continue;
        }
        reading->phase = MARKS;
        reading->moved_ms = now_ms;
    }
}

static void note_unmarked(struct checkpoint_reader *reader, const struct reading *reading, rd_kafka_resp_err_t err)
{
    char text[REASON_BYTES];
    snprintf(text, sizeof text, "partition %" PRId32 ": a marker was not acknowledged: %s", reading->partition,
             rd_kafka_err2str(err));
    if (err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        note(reader, CHECKPOINT_READER_UNWRITABLE, rd_kafka_err2str(err));
    else /* even one that is only late may be so since the topic was deleted */
        note(reader, CHECKPOINT_READER_NO_TOPIC, text);
}

/* Fetching begins only now, but need not: what lies before the marker stays as it is. */
static void on_marked(int32_t partition, uint64_t ticket, rd_kafka_resp_err_t err, int64_t offset, void *opaque)
{
    struct checkpoint_reader *reader = opaque;
    struct reading *reading = find(reader, partition, MARKS);
    int64_t now_ms = clock_mono_ms();
    if (reading == NULL || reading->ticket != ticket)
        return; /* nobody wants it any more */
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        note_unmarked(reader, reading, err);
        reading_wait(reader, reading, now_ms);
        return;
    }
    reading->marker = offset;
    reading->position = 0;
    reading->moved_ms = now_ms;
    if (rd_kafka_consume_start_queue(reader->config.topic, partition, RD_KAFKA_OFFSET_BEGINNING, reader->queue) != 0) {
        note_error(reader, partition, rd_kafka_last_error(), NULL);
        reading_wait(reader, reading, now_ms);
        return;
    }
    reading->phase = FETCHES;
}

/* ---- turns ---- */

/* True where it waits again. */
static bool look_at_reading(struct checkpoint_reader *reader, struct reading *reading, int64_t now_ms)
{
    char text[REASON_BYTES];
    int64_t still_ms = now_ms - reading->moved_ms;
    if (reading->phase == WAITS || still_ms < (reading->phase == MARKS ? SLOW_MARK_MS : reader->config.stall_ms))
        return false;
    if (reading->phase == MARKS)
        snprintf(text, sizeof text, "partition %" PRId32 ": a marker is not acknowledged yet", reading->partition);
    else
        snprintf(text, sizeof text, "partition %" PRId32 " stands still at offset %" PRId64 ", before %" PRId64,
                 reading->partition, reading->position, reading->marker);
    note(reader, CHECKPOINT_READER_STUCK, text);
    if (still_ms < (reading->phase == MARKS ? LATE_MARK_MS : reading->stall_ms))
        return false;
    if (reading->phase == FETCHES)
        reading->stall_ms = 2 * reading->stall_ms < STALL_MOST_MS ? 2 * reading->stall_ms : STALL_MOST_MS;
    reading_wait(reader, reading, now_ms);
    return true;
}

static void look_for_stalls(struct checkpoint_reader *reader, int64_t now_ms)
{
    struct list *next;
    for (struct list *node = reader->readings.next; node != &reader->readings; node = next) {
        next = node->next;
        if (look_at_reading(reader, list_entry(node, struct reading, node), now_ms))
            next = reader->readings.next; /* the next one may have been joined to it */
    }
}

enum checkpoint_reader_state checkpoint_reader_turn(struct checkpoint_reader *reader, int64_t now_ms,
                                                    char why[CHECKPOINT_READER_WHY_BYTES])
{
    reader->state = CHECKPOINT_READER_GOES_ON;
    reader->why = strcpy(why, "");
    drop_unwanted(reader);
    send_markers(reader, now_ms);
    checkpoint_marker_turn(reader->config.marker, on_marked, reader);
    if (serve_messages(reader, now_ms))
        note(reader, CHECKPOINT_READER_HAS_MORE, "");
    else
        look_for_stalls(reader, now_ms);
    return reader->state;
}

int64_t checkpoint_reader_next_ms(const struct checkpoint_reader *reader, int64_t now_ms)
{
    int64_t next_ms = reader->outstanding > 0 ? now_ms + LOOK_MS : CLOCK_NEVER;
    for (struct list *node = reader->readings.next; node != &reader->readings; node = node->next) {
        const struct reading *reading = list_entry(node, struct reading, node);
        if (reading->phase == WAITS && reading->partition < reader->partitions && reading->retry_ms < next_ms &&
            !is_busy(reader, reading->partition))
            next_ms = reading->retry_ms;
    }
    return next_ms;
}

int32_t checkpoint_reader_highest(const struct checkpoint_reader *reader)
{
    int32_t highest = -1;
    for (struct list *node = reader->readings.next; node != &reader->readings; node = node->next) {
        const struct reading *reading = list_entry(node, struct reading, node);
        if (reading->phase == WAITS && reading->partition > highest)
            highest = reading->partition;
    }
    return highest;
}

void checkpoint_reader_set_partitions(struct checkpoint_reader *reader, int partitions)
{
    reader->partitions = partitions;
}

size_t checkpoint_reader_outstanding(const struct checkpoint_reader *reader)
{
    return reader->outstanding;
}

struct checkpoint_reader *checkpoint_reader_new(const struct checkpoint_reader_config *config)
{
    static const uint64_t one = 1; /* librdkafka keeps the pointer */
    struct checkpoint_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->config = *config;
    reader->group_bytes = strlen(config->group_id);
    list_init(&reader->readings);
    reader->queue = rd_kafka_queue_new(config->rk);
    rd_kafka_queue_io_event_enable(reader->queue, config->event_fd, &one, sizeof one);
    return reader;
}

void checkpoint_reader_free(struct checkpoint_reader *reader)
{
    struct list *node;
    if (reader == NULL)
        return;
    while ((node = list_shift(&reader->readings)) != NULL) {
        struct reading *reading = list_entry(node, struct reading, node);
        stop_fetching(reader, reading);
        while ((node = list_shift(&reading->requests)) != NULL)
            answer_unwanted(reader, list_entry(node, struct checkpoint_request, node));
        free(reading);
    }
    rd_kafka_queue_io_event_enable(reader->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(reader->queue);
    free(reader);
}
