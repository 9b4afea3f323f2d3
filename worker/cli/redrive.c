#include "base/clock.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/letter.h"
#include "cli/letters.h"
#include "cli/settings.h"
#include "kafka/topic.h"
#include "protocol/refusal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_MS 10000
#define TURN_MS 200
#define COMMIT_EVERY 1000
#define OUTSTANDING_MAX 10000

struct redrive {
    const struct options *options;
    struct kafka_settings kafka;
    char *group;
    const char *dead_letter_topic;
    const char *to; /* NULL: each where it came from */
    const char **inputs;
    size_t n_inputs;
    const char **codes;
    size_t n_codes;
    const char *invocation_id; /* NULL: any */
    bool dry_run;
    struct letters *letters;
    rd_kafka_t *producer;
    const char **checked; /* the topics of `inputs`, or `to`, that are there */
    size_t n_checked;
    size_t outstanding;
    int64_t progress_ms;
    size_t put_back;
    size_t uncommitted; /* of these */
    size_t not_chosen;
    size_t homeless; /* came from a topic that is none of --invocations-topics */
    size_t refused;  /* by the broker */
    char why[LETTERS_WHY_BYTES];
};

/* One on its way: the opaque of its message. */
struct passage {
    int32_t partition;
    int64_t offset;
};

static void on_delivery(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    (void)producer;
    struct redrive *redrive = opaque;
    struct passage *passage = message->_private;
    redrive->outstanding--;
    redrive->progress_ms = clock_mono_ms();
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        letters_done(redrive->letters, passage->partition, passage->offset);
        redrive->put_back++;
        redrive->uncommitted++;
    } else {
        if (redrive->refused++ == 0) {
            fprintf(stderr, "rxp-worker redrive: %s [%" PRId32 "] offset %" PRId64 " could not be put back: %s\n",
                    redrive->dead_letter_topic, passage->partition, passage->offset, rd_kafka_err2str(message->err));
        }
    }
    free(passage);
}

/* ---- which, and where to ---- */

static bool is_among(const char *word, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_chosen(const struct redrive *redrive, const struct letter *letter)
{
    bool code_fits = redrive->n_codes == 0 || (letter->code != NULL && is_among(letter->code, redrive->codes, redrive->n_codes));
    bool id_fits = redrive->invocation_id == NULL ||
                   (letter->invocation_id != NULL && strcmp(letter->invocation_id, redrive->invocation_id) == 0);
    return code_fits && id_fits;
}

/* NULL: nowhere. Outlives the letter. */
static const char *destination_of(struct redrive *redrive, const struct letter *letter)
{
    if (redrive->to != NULL) {
        return redrive->to;
    }
    for (size_t i = 0; letter->topic != NULL && i < redrive->n_inputs; i++) {
        if (strcmp(redrive->inputs[i], letter->topic) == 0) {
            return redrive->inputs[i];
        }
    }
    if (redrive->homeless++ == 0) {
        fprintf(stderr, "rxp-worker redrive: %s [%" PRId32 "] offset %" PRId64 " came from %s%s%s, which is none of "
                "--invocations-topics: it stays; name that topic there, or another with --to\n", redrive->dead_letter_topic,
                letter->message->partition, letter->message->offset, letter->topic != NULL ? "'" : "",
                letter->topic != NULL ? rxp_show(letter->topic, strlen(letter->topic)).text : "a topic that it does not name",
                letter->topic != NULL ? "'" : "");
    }
    return NULL;
}

/* Is it there? Asked once each. */
static int check_destination(struct redrive *redrive, const char *topic)
{
    if (is_among(topic, redrive->checked, redrive->n_checked)) {
        return 0;
    }
    if (topic_count_partitions(redrive->producer, topic, PATIENCE_MS, redrive->why, sizeof redrive->why) < 0) {
        return -1;
    }
    redrive->checked[redrive->n_checked++] = topic;
    return 0;
}

/* ---- putting back ---- */

/* Waits until at most so many are on their way. */
static int settle_down(struct redrive *redrive, size_t most)
{
    redrive->progress_ms = clock_mono_ms();
    while (redrive->outstanding > most) {
        rd_kafka_poll(redrive->producer, TURN_MS);
        if (clock_mono_ms() - redrive->progress_ms > PATIENCE_MS) {
            snprintf(redrive->why, sizeof redrive->why, "no broker has acknowledged anything for %d s: %zu dead letters "
                     "stay, or come twice should they have arrived", PATIENCE_MS / 1000, redrive->outstanding);
            return -1;
        }
    }
    return 0;
}

/* What was acknowledged is done for good. */
static int commit(struct redrive *redrive)
{
    redrive->uncommitted = 0;
    return letters_commit(redrive->letters, redrive->why);
}

/* Waits while the client's queue is full of others. 0, or -1 with why. */
static int produce(struct redrive *redrive, const rd_kafka_message_t *message, const char *topic, rd_kafka_headers_t *headers,
                   struct passage *passage)
{
    for (;;) {
        rd_kafka_resp_err_t error = rd_kafka_producev(
            redrive->producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY(message->key, message->key_len),
            RD_KAFKA_V_VALUE(message->payload, message->len), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_OPAQUE(passage), RD_KAFKA_V_END);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            return 0;
        }
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL || redrive->outstanding == 0) {
            snprintf(redrive->why, sizeof redrive->why, "topic '%s': %s", topic, rd_kafka_err2str(error));
            return -1;
        }
        if (settle_down(redrive, redrive->outstanding / 2) != 0) {
            return -1;
        }
    }
}

static int send_letter(struct redrive *redrive, const struct letter *letter, const char *topic)
{
    const rd_kafka_message_t *message = letter->message;
    struct passage *passage = malloc(sizeof *passage);
    rd_kafka_headers_t *headers = letter_headers(letter);
    if (passage == NULL || headers == NULL) {
        snprintf(redrive->why, sizeof redrive->why, "out of memory");
        goto fail;
    }
    *passage = (struct passage){message->partition, message->offset};
    if (produce(redrive, message, topic, headers, passage) != 0) {
        goto fail;
    }
    redrive->outstanding++;
    return 0;
fail:
    if (headers != NULL) {
        rd_kafka_headers_destroy(headers);
    }
    free(passage);
    return -1;
}

static int take_letter(struct redrive *redrive, const rd_kafka_message_t *message)
{
    struct letter letter;
    int status = 0;
    letter_read(message, &letter);
    const char *topic = NULL;
    if (!is_chosen(redrive, &letter)) {
        redrive->not_chosen++;
    } else {
        topic = destination_of(redrive, &letter);
    }
    if (topic != NULL) {
        status = check_destination(redrive, topic);
    }
    if (topic != NULL && status == 0 && redrive->dry_run) {
        char *line = letter_describe(&letter, topic);
        puts(line != NULL ? line : "{}");
        free(line);
        redrive->put_back++;
    } else if (topic != NULL && status == 0) {
        status = send_letter(redrive, &letter, topic);
    }
    letter_deinit(&letter);
    return status;
}

/* Those that stay take room in a commit, as much as they are. */
static int make_room(struct redrive *redrive)
{
    size_t before = redrive->put_back;
    if (settle_down(redrive, 0) != 0 || commit(redrive) != 0) {
        return -1;
    }
    if (redrive->put_back > before) {
        return 0;
    }
    snprintf(redrive->why, sizeof redrive->why, "so many dead letters stay that those behind them cannot be noted as put back: put "
             "the others back first, or take them away (--from-beginning reads without notes)");
    return -1;
}

static int serve(struct redrive *redrive)
{
    bool was_full = false;
    while (!interrupt_seen()) {
        rd_kafka_message_t *message = NULL;
        enum letters_next next = letters_next(redrive->letters, TURN_MS, &message, redrive->why);
        int status = next == LETTERS_FAILED ? -1 : 0;
        if (next == LETTERS_END) {
            return 0;
        }
        if (next == LETTERS_ONE) {
            status = take_letter(redrive, message);
            rd_kafka_message_destroy(message);
        } else if (next == LETTERS_FULL) {
            if (was_full && redrive->outstanding == 0) {
                return make_room(redrive);
            }
            status = make_room(redrive);
        }
        was_full = next == LETTERS_FULL;
        if (redrive->producer != NULL) {
            rd_kafka_poll(redrive->producer, 0);
        }
        if (status == 0 && redrive->outstanding > OUTSTANDING_MAX) {
            status = settle_down(redrive, OUTSTANDING_MAX / 2);
        }
        if (status == 0 && redrive->uncommitted >= COMMIT_EVERY) {
            status = commit(redrive);
        }
        if (status != 0) {
            return -1;
        }
    }
    snprintf(redrive->why, sizeof redrive->why, "interrupted: the rest stays");
    return -1;
}

/* ---- life ---- */

static int open_producer(struct redrive *redrive)
{
    rd_kafka_conf_t *conf = client_conf_make(&redrive->kafka, CLIENT_PRODUCER, redrive->why);
    if (conf == NULL) {
        return -1;
    }
    /* Brokers refuse a batch as a whole for its size, and a letter that is too large must not keep others. */
    if (rd_kafka_conf_set(conf, "batch.num.messages", "1", redrive->why, sizeof redrive->why) != RD_KAFKA_CONF_OK) {
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    rd_kafka_conf_set_opaque(conf, redrive);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    redrive->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, redrive->why, sizeof redrive->why);
    if (redrive->producer == NULL) {
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    return 0;
}

static int run_redrive(struct redrive *redrive)
{
    redrive->letters = letters_new(&redrive->kafka, redrive->dead_letter_topic,
                                   options_flag(redrive->options, "from-beginning"), PATIENCE_MS, redrive->why);
    if (redrive->letters == NULL || open_producer(redrive) != 0 ||
        (redrive->to != NULL && check_destination(redrive, redrive->to) != 0)) {
        return -1;
    }
    int status = serve(redrive);
    if (redrive->dry_run) {
        return status;
    }
    char first_why[LETTERS_WHY_BYTES];
    snprintf(first_why, sizeof first_why, "%s", redrive->why);
    int settled = settle_down(redrive, 0);
    int committed = commit(redrive); /* whatever happened, what was acknowledged is done */
    if (status != 0) {
        snprintf(redrive->why, sizeof redrive->why, "%s", first_why);
    }
    return status != 0 || settled != 0 || committed != 0 ? -1 : 0;
}

/* What is on its way is given up. */
static void close_all(struct redrive *redrive)
{
    if (redrive->producer != NULL) {
        rd_kafka_purge(redrive->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(redrive->producer, TURN_MS);
        rd_kafka_destroy(redrive->producer);
    }
    letters_free(redrive->letters);
    free(redrive->inputs);
    free(redrive->codes);
    free(redrive->checked);
    free(redrive->group);
    settings_free_kafka(&redrive->kafka);
}

/* Dead letters hold rejections only. */
static int check_codes(struct redrive *redrive)
{
    const char *words[RXP_ERROR_UNKNOWN_PROFILE];
    for (int i = 0; i < RXP_ERROR_UNKNOWN_PROFILE; i++) {
        words[i] = rxp_error_name((enum rxp_error)(i + 1));
    }
    for (size_t i = 0; i < redrive->n_codes; i++) {
        struct rxp_refusal why;
        if (!is_among(redrive->codes[i], words, RXP_ERROR_UNKNOWN_PROFILE)) {
            (void)rxp_refuse_unknown(&why, RXP_OK, "code of a dead letter", redrive->codes[i], words, RXP_ERROR_UNKNOWN_PROFILE);
            snprintf(redrive->why, sizeof redrive->why, "--code: %.480s", why.text);
            return -1;
        }
    }
    return 0;
}

static int take_options(struct redrive *redrive)
{
    const struct options *options = redrive->options;
    redrive->dead_letter_topic = settings_text(options, "dead-letter-topic");
    redrive->to = settings_text(options, "to");
    redrive->invocation_id = settings_text(options, "invocation-id");
    redrive->dry_run = options_flag(options, "dry-run");
    redrive->inputs = settings_list(options_text(options, "invocations-topics"), &redrive->n_inputs);
    redrive->codes = settings_list(options_text(options, "code"), &redrive->n_codes);
    redrive->checked = calloc(redrive->n_inputs + 1, sizeof *redrive->checked);
    const char *group = options_text(options, "group-id");
    size_t bytes = strlen(group) + sizeof ".redrive";
    redrive->group = malloc(bytes);
    if (redrive->inputs == NULL || redrive->codes == NULL || redrive->checked == NULL || redrive->group == NULL) {
        snprintf(redrive->why, sizeof redrive->why, "out of memory");
        return -1;
    }
    snprintf(redrive->group, bytes, "%s.redrive", group);
    redrive->kafka.group_id = redrive->group;
    if (redrive->dead_letter_topic == NULL) {
        snprintf(redrive->why, sizeof redrive->why, "--dead-letter-topic names no topic: name the one that the workers write to");
        return -1;
    }
    if (redrive->to != NULL && strcmp(redrive->to, redrive->dead_letter_topic) == 0) {
        snprintf(redrive->why, sizeof redrive->why, "--to is the dead-letter topic itself: name the topic that they are to go to");
        return -1;
    }
    if (is_among(redrive->dead_letter_topic, redrive->inputs, redrive->n_inputs)) {
        snprintf(redrive->why, sizeof redrive->why, "'%.200s' is both --dead-letter-topic and one of --invocations-topics",
                 redrive->dead_letter_topic);
        return -1;
    }
    return check_codes(redrive);
}

static void tell(const struct redrive *redrive)
{
    fprintf(stderr, "%zu dead letter%s %s put back", redrive->put_back, redrive->put_back == 1 ? "" : "s",
            redrive->dry_run ? "would be" : redrive->put_back == 1 ? "was" : "were");
    if (redrive->not_chosen > 0) {
        fprintf(stderr, ", %zu not chosen", redrive->not_chosen);
    }
    if (redrive->homeless > 0) {
        fprintf(stderr, ", %zu without a topic to go to", redrive->homeless);
    }
    if (redrive->refused > 0) {
        fprintf(stderr, ", %zu not taken by the broker", redrive->refused);
    }
    fputc('\n', stderr);
}

static int redrive_main(const struct options *options)
{
    struct redrive redrive = {.options = options};
    int status = EXIT_USAGE;
    if (settings_kafka(options, &redrive.kafka, redrive.why) != 0) {
        fprintf(stderr, "rxp-worker redrive: %s\n", redrive.why);
        return EXIT_USAGE;
    }
    if (take_options(&redrive) == 0) {
        interrupt_catch();
        status = run_redrive(&redrive) == 0 ? EXIT_OK : EXIT_FATAL;
        if (redrive.letters != NULL) {
            tell(&redrive);
        }
    }
    if (status != EXIT_OK) {
        fprintf(stderr, "rxp-worker redrive: %s\n", redrive.why);
    } else if (redrive.homeless + redrive.refused > 0) {
        status = EXIT_FATAL;
    }
    close_all(&redrive);
    return status;
}

const struct command command_redrive = {
    .name = "redrive",
    .bit = COMMAND_REDRIVE,
    .arguments = "",
    .summary = "put dead letters back on their topic",
    .about =
        "Reads --dead-letter-topic up to its present end and puts each message back on the topic that it came from, if\n"
        "that is among --invocations-topics, or on --to: byte for byte, with its key and headers, but without those that\n"
        "the worker added. What was put back is noted for a group of its own, GROUP-ID.redrive, after the broker has\n"
        "acknowledged it, and is not put back again, save for the last ones of a redrive that broke off. What is not\n"
        "chosen by --code or --invocation-id stays for another time. First mend what made them dead letters: a profile,\n"
        "egress-allow, a secret; else they come again, as new ones, which this redrive does not look at.\n"
        "\n"
        "Examples:\n"
        "  rxp-worker redrive --bootstrap-servers localhost:9092 --dead-letter-topic rxp.dead --dry-run\n"
        "  rxp-worker redrive --bootstrap-servers localhost:9092 --dead-letter-topic rxp.dead --code egress_denied\n"
        "\n"
        "Exit status: 0 all that were chosen are put back, 1 some are not (the reason is said), 2 usage.\n",
    .main = redrive_main,
};
