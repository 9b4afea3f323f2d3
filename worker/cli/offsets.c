#include "cli/command.h"
#include "cli/settings.h"
#include "kafka/client_conf.h"
#include "kafka/offset_map.h"
#include "kafka/topic.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#define BROKER_TIMEOUT_MS 10000

/* One partition of the group's, as the broker has it. */
struct position {
    const char *topic;
    int32_t partition;
    int64_t committed; /* -1: none */
    int64_t low, end;
    int64_t done_beyond;
    bool map_unreadable;
};

static int64_t position_lag(const struct position *position)
{
    /* Retention may have passed the commit, and a topic that was made anew may end before it. */
    int64_t next = position->committed > position->low ? position->committed : position->low;
    return position->end > next ? position->end - next : 0;
}

/* What is done beyond a commit that the log has left behind is not in it. */
static int64_t position_open(const struct position *position)
{
    int64_t lag = position_lag(position);
    return lag > position->done_beyond ? lag - position->done_beyond : 0;
}

static void count_done(int64_t i, int64_t n, void *opaque)
{
    struct position *position = opaque;
    (void)i;
    position->done_beyond += n;
}

static int read_position(rd_kafka_t *client, const rd_kafka_topic_partition_t *committed, struct position *position,
                         char *why)
{
    *position = (struct position){.topic = committed->topic, .partition = committed->partition, .committed = -1};
    if (committed->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        snprintf(why, SETTINGS_WHY_BYTES, "%s [%" PRId32 "]: %s", committed->topic, committed->partition,
                 rd_kafka_err2str(committed->err));
        return -1;
    }
    if (committed->offset >= 0) {
        position->committed = committed->offset;
    }
    const char *map = committed->metadata;
    /* Up to a NUL: of foreign metadata that holds one, librdkafka keeps no more, whatever its size says. */
    size_t map_bytes = map != NULL ? strnlen(map, committed->metadata_size) : 0;
    position->map_unreadable = offset_map_read(map, map_bytes, count_done, position) != 0;
    rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(client, committed->topic, committed->partition,
                                                                 &position->low, &position->end, BROKER_TIMEOUT_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        snprintf(why, SETTINGS_WHY_BYTES, "%s [%" PRId32 "]: %s", committed->topic, committed->partition,
                 rd_kafka_err2str(error));
        return -1;
    }
    return 0;
}

/* All partitions of the topics; NULL with why. */
static rd_kafka_topic_partition_list_t *list_partitions(rd_kafka_t *client, const char **topics, size_t n_topics,
                                                        char *why)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (size_t i = 0; i < n_topics; i++) {
        int n = topic_count_partitions(client, topics[i], BROKER_TIMEOUT_MS, why, SETTINGS_WHY_BYTES);
        if (n < 0) {
            rd_kafka_topic_partition_list_destroy(list);
            return NULL;
        }
        for (int p = 0; p < n; p++) {
            rd_kafka_topic_partition_list_add(list, topics[i], p);
        }
    }
    return list;
}

static void print_table_row(const struct position *position)
{
    char committed[24] = "-";
    if (position->committed >= 0) {
        snprintf(committed, sizeof committed, "%" PRId64, position->committed);
    }
    printf("%-32s %9" PRId32 " %12s %12" PRId64 " %10" PRId64 " %12" PRId64 " %10" PRId64 "%s\n", position->topic,
           position->partition, committed, position->end, position_lag(position), position->done_beyond,
           position_open(position),
           position->map_unreadable ? "  (its metadata is not this worker's)" : "");
}

static int print_json_row(const struct position *position)
{
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "topic", position->topic);
    cJSON_AddNumberToObject(row, "partition", position->partition);
    if (position->committed >= 0) {
        cJSON_AddNumberToObject(row, "committed", (double)position->committed);
    } else {
        cJSON_AddNullToObject(row, "committed");
    }
    cJSON_AddNumberToObject(row, "end", (double)position->end);
    cJSON_AddNumberToObject(row, "lag", (double)position_lag(position));
    cJSON_AddNumberToObject(row, "done_beyond", (double)position->done_beyond);
    cJSON_AddNumberToObject(row, "open", (double)position_open(position));
    char *text = cJSON_PrintUnformatted(row);
    cJSON_Delete(row);
    if (text == NULL) {
        return -1;
    }
    puts(text);
    cJSON_free(text);
    return 0;
}

static int print_positions(rd_kafka_t *client, const rd_kafka_topic_partition_list_t *list, bool json, char *why)
{
    if (!json) {
        printf("%-32s %9s %12s %12s %10s %12s %10s\n", "TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "DONE-BEYOND",
               "OPEN");
    }
    for (int i = 0; i < list->cnt; i++) {
        struct position position;
        if (read_position(client, &list->elems[i], &position, why) != 0) {
            return -1;
        }
        if (!json) {
            print_table_row(&position);
        } else if (print_json_row(&position) != 0) {
            snprintf(why, SETTINGS_WHY_BYTES, "out of memory");
            return -1;
        }
    }
    return 0;
}

static int print_group(const struct options *options, const struct kafka_settings *settings, const char **topics,
                       size_t n_topics, char *why)
{
    rd_kafka_conf_t *conf = client_conf_make(settings, CLIENT_READER, why);
    if (conf == NULL) {
        return -1;
    }
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, SETTINGS_WHY_BYTES);
    if (client == NULL) {
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    int status = -1;
    rd_kafka_topic_partition_list_t *list = list_partitions(client, topics, n_topics, why);
    if (list == NULL) {
        goto out;
    }
    rd_kafka_resp_err_t error = rd_kafka_committed(client, list, BROKER_TIMEOUT_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        snprintf(why, SETTINGS_WHY_BYTES, "the offsets of group '%s': %s", settings->group_id,
                 rd_kafka_err2str(error));
        goto out;
    }
    status = print_positions(client, list, options_flag(options, "json"), why);
out:
    if (list != NULL) {
        rd_kafka_topic_partition_list_destroy(list);
    }
    rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return status;
}

static int offsets_main(const struct options *options)
{
    char why[SETTINGS_WHY_BYTES];
    struct kafka_settings settings;
    if (settings_kafka(options, &settings, why) != 0) {
        fprintf(stderr, "rxp-worker offsets: %s\n", why);
        return EXIT_USAGE;
    }
    size_t n_topics = 0;
    const char **topics = settings_list(options_text(options, "invocations-topics"), &n_topics);
    int status = EXIT_FATAL;
    if (topics != NULL && print_group(options, &settings, topics, n_topics, why) == 0) {
        status = EXIT_OK;
    } else {
        fprintf(stderr, "rxp-worker offsets: %s\n", topics != NULL ? why : "out of memory");
    }
    free(topics);
    settings_free_kafka(&settings);
    return status;
}

const struct command command_offsets = {
    .name = "offsets",
    .bit = COMMAND_OFFSETS,
    .arguments = "",
    .summary = "the group's committed offsets, decoded",
    .about =
        "Prints a line for each partition of the input topics. COMMITTED is the lowest input without an\n"
        "acknowledged result; DONE-BEYOND counts those above it that are done already (read from the commit's\n"
        "metadata); LAG is end minus committed, so that one long run makes finished work look like lag; OPEN is\n"
        "the honest figure: inputs that wait or run.\n"
        "\n"
        "Example:\n"
        "  rxp-worker offsets --bootstrap-servers localhost:9092 --group-id rxp-worker\n"
        "\n"
        "Exit status: 0 printed, 1 the broker, group or topic cannot be read, 2 usage.\n",
    .main = offsets_main,
};
