#include "cli/command.h"
#include "cli/sender.h"
#include "cli/settings.h"
#include "protocol/control.h"
#include "protocol/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BROKER_TIMEOUT_MS 10000
#define FRAME_BYTES 256
/* Escaped, each byte of an id may take six. */
#define ID_MAX_BYTES ((RXP_CONTROL_MAX_BYTES - FRAME_BYTES) / 6)

static bool is_utf8(const char *text, size_t bytes)
{
    for (size_t at = 0, n; at < bytes; at += n) {
        n = utf8_length(text + at, bytes - at);
        if (n == 0) {
            return false;
        }
    }
    return true;
}

/* 0, or -1 with why. Before anything is sent. */
static int check_ids(const char *const *ids, size_t n, char why[SENDER_WHY_BYTES])
{
    if (n == 0) {
        snprintf(why, SENDER_WHY_BYTES, "names no invocation: give the id of each that is to be cancelled");
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        size_t bytes = strlen(ids[i]);
        if (bytes == 0 || bytes > ID_MAX_BYTES) {
            snprintf(why, SENDER_WHY_BYTES, "an id of %zu bytes cannot be named in a control message: 1 to %zu", bytes,
                     ID_MAX_BYTES);
            return -1;
        }
        if (!is_utf8(ids[i], bytes)) {
            snprintf(why, SENDER_WHY_BYTES, "'%s' is not UTF-8, and so no invocation's id", rxp_show(ids[i], bytes).text);
            return -1;
        }
    }
    return 0;
}

static int send_all(struct sender *sender, const char *const *ids, size_t n, char why[SENDER_WHY_BYTES])
{
    for (size_t i = 0; i < n; i++) {
        size_t bytes;
        char *text = rxp_control_write_cancel(ids[i], &bytes);
        if (text == NULL) {
            snprintf(why, SENDER_WHY_BYTES, "out of memory");
            return -1;
        }
        int sent = sender_send(sender, ids[i], text, bytes, why);
        free(text);
        if (sent != 0) {
            return -1;
        }
    }
    return sender_finish(sender, why);
}

static void tell(const struct sender *sender, const char *topic, const char *const *ids)
{
    size_t n;
    const struct sent *sent = sender_sent(sender, &n);
    for (size_t i = 0; i < n; i++) {
        fprintf(stderr, "asked to cancel '%s': %s [%" PRId32 "] offset %" PRId64 "\n", rxp_show(ids[i], strlen(ids[i])).text, topic,
                sent[i].partition, sent[i].offset);
    }
    fprintf(stderr, "the worker that has such an invocation, or is given it, publishes its result with status cancelled; one that "
            "has ended, or is enqueued later, is not touched\n");
}

static int cancel_main(const struct options *options)
{
    char why[SETTINGS_WHY_BYTES] = "";
    _Static_assert(SETTINGS_WHY_BYTES >= SENDER_WHY_BYTES, "either sentence fits");
    struct kafka_settings settings;
    size_t n;
    const char *const *ids = options_positionals(options, &n);
    const char *topic = settings_text(options, "control-topic");
    int status = EXIT_USAGE;
    if (settings_kafka(options, &settings, why) != 0) {
        fprintf(stderr, "rxp-worker cancel: %s\n", why);
        return status;
    }
    struct sender *sender = NULL;
    if (topic == NULL) {
        snprintf(why, sizeof why, "--control-topic names no topic: name the one that the workers read (it must be set for "
                 "them, too)");
    } else if (check_ids(ids, n, why) == 0) {
        status = EXIT_FATAL;
        sender = sender_new(&settings, topic, BROKER_TIMEOUT_MS, why);
    }
    if (sender != NULL && send_all(sender, ids, n, why) == 0) {
        tell(sender, topic, ids);
        status = EXIT_OK;
    } else {
        fprintf(stderr, "rxp-worker cancel: %s\n", why);
    }
    sender_free(sender);
    settings_free_kafka(&settings);
    return status;
}

const struct command command_cancel = {
    .name = "cancel",
    .bit = COMMAND_CANCEL,
    .arguments = "ID…",
    .summary = "ask the workers to cancel invocations",
    .about =
        "Writes a control message for each ID to --control-topic and waits until the broker has acknowledged it. Every\n"
        "worker with that --control-topic reads it: the one that has the invocation calls the backend's cancel URL, if\n"
        "the invocation names one, publishes a result with status cancelled, and commits. An invocation that is still\n"
        "queued is cancelled when its turn comes, for an hour from now; one that is enqueued after the cancel is not\n"
        "meant. Whether it was in time is told by the result.\n"
        "\n"
        "Examples:\n"
        "  rxp-worker cancel --bootstrap-servers localhost:9092 --control-topic rxp.control order-4711\n"
        "  rxp-worker cancel --bootstrap-servers localhost:9092 --control-topic rxp.control -- -odd-id another-id\n"
        "\n"
        "Exit status: 0 all acknowledged, 1 the broker or the topic cannot be reached, 2 usage.\n",
    .main = cancel_main,
};
