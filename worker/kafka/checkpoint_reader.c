#include "kafka/checkpoint_reader.h"

#include "base/clock.h"
#include "kafka/checkpoint_key.h"
#include "ops/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ASK_MS = 400,
    RETRY_LEAST_MS = 50,
    RETRY_MOST_MS = 1000,
    STALL_MS = 10000, /* nothing came for so long: from the beginning again, to a new end */
    LOOK_MS = 250,    /* how often it looks for stalls, and for what is not wanted any more */
    BATCH = 512,
    BATCHES_A_TURN = 16,
    REASON_BYTES = 200,
};

/* A partition that is read, for all who want it.
 *
 *   WAITS ──(its end is known)──> FETCHES ──(end reached)──> answered
 *     ^────────(trouble)────────────┘
 *
 * Who asks while it FETCHES waits in another one, since what was read may be older than the question. */
enum phase { WAITS, FETCHES };
struct reading {
    struct list node;
    int32_t partition;
    enum phase phase;
    struct list requests;
    int64_t end;      /* FETCHES: the high watermark at its begin */
    int64_t position; /* FETCHES: behind the last message */
    int64_t begun_ms;
    int64_t moved_ms; /* FETCHES: when the last message came */
    int64_t retry_ms; /* WAITS: not before */
    int64_t delay_ms;
    size_t n_records;
};

struct checkpoint_reader {
    struct checkpoint_reader_config config;
    rd_kafka_queue_t *queue;
    struct list readings;
    size_t outstanding;
    size_t group_bytes;
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
        note(reader, CHECKPOINT_READER_CLOSED, rd_kafka_err2str(err));
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

/* From the beginning again, later. Who waits for the next reading of the partition anyway joins. */
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

/* False: nothing may go on. */
static bool seal(struct checkpoint_reader *reader, const struct reading *reading, struct checkpoint_request *request)
{
    char text[CHECKPOINT_READER_WHY_BYTES];
    int64_t offset = 0;
    uint64_t writer = 0;
    switch (checkpoint_table_seal(request->table, reader->config.check, reader->config.opaque, &offset, &writer)) {
    case CHECKPOINT_SEALED:
        return true;
    case CHECKPOINT_SEAL_NO_MEMORY:
        note(reader, CHECKPOINT_READER_FATAL, "out of memory while checkpoints are read");
        return false;
    case CHECKPOINT_SEAL_TOO_NEW:
        break;
    }
    snprintf(text, sizeof text,
             "the checkpoints topic '%s' holds a checkpoint of a later version (key '%.200s/%s/%" PRId32 "/%" PRId64
             "/%016" PRIx64 "') that this version can't read, and its run could be started again: go back to the later "
             "version, or let it end its runs before an earlier one is started",
             rd_kafka_topic_name(reader->config.topic), reader->config.group_id, request->topic,
             reading->partition, offset, writer);
    note(reader, CHECKPOINT_READER_FATAL, text);
    return false;
}

static void finish(struct checkpoint_reader *reader, struct reading *reading)
{
    struct list *node;
    stop_fetching(reader, reading);
    while ((node = list_shift(&reading->requests)) != NULL) {
        struct checkpoint_request *request = list_entry(node, struct checkpoint_request, node);
        if (!seal(reader, reading, request)) {
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
        if (strncmp(request->topic, key.topic, key.topic_bytes) != 0 || request->topic[key.topic_bytes] != '\0')
            continue;
        if (message->payload == NULL)
            checkpoint_table_erase(request->table, key.offset, key.writer);
        else if (checkpoint_table_put(request->table, key.offset, key.writer, message->payload, message->len) != 0)
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
        return; /* what else there is librdkafka gets over by itself, or STALL_MS do */
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        /* Backwards: what was read before is not the log's any more. */
        if (message->offset < reading->position)
            forget_records(reading);
        if (keep_record(reader, reading, message) != 0) {
            note(reader, CHECKPOINT_READER_FATAL, "out of memory while checkpoints are read");
            return;
        }
        reading->position = message->offset + 1;
    } else if (message->offset > reading->position) {
        reading->position = message->offset; /* what was there before it is no message, or was cleaned away */
    }
    reading->moved_ms = now_ms;
    if (reading->position >= reading->end)
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
            if (reading != NULL && reader->state < CHECKPOINT_READER_CLOSED)
                serve_message(reader, reading, messages[at], now_ms);
            rd_kafka_message_destroy(messages[at]);
        }
        if (n <= 0)
            return false;
        if (reader->state >= CHECKPOINT_READER_CLOSED)
            return true;
    }
    return true;
}

/* ---- the begin of a reading ---- */

static void begin(struct checkpoint_reader *reader, struct reading *reading, int64_t end, int64_t now_ms)
{
    reading->end = end;
    reading->position = 0;
    reading->moved_ms = now_ms;
    if (end == 0) {
        finish(reader, reading);
        return;
    }
    if (rd_kafka_consume_start_queue(reader->config.topic, reading->partition, RD_KAFKA_OFFSET_BEGINNING, reader->queue) !=
        0) {
        note_error(reader, reading->partition, rd_kafka_last_error(), NULL);
        reading_wait(reader, reading, now_ms);
        return;
    }
    reading->phase = FETCHES;
}

/* Asks the leaders for the ends of the partitions of the list, and begins those; false where one that can't be had leaves
 * all unknown. rd_kafka_query_watermark_offsets would not do: it waits for a silent broker beyond its time-out. A leader
 * that does not know its own end yet, as after an election, answers with an error. */
static bool ask_ends(struct checkpoint_reader *reader, rd_kafka_topic_partition_list_t *list, int64_t now_ms)
{
    rd_kafka_resp_err_t err = rd_kafka_offsets_for_times(reader->config.rk, list, ASK_MS);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR && list->cnt > 1)
        return false;
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *part = &list->elems[i];
        struct reading *reading = find(reader, part->partition, WAITS);
        if (err == RD_KAFKA_RESP_ERR_NO_ERROR && part->err == RD_KAFKA_RESP_ERR_NO_ERROR && part->offset >= 0) {
            begin(reader, reading, part->offset, now_ms);
            continue;
        }
        note_error(reader, part->partition, err != RD_KAFKA_RESP_ERR_NO_ERROR ? err : part->err, NULL);
        reading_wait(reader, reading, now_ms);
    }
    return true;
}

static void add_to(const struct checkpoint_reader *reader, rd_kafka_topic_partition_list_t *list, int32_t partition)
{
    rd_kafka_topic_partition_list_add(list, rd_kafka_topic_name(reader->config.topic), partition)->offset =
        RD_KAFKA_OFFSET_END;
}

/* All at once; or, where that fails, one by one for as long as that takes no longer than one that fails. */
static void begin_readings(struct checkpoint_reader *reader, int64_t now_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    for (struct list *node = reader->readings.next; node != &reader->readings; node = node->next) {
        struct reading *reading = list_entry(node, struct reading, node);
        if (reading->phase == WAITS && reading->retry_ms <= now_ms && find(reader, reading->partition, FETCHES) == NULL)
            add_to(reader, list, reading->partition);
    }
    bool asked = list->cnt == 0 || ask_ends(reader, list, now_ms);
    for (int i = 0; !asked && i < list->cnt && clock_mono_ms() < now_ms + ASK_MS * 2; i++) {
        rd_kafka_topic_partition_list_t *one = rd_kafka_topic_partition_list_new(1);
        add_to(reader, one, list->elems[i].partition);
        (void)ask_ends(reader, one, now_ms);
        rd_kafka_topic_partition_list_destroy(one);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- turns ---- */

static void look_for_stalls(struct checkpoint_reader *reader, int64_t now_ms)
{
    struct list *next;
    for (struct list *node = reader->readings.next; node != &reader->readings; node = next) {
        struct reading *reading = list_entry(node, struct reading, node);
        char text[REASON_BYTES];
        next = node->next;
        if (reading->phase != FETCHES || now_ms - reading->moved_ms < STALL_MS)
            continue;
        snprintf(text, sizeof text, "partition %" PRId32 " stands still at offset %" PRId64 " of %" PRId64,
                 reading->partition, reading->position, reading->end);
        note(reader, CHECKPOINT_READER_STUCK, text);
        reading_wait(reader, reading, now_ms);
        next = reader->readings.next; /* the next one may have been joined to it */
    }
}

enum checkpoint_reader_state checkpoint_reader_turn(struct checkpoint_reader *reader, int64_t now_ms,
                                                    char why[CHECKPOINT_READER_WHY_BYTES])
{
    reader->state = CHECKPOINT_READER_GOES_ON;
    reader->why = strcpy(why, "");
    drop_unwanted(reader);
    begin_readings(reader, now_ms);
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
        if (reading->phase == WAITS && reading->retry_ms < next_ms)
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
