#include "base/clock.h"
#include "cli/command.h"
#include "cli/live_runs.h"
#include "cli/settings.h"
#include "kafka/client_conf.h"
#include "kafka/log_range.h"
#include "kafka/offset_map.h"
#include "kafka/topic.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#define BROKER_TIMEOUT_MS 10000
#define AGE_BYTES 32

/* Done inputs, counted from the committed offset. */
struct span {
    int64_t first;
    int64_t n;
};

/* One partition of the group's, as the broker has it. */
struct position {
    const char *topic;
    int32_t partition;
    int64_t committed; /* -1: none */
    int64_t low, end;
    int64_t done_beyond;
    bool map_unreadable;
    bool no_memory;
    struct span *done; /* by offset */
    size_t n_done;
    struct live_count live;
};

/* What is printed. */
struct overview {
    struct position *position;
    size_t n_positions;
    bool live_known; /* the checkpoints topic was read */
    int64_t now_ms;  /* Unix time */
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

static void note_done(int64_t i, int64_t n, void *opaque)
{
    struct position *position = opaque;
    position->done_beyond += n;
    if ((position->n_done & (position->n_done - 1)) == 0) { /* its room is the next power of two */
        size_t room = position->n_done > 0 ? position->n_done * 2 : 1;
        struct span *more = realloc(position->done, room * sizeof *more);
        if (more == NULL) {
            position->no_memory = true;
            return;
        }
        position->done = more;
    }
    position->done[position->n_done++] = (struct span){i, n};
}

/* Is the input there, and not known as done? */
static bool is_open(int64_t offset, const void *opaque)
{
    const struct position *position = opaque;
    if (offset >= position->end) /* of a topic that was deleted and made anew */
        return false;
    if (position->committed < 0)
        return true;
    int64_t i = offset - position->committed;
    size_t from = 0;
    size_t to = position->n_done;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        const struct span *span = &position->done[middle];
        if (i >= span->first && i - span->first < span->n)
            return false;
        if (i < span->first)
            to = middle;
        else
            from = middle + 1;
    }
    return i >= 0;
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
    position->map_unreadable = offset_map_read(map, map_bytes, note_done, position) != 0;
    if (position->no_memory) {
        snprintf(why, SETTINGS_WHY_BYTES, "out of memory");
        return -1;
    }
    struct log_range log = {0, 0};
    rd_kafka_resp_err_t error = log_range_read(client, committed->topic, committed->partition, BROKER_TIMEOUT_MS, &log);
    position->low = log.low;
    position->end = log.high;
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

/* In two units: 45s, 3m 12s, 3h 12m, 2d 3h. */
static void write_age(int64_t age_ms, char out[AGE_BYTES])
{
    int64_t seconds = age_ms > 0 ? age_ms / 1000 : 0;
    int64_t minutes = seconds / 60;
    int64_t hours = minutes / 60;
    if (minutes == 0)
        snprintf(out, AGE_BYTES, "%" PRId64 "s", seconds);
    else if (hours == 0)
        snprintf(out, AGE_BYTES, "%" PRId64 "m %" PRId64 "s", minutes, seconds % 60);
    else if (hours < 24)
        snprintf(out, AGE_BYTES, "%" PRId64 "h %" PRId64 "m", hours, minutes % 60);
    else
        snprintf(out, AGE_BYTES, "%" PRId64 "d %" PRId64 "h", hours / 24, hours % 24);
}

static int topic_width(const struct overview *overview)
{
    size_t width = strlen("TOPIC");
    for (size_t i = 0; i < overview->n_positions; i++) {
        size_t bytes = strlen(overview->position[i].topic);
        width = bytes > width ? bytes : width;
    }
    return (int)width;
}

static void print_table_row(const struct overview *overview, const struct position *position, int width, bool intents)
{
    char committed[24] = "-";
    char in_flight[24] = "-";
    char oldest[AGE_BYTES] = "-";
    if (position->committed >= 0)
        snprintf(committed, sizeof committed, "%" PRId64, position->committed);
    if (overview->live_known)
        snprintf(in_flight, sizeof in_flight, "%" PRId64, position->live.runs);
    if (overview->live_known && position->live.runs > 0)
        write_age(overview->now_ms - position->live.oldest_ms, oldest);
    printf("%-*s %9" PRId32 " %12s %12" PRId64 " %10" PRId64 " %12" PRId64 " %10" PRId64 " %10s %8s", width, position->topic,
           position->partition, committed, position->end, position_lag(position), position->done_beyond,
           position_open(position), in_flight, oldest);
    if (intents)
        printf(" %8" PRId64, position->live.intents);
    puts(position->map_unreadable ? "  (its metadata is not this worker's)" : "");
}

/* INTENTS only where there are any. */
static void print_table(const struct overview *overview)
{
    bool intents = false;
    for (size_t i = 0; i < overview->n_positions; i++)
        intents = intents || overview->position[i].live.intents > 0;
    int width = topic_width(overview);
    printf("%-*s %9s %12s %12s %10s %12s %10s %10s %8s%s\n", width, "TOPIC", "PARTITION", "COMMITTED", "END", "LAG",
           "DONE-BEYOND", "OPEN", "IN-FLIGHT", "OLDEST", intents ? "  INTENTS" : "");
    for (size_t i = 0; i < overview->n_positions; i++)
        print_table_row(overview, &overview->position[i], width, intents);
}

static void add_number(cJSON *row, const char *name, bool known, int64_t number)
{
    if (known)
        cJSON_AddNumberToObject(row, name, (double)number);
    else
        cJSON_AddNullToObject(row, name);
}

static int print_json_row(const struct overview *overview, const struct position *position)
{
    int64_t age_ms = overview->now_ms - position->live.oldest_ms;
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "topic", position->topic);
    cJSON_AddNumberToObject(row, "partition", position->partition);
    add_number(row, "committed", position->committed >= 0, position->committed);
    add_number(row, "end", true, position->end);
    add_number(row, "lag", true, position_lag(position));
    add_number(row, "done_beyond", true, position->done_beyond);
    add_number(row, "open", true, position_open(position));
    add_number(row, "in_flight", overview->live_known, position->live.runs);
    add_number(row, "oldest_seconds", overview->live_known && position->live.runs > 0, age_ms > 0 ? age_ms / 1000 : 0);
    add_number(row, "intents", overview->live_known, position->live.intents);
    char *text = cJSON_PrintUnformatted(row);
    cJSON_Delete(row);
    if (text == NULL) {
        return -1;
    }
    puts(text);
    cJSON_free(text);
    return 0;
}

static int print_overview(const struct overview *overview, bool json, char *why)
{
    if (!json)
        print_table(overview);
    for (size_t i = 0; json && i < overview->n_positions; i++) {
        if (print_json_row(overview, &overview->position[i]) != 0) {
            snprintf(why, SETTINGS_WHY_BYTES, "out of memory");
            return -1;
        }
    }
    return 0;
}

static void count_live(struct overview *overview, const struct live_runs *live, const char *checkpoints_topic)
{
    int64_t unreadable = 0;
    for (size_t i = 0; i < overview->n_positions; i++) {
        struct position *position = &overview->position[i];
        position->live = live_runs_count(live, position->topic, position->partition, is_open, position);
        unreadable += position->live.unreadable;
    }
    overview->live_known = true;
    if (unreadable > 0)
        fprintf(stderr, "rxp-worker offsets: %" PRId64 " checkpoint%s in '%s' can't be read by this version, and %s not "
                "counted\n", unreadable, unreadable == 1 ? "" : "s", checkpoints_topic, unreadable == 1 ? "is" : "are");
}

/* NULL, with a note: these figures alone are not known. */
static struct live_runs *read_live(const struct options *options, const struct kafka_settings *settings,
                                   const char **topics, size_t n_topics)
{
    char why[LIVE_RUNS_WHY_BYTES] = "checkpoints-topic is empty";
    const char *checkpoints_topic = settings_text(options, "checkpoints-topic");
    struct live_runs *live = NULL;
    if (checkpoints_topic != NULL)
        live = live_runs_read(settings, checkpoints_topic, topics, n_topics, why);
    if (live == NULL)
        fprintf(stderr, "rxp-worker offsets: what is in flight is not known, since checkpoints can't be read: %s\n", why);
    return live;
}

static int fill_overview(struct overview *overview, rd_kafka_t *client, const rd_kafka_topic_partition_list_t *list,
                         char *why)
{
    overview->position = calloc((size_t)list->cnt + 1, sizeof *overview->position);
    if (overview->position == NULL) {
        snprintf(why, SETTINGS_WHY_BYTES, "out of memory");
        return -1;
    }
    for (int i = 0; i < list->cnt; i++) {
        overview->n_positions++;
        if (read_position(client, &list->elems[i], &overview->position[i], why) != 0)
            return -1;
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
    struct overview overview = {0};
    struct live_runs *live = NULL;
    rd_kafka_topic_partition_list_t *list = list_partitions(client, topics, n_topics, why);
    if (list == NULL) {
        goto out;
    }
    /* Before the commits: a run that ends meanwhile is done by its commit then, and not counted. */
    live = read_live(options, settings, topics, n_topics);
    rd_kafka_resp_err_t error = rd_kafka_committed(client, list, BROKER_TIMEOUT_MS);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        snprintf(why, SETTINGS_WHY_BYTES, "the offsets of group '%s': %s", settings->group_id,
                 rd_kafka_err2str(error));
        goto out;
    }
    if (fill_overview(&overview, client, list, why) != 0)
        goto out;
    if (live != NULL)
        count_live(&overview, live, options_text(options, "checkpoints-topic"));
    overview.now_ms = clock_wall_ms();
    status = print_overview(&overview, options_flag(options, "json"), why);
out:
    for (size_t i = 0; i < overview.n_positions; i++)
        free(overview.position[i].done);
    free(overview.position);
    live_runs_free(live);
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
        "the honest figure: inputs that wait or run. IN-FLIGHT counts those whose kickoff was accepted, by their\n"
        "checkpoints, and OLDEST is the age of the first of them; INTENTS (of kickoff-guarantee=at-most-once)\n"
        "were about to be kicked off. Both are '-' where the checkpoints topic can't be read, and stderr says why.\n"
        "\n"
        "Example:\n"
        "  rxp-worker offsets --bootstrap-servers localhost:9092 --group-id rxp-worker\n"
        "\n"
        "Exit status: 0 printed, 1 the broker, group or topic cannot be read, 2 usage.\n",
    .main = offsets_main,
};
