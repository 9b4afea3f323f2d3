#include "cli/letters.h"

#include "base/clock.h"
#include "kafka/log_range.h"
#include "kafka/topic.h"
#include "kafka/tracker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct pile {
    struct tracker *tracker;
    int64_t begin;
    int64_t end;       /* the log's when this began */
    int64_t committed; /* -1: nothing was */
    bool read;         /* to its end */
};

struct letters {
    rd_kafka_t *client;
    const char *topic;
    struct pile *piles;
    size_t n_piles;
    int64_t patience_ms;
    int64_t progress_ms;
    rd_kafka_message_t *kept; /* for which there was no room */
};

static int remaining_ms(int64_t until_ms)
{
    int64_t left_ms = until_ms - clock_mono_ms();
    return left_ms > 0 ? (int)left_ms : 0;
}

static int open_pile(struct letters *letters, const rd_kafka_topic_partition_t *at, bool anew, int64_t until_ms, char *why)
{
    struct pile *pile = &letters->piles[at->partition];
    struct log_range log = {0, 0};
    rd_kafka_resp_err_t error = at->err;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        error = log_range_read(letters->client, letters->topic, at->partition, remaining_ms(until_ms), &log);
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        snprintf(why, LETTERS_WHY_BYTES, "topic '%s' [%" PRId32 "] cannot be read: %s", letters->topic, at->partition,
                 rd_kafka_err2str(error));
        return -1;
    }
    pile->committed = at->offset >= 0 ? at->offset : -1;
    bool goes_on = !anew && pile->committed >= 0;
    pile->begin = goes_on && pile->committed > log.low ? pile->committed : log.low;
    pile->end = log.high;
    pile->read = pile->begin >= pile->end;
    size_t map_bytes = at->metadata != NULL ? strnlen(at->metadata, at->metadata_size) : 0;
    pile->tracker = tracker_new(goes_on ? pile->committed : -1, goes_on ? at->metadata : NULL, goes_on ? map_bytes : 0);
    if (pile->tracker == NULL) {
        snprintf(why, LETTERS_WHY_BYTES, "out of memory");
        return -1;
    }
    return 0;
}

static int open_piles(struct letters *letters, bool anew, int64_t until_ms, char *why)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)letters->n_piles);
    int status = 0;
    for (size_t i = 0; i < letters->n_piles; i++) {
        rd_kafka_topic_partition_list_add(list, letters->topic, (int32_t)i);
    }
    rd_kafka_resp_err_t error = rd_kafka_committed(letters->client, list, remaining_ms(until_ms));
    for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR && status == 0; i++) {
        status = open_pile(letters, &list->elems[i], anew, until_ms, why);
        list->elems[i].offset = letters->piles[i].begin;
    }
    if (status == 0 && error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        error = rd_kafka_assign(letters->client, list);
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        snprintf(why, LETTERS_WHY_BYTES, "what of topic '%s' was put back before cannot be read: %s", letters->topic,
                 rd_kafka_err2str(error));
        status = -1;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}

struct letters *letters_new(const struct kafka_settings *settings, const char *topic, bool anew, int64_t patience_ms,
                            char why[LETTERS_WHY_BYTES])
{
    int64_t until_ms = clock_mono_ms() + patience_ms;
    struct letters *letters = calloc(1, sizeof *letters);
    if (letters == NULL) {
        snprintf(why, LETTERS_WHY_BYTES, "out of memory");
        return NULL;
    }
    letters->topic = topic;
    letters->patience_ms = patience_ms;
    rd_kafka_conf_t *conf = client_conf_make(settings, CLIENT_READER, why);
    if (conf == NULL) {
        goto fail;
    }
    letters->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, LETTERS_WHY_BYTES);
    if (letters->client == NULL) {
        rd_kafka_conf_destroy(conf);
        goto fail;
    }
    rd_kafka_poll_set_consumer(letters->client);
    int n = topic_count_partitions(letters->client, topic, (int)patience_ms, why, LETTERS_WHY_BYTES);
    if (n < 0) {
        goto fail;
    }
    letters->piles = calloc((size_t)n + 1, sizeof *letters->piles);
    if (letters->piles == NULL) {
        snprintf(why, LETTERS_WHY_BYTES, "out of memory");
        goto fail;
    }
    letters->n_piles = (size_t)n;
    if (open_piles(letters, anew, until_ms, why) != 0) {
        goto fail;
    }
    letters->progress_ms = clock_mono_ms();
    return letters;
fail:
    letters_free(letters);
    return NULL;
}

void letters_free(struct letters *letters)
{
    if (letters == NULL) {
        return;
    }
    if (letters->kept != NULL) {
        rd_kafka_message_destroy(letters->kept);
    }
    for (size_t i = 0; i < letters->n_piles; i++) {
        tracker_free(letters->piles[i].tracker);
    }
    free(letters->piles);
    if (letters->client != NULL) {
        rd_kafka_destroy_flags(letters->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }
    free(letters);
}

static bool all_read(const struct letters *letters)
{
    for (size_t i = 0; i < letters->n_piles; i++) {
        if (!letters->piles[i].read) {
            return false;
        }
    }
    return true;
}

/* All below `offset` was offered. */
static void reach(struct pile *pile, int64_t offset)
{
    int64_t until = offset < pile->end ? offset : pile->end;
    if (tracker_frontier(pile->tracker) >= 0) {
        tracker_reach(pile->tracker, until);
    }
    pile->read = pile->read || offset >= pile->end;
}

/* Takes the message. */
static enum letters_next offer(struct letters *letters, rd_kafka_message_t *message, rd_kafka_message_t **out, char *why)
{
    struct pile *pile = &letters->piles[message->partition];
    if (message->offset >= pile->end) {
        reach(pile, message->offset);
        rd_kafka_message_destroy(message);
        return LETTERS_WAIT;
    }
    switch (tracker_admit(pile->tracker, message->offset)) {
    case TRACKER_NEW:
        pile->read = pile->read || message->offset + 1 >= pile->end;
        *out = message;
        return LETTERS_ONE;
    case TRACKER_FULL:
        letters->kept = message;
        return LETTERS_FULL;
    case TRACKER_MEMORY:
        rd_kafka_message_destroy(message);
        snprintf(why, LETTERS_WHY_BYTES, "out of memory");
        return LETTERS_FAILED;
    case TRACKER_DONE:
    case TRACKER_DUPLICATE:
        break;
    }
    reach(pile, message->offset + 1);
    rd_kafka_message_destroy(message);
    return LETTERS_WAIT;
}

static enum letters_next take_event(struct letters *letters, rd_kafka_message_t *message, rd_kafka_message_t **out, char *why)
{
    enum letters_next next = LETTERS_WAIT;
    switch ((int)message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return offer(letters, message, out, why);
    case RD_KAFKA_RESP_ERR__PARTITION_EOF: /* before the end: what follows is in a transaction that is still open */
        reach(&letters->piles[message->partition], message->offset);
        letters->piles[message->partition].read = true;
        break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        snprintf(why, LETTERS_WHY_BYTES, "topic '%s' cannot be read: %s", letters->topic, rd_kafka_message_errstr(message));
        next = LETTERS_FAILED;
        break;
    default: /* a broker that is away for a moment: librdkafka goes on by itself */
        break;
    }
    rd_kafka_message_destroy(message);
    return next;
}

enum letters_next letters_next(struct letters *letters, int timeout_ms, rd_kafka_message_t **message,
                               char why[LETTERS_WHY_BYTES])
{
    rd_kafka_message_t *kept = letters->kept;
    letters->kept = NULL;
    if (kept != NULL) {
        return offer(letters, kept, message, why);
    }
    if (all_read(letters)) {
        return LETTERS_END;
    }
    rd_kafka_message_t *event = rd_kafka_consumer_poll(letters->client, timeout_ms);
    if (event != NULL) {
        letters->progress_ms = clock_mono_ms();
        return take_event(letters, event, message, why);
    }
    if (clock_mono_ms() - letters->progress_ms > letters->patience_ms) {
        snprintf(why, LETTERS_WHY_BYTES, "topic '%s': no broker has answered for %d s", letters->topic,
                 (int)(letters->patience_ms / 1000));
        return LETTERS_FAILED;
    }
    return LETTERS_WAIT;
}

void letters_done(struct letters *letters, int32_t partition, int64_t offset)
{
    (void)tracker_done(letters->piles[partition].tracker, offset);
}

/* 0, or -1 for want of memory. */
static int put_offset(struct letters *letters, rd_kafka_topic_partition_list_t *list, size_t i)
{
    struct pile *pile = &letters->piles[i];
    int64_t frontier = tracker_frontier(pile->tracker);
    char map[OFFSET_MAP_TEXT_MAX + 1];
    if (frontier < 0 || frontier < pile->committed || !tracker_is_dirty(pile->tracker)) {
        return 0; /* a committed offset never moves back */
    }
    int bytes = tracker_map(pile->tracker, map, NULL);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, letters->topic, (int32_t)i);
    at->offset = frontier;
    if (bytes > 0) {
        at->metadata = strdup(map);
        at->metadata_size = at->metadata != NULL ? (size_t)bytes : 0;
    }
    tracker_commit_taken(pile->tracker);
    return bytes > 0 && at->metadata == NULL ? -1 : 0;
}

int letters_commit(struct letters *letters, char why[LETTERS_WHY_BYTES])
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)letters->n_piles);
    int status = 0;
    for (size_t i = 0; i < letters->n_piles && status == 0; i++) {
        status = put_offset(letters, list, i);
    }
    rd_kafka_resp_err_t error = status != 0     ? RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE
                                : list->cnt > 0 ? rd_kafka_commit(letters->client, list, 0)
                                                : RD_KAFKA_RESP_ERR_NO_ERROR;
    for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        error = list->elems[i].err;
    }
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = 0; i < list->cnt; i++) {
            tracker_commit_failed(letters->piles[list->elems[i].partition].tracker);
        }
        snprintf(why, LETTERS_WHY_BYTES, "what was put back could not be noted, so that it will be put back again: %s",
                 rd_kafka_err2str(error));
        status = -1;
    }
    rd_kafka_topic_partition_list_destroy(list);
    return status;
}
