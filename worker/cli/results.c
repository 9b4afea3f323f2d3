#include "base/clock.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/settings.h"
#include "kafka/reader.h"
#include "protocol/result.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BROKER_TIMEOUT_MS 10000
#define TURN_MS 200

struct filter {
    const char *invocation_id; /* NULL: any */
    const char *status;        /* NULL: any */
};

static bool filter_matches(const struct filter *filter, const rd_kafka_message_t *message)
{
    if (filter->invocation_id == NULL && filter->status == NULL) {
        return true;
    }
    struct rxp_result *result = NULL;
    struct rxp_refusal why;
    if (rxp_result_parse(message->payload, message->len, &result, &why) != 0) {
        fprintf(stderr, "rxp-worker results: partition %" PRId32 " offset %" PRId64 " holds no result: %s\n",
                message->partition, message->offset, why.text);
        return false;
    }
    bool matches = (filter->invocation_id == NULL || strcmp(filter->invocation_id, result->invocation_id) == 0) &&
                   (filter->status == NULL || strcmp(filter->status, rxp_status_name(result->status)) == 0);
    rxp_result_free(result);
    return matches;
}

/* 0 to go on; -1 when stdout is gone. */
static int print_message(const rd_kafka_message_t *message)
{
    if (message->payload == NULL) {
        return 0;
    }
    if (fwrite(message->payload, 1, message->len, stdout) != message->len || fputc('\n', stdout) == EOF ||
        fflush(stdout) != 0) {
        if (errno != EPIPE) {
            fprintf(stderr, "rxp-worker results: stdout: %s\n", strerror(errno));
        }
        return -1;
    }
    return 0;
}

static int print_results(struct reader *reader, const struct filter *filter, bool follow)
{
    int64_t progress_ms = clock_mono_ms();
    while (!interrupt_seen() && (follow || !reader_is_at_end(reader))) {
        char why[READER_WHY_BYTES];
        bool failed = false;
        rd_kafka_message_t *message = reader_next(reader, TURN_MS, &failed, why);
        if (failed) {
            fprintf(stderr, "rxp-worker results: %s\n", why);
            return EXIT_FATAL;
        }
        if (message == NULL && !follow && clock_mono_ms() > progress_ms + BROKER_TIMEOUT_MS) {
            fprintf(stderr, "rxp-worker results: the broker has not answered for %d s: the results above are not all\n",
                    BROKER_TIMEOUT_MS / 1000);
            return EXIT_FATAL;
        }
        if (message == NULL) {
            continue;
        }
        progress_ms = clock_mono_ms();
        int printed = filter_matches(filter, message) ? print_message(message) : 0;
        rd_kafka_message_destroy(message);
        if (printed != 0) {
            return EXIT_FATAL;
        }
    }
    return EXIT_OK;
}

static int results_main(const struct options *options)
{
    char why[SETTINGS_WHY_BYTES];
    struct kafka_settings settings;
    if (settings_kafka(options, &settings, why) != 0) {
        fprintf(stderr, "rxp-worker results: %s\n", why);
        return EXIT_USAGE;
    }
    bool follow = options_flag(options, "follow");
    bool from_beginning = !follow || options_flag(options, "from-beginning");
    const struct filter filter = {
        .invocation_id = settings_text(options, "invocation-id"),
        .status = settings_text(options, "status"),
    };
    int status = EXIT_FATAL;
    interrupt_catch();
    struct reader *reader = reader_new(&settings, options_text(options, "results-topic"),
                                       from_beginning ? READER_BEGINNING : READER_END, BROKER_TIMEOUT_MS, why);
    if (reader == NULL) {
        fprintf(stderr, "rxp-worker results: %s\n", why);
    } else {
        status = print_results(reader, &filter, follow);
    }
    reader_free(reader);
    settings_free_kafka(&settings);
    return status;
}

const struct command command_results = {
    .name = "results",
    .bit = COMMAND_RESULTS,
    .arguments = "",
    .summary = "print the results stream as JSON Lines",
    .about =
        "Prints the results topic, one RuntimeResult a line: all that is there now, or with --follow what comes\n"
        "from now on (add --from-beginning for both). Reads without a group: it disturbs no consumer.\n"
        "\n"
        "Examples:\n"
        "  rxp-worker results --bootstrap-servers localhost:9092 --status failed\n"
        "  rxp-worker results --bootstrap-servers localhost:9092 --follow | jq .error_summary\n"
        "\n"
        "Exit status: 0 all read or interrupted, 1 the broker or topic cannot be read, 2 usage.\n",
    .main = results_main,
};
