#include "base/clock.h"
#include "cli/command.h"
#include "cli/documents.h"
#include "cli/doings.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/sender.h"
#include "cli/settings.h"
#include "cli/tally.h"
#include "kafka/reader.h"
#include "protocol/http_plan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BROKER_TIMEOUT_MS 10000
#define TURN_MS 100
#define BAR_CELLS 30
#define DRAW_MS 100
#define REPORTS_A_TURN 1000
#define SCREEN_BYTES 8192

struct submission {
    const struct options *options;
    struct kafka_settings kafka;
    const char **topics;
    struct profile_set *profiles;
    const char *file; /* "-": stdin */
    char *text;
    size_t text_bytes;
    struct sender *sender;
    struct reader *reader;
    struct reader *progress; /* NULL: nobody is told of runs that go on */
    struct tally *tally;
    struct doings doings;
    int64_t drawn_ms;
    bool draws;
    char why[2 * SETTINGS_WHY_BYTES];
};

/* Checks a document, and sends it where a sender is given. 0, or -1 with why. */
static int take_document(struct submission *submission, const struct document *document, struct sender *sender)
{
    size_t max_bytes = (size_t)options_int(submission->options, "max-message-bytes");
    struct rxp_invocation *invocation = NULL;
    struct rxp_http_plan plan;
    struct rxp_refusal why = {RXP_OK, ""};
    int status = rxp_invocation_parse(document->at, document->bytes, max_bytes, &invocation, &why);
    const struct rxp_defaults *defaults = NULL;
    if (status == 0) {
        status = profile_set_find(submission->profiles, invocation->runtime_name, &defaults, &why);
    }
    if (status == 0 && (status = rxp_http_plan_make(invocation, defaults, &plan, &why)) == 0) {
        rxp_http_plan_deinit(&plan);
    }
    if (status != 0) {
        const char *code = rxp_lacked_memory(&why) ? "not looked at" : rxp_error_name(why.error);
        snprintf(submission->why, sizeof submission->why, "%s:%zu: %s: %s; nothing was sent", submission->file,
                 document->line, code, why.text);
    } else if (sender != NULL) {
        size_t bytes = 0;
        char *text = rxp_invocation_write(invocation, &bytes);
        status = text != NULL ? sender_send(sender, invocation->invocation_id, text, bytes, submission->why) : -1;
        free(text);
    }
    rxp_invocation_free(invocation);
    return status;
}

/* All documents, first to check (sender NULL), then to send: a file with a mistake is not sent in part. */
static int take_all(struct submission *submission, struct sender *sender)
{
    struct documents documents;
    struct document document;
    size_t n = 0;
    documents_init(&documents, submission->text, submission->text_bytes);
    while (documents_next(&documents, &document)) {
        if (take_document(submission, &document, sender) != 0) {
            return -1;
        }
        n++;
    }
    if (n == 0) {
        snprintf(submission->why, sizeof submission->why, "%s: there is no invocation in it", submission->file);
        return -1;
    }
    return 0;
}

static size_t terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* The bar, and below it what some runs are doing; the cursor ends at the bar's beginning. */
static void show_progress(struct submission *submission, bool last)
{
    int64_t now_ms = clock_mono_ms();
    if (!submission->draws || (!last && now_ms - submission->drawn_ms < DRAW_MS)) {
        return;
    }
    submission->drawn_ms = now_ms;
    const struct tally_counts *counts = tally_counts(submission->tally);
    char text[TALLY_TEXT_BYTES];
    char bar[BAR_CELLS + 1];
    size_t filled = counts->expected > 0 ? counts->seen * BAR_CELLS / counts->expected : BAR_CELLS;
    memset(bar, ' ', BAR_CELLS);
    memset(bar, '=', filled);
    bar[BAR_CELLS] = '\0';
    tally_describe(submission->tally, text);
    struct buf screen;
    buf_init(&screen, SCREEN_BYTES);
    buf_putf(&screen, "\r[%s] %zu/%zu %s\033[J", bar, counts->seen, counts->expected, text);
    if (!last) {
        size_t before = screen.bytes;
        doings_draw(&submission->doings, clock_wall_ms(), terminal_columns(), &screen);
        if (screen.bytes > before) {
            buf_putf(&screen, "\033[%zuA\r", submission->doings.n);
        }
    } else {
        buf_puts(&screen, "\n");
    }
    if (!buf_failed(&screen)) {
        fwrite(screen.at, 1, screen.bytes, stderr);
    }
    buf_deinit(&screen);
}

static void take_report(struct submission *submission, const rd_kafka_message_t *message)
{
    struct rxp_result *result = NULL;
    struct rxp_refusal why;
    size_t place;
    if (message->payload == NULL || rxp_result_parse(message->payload, message->len, &result, &why) != 0) {
        return;
    }
    if (result->status == RXP_STATUS_RUNNING && tally_find(submission->tally, result, &place) == TALLY_FIRST) {
        doings_note(&submission->doings, place, result);
    }
    rxp_result_free(result);
}

/* A topic that cannot be read any more is none that is waited for. */
static void take_reports(struct submission *submission)
{
    char why[READER_WHY_BYTES];
    bool failed = false;
    for (int i = 0; submission->progress != NULL && i < REPORTS_A_TURN && !failed; i++) {
        rd_kafka_message_t *message = reader_next(submission->progress, 0, &failed, why);
        if (message == NULL) {
            break;
        }
        take_report(submission, message);
        rd_kafka_message_destroy(message);
    }
    if (failed) {
        reader_free(submission->progress);
        submission->progress = NULL;
    }
}

static void take_result(struct submission *submission, const rd_kafka_message_t *message)
{
    struct rxp_result *result = NULL;
    struct rxp_refusal why;
    if (message->payload == NULL || rxp_result_parse(message->payload, message->len, &result, &why) != 0) {
        return;
    }
    size_t place;
    if (tally_find(submission->tally, result, &place) != TALLY_FOREIGN) {
        doings_end(&submission->doings, place);
    }
    if (tally_take(submission->tally, result) == TALLY_FIRST) {
        if (submission->draws) {
            fputs("\r\033[J", stderr);
        }
        fwrite(message->payload, 1, message->len, stdout);
        fputc('\n', stdout);
        fflush(stdout);
    }
    rxp_result_free(result);
}

static int wait_for_results(struct submission *submission)
{
    const char *timeout = options_text(submission->options, "timeout-seconds");
    int64_t until_ms = timeout != NULL && timeout[0] != '\0'
                           ? clock_mono_ms() + options_ms(submission->options, "timeout-seconds")
                           : CLOCK_NEVER;
    const struct tally_counts *counts = tally_counts(submission->tally);
    while (counts->seen < counts->expected && !interrupt_seen() && clock_mono_ms() < until_ms) {
        bool failed = false;
        rd_kafka_message_t *message = reader_next(submission->reader, TURN_MS, &failed, submission->why);
        if (failed) {
            return -1;
        }
        if (message != NULL) {
            take_result(submission, message);
            rd_kafka_message_destroy(message);
        }
        take_reports(submission);
        show_progress(submission, false);
    }
    show_progress(submission, true);
    if (counts->seen < counts->expected) {
        snprintf(submission->why, sizeof submission->why,
                 "%zu of %zu have no result yet; they stay queued: `rxp-worker results --follow` shows them when they come",
                 counts->expected - counts->seen, counts->expected);
        return -1;
    }
    return 0;
}

/* A help to the eye: nothing fails for want of it. */
static void open_progress(struct submission *submission)
{
    const char *topic = settings_text(submission->options, "progress-topic");
    char why[READER_WHY_BYTES];
    if (topic == NULL || !submission->draws) {
        return;
    }
    submission->progress = reader_new(&submission->kafka, topic, READER_END, BROKER_TIMEOUT_MS, why);
    if (submission->progress == NULL) {
        fprintf(stderr, "rxp-worker submit: what runs are doing cannot be shown: %s\n", why);
    }
}

static int open_topics(struct submission *submission)
{
    if (options_flag(submission->options, "wait")) {
        submission->reader = reader_new(&submission->kafka, options_text(submission->options, "results-topic"),
                                        READER_END, BROKER_TIMEOUT_MS, submission->why);
        if (submission->reader == NULL) {
            return -1;
        }
        open_progress(submission);
    }
    submission->sender = sender_new(&submission->kafka, submission->topics[0], BROKER_TIMEOUT_MS, submission->why);
    return submission->sender != NULL ? 0 : -1;
}

static int submit_all(struct submission *submission)
{
    if (open_topics(submission) != 0 || take_all(submission, submission->sender) != 0 ||
        sender_finish(submission->sender, submission->why) != 0) {
        return -1;
    }
    size_t n = 0;
    const struct sent *sent = sender_sent(submission->sender, &n);
    fprintf(stderr, "%zu submitted to %s\n", n, submission->topics[0]);
    if (submission->reader == NULL) {
        return 0;
    }
    submission->tally = tally_new(submission->topics[0], sent, n);
    if (submission->tally == NULL) {
        snprintf(submission->why, sizeof submission->why, "out of memory");
        return -1;
    }
    return wait_for_results(submission);
}

/* The exit status; why is set where it is not EXIT_OK. */
static int submission_prepare(struct submission *submission)
{
    const struct options *options = submission->options;
    size_t n = 0;
    const char *const *positional = options_positionals(options, &n);
    if (n > 1) {
        snprintf(submission->why, sizeof submission->why, "takes one FILE, got %zu", n);
        return EXIT_USAGE;
    }
    submission->file = n == 1 ? positional[0] : "-";
    if (settings_kafka(options, &submission->kafka, submission->why) != 0) {
        return EXIT_USAGE;
    }
    submission->topics = settings_list(options_text(options, "invocations-topics"), &n);
    if (submission->topics == NULL || n == 0) {
        snprintf(submission->why, sizeof submission->why, "--invocations-topics names no topic");
        return EXIT_USAGE;
    }
    struct profiles *profiles = settings_profiles(options, submission->why);
    if (profiles == NULL) {
        return EXIT_USAGE;
    }
    submission->profiles = profiles_hold(profiles);
    profiles_free(profiles);
    if (strcmp(submission->file, "-") == 0 && isatty(STDIN_FILENO)) {
        fputs("rxp-worker submit: reading stdin; end it with Ctrl-D\n", stderr);
    }
    submission->text =
        input_read(submission->file, &submission->text_bytes, submission->why, sizeof submission->why);
    return submission->text != NULL && take_all(submission, NULL) == 0 ? EXIT_OK : EXIT_USAGE;
}

static int submit_main(const struct options *options)
{
    struct submission submission = {.options = options, .draws = isatty(STDERR_FILENO) == 1};
    int status = submission_prepare(&submission);
    if (status == EXIT_OK) {
        interrupt_catch();
        status = submit_all(&submission) == 0 ? EXIT_OK : EXIT_FATAL;
    }
    if (status != EXIT_OK) {
        fprintf(stderr, "rxp-worker submit: %s\n", submission.why);
    }
    sender_free(submission.sender);
    reader_free(submission.reader);
    reader_free(submission.progress);
    tally_free(submission.tally);
    free(submission.text);
    free(submission.topics);
    profile_set_release(submission.profiles);
    settings_free_kafka(&submission.kafka);
    return status;
}

const struct command command_submit = {
    .name = "submit",
    .bit = COMMAND_SUBMIT,
    .arguments = "[FILE|-]",
    .summary = "enqueue invocations, and wait for their results if asked",
    .about =
        "Reads invocations (one JSON document or JSON Lines) from FILE or stdin, checks all of them, and sends\n"
        "them to the first of --invocations-topics with all fields of the contract filled in and the\n"
        "invocation_id as key. A file with a mistake is not sent in part. With --wait it waits for their\n"
        "results and prints them on stdout, one JSON object a line, in the order in which they come. On a\n"
        "terminal it shows a progress bar and, with the workers' --progress-topic, what some runs are doing.\n"
        "\n"
        "Examples:\n"
        "  rxp-worker submit --bootstrap-servers localhost:9092 orders.jsonl\n"
        "  rxp-worker submit --bootstrap-servers localhost:9092 --wait order.json | jq .status\n"
        "\n"
        "Exit status: 0 all acknowledged (with --wait: all have their result, whatever it is), 1 not all in\n"
        "time or the broker cannot be reached, 2 usage, or a message is wrong.\n",
    .main = submit_main,
};
