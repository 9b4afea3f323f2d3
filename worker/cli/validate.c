#include "cli/command.h"
#include "cli/input.h"
#include "protocol/http_plan.h"
#include "protocol/invocation.h"
#include "protocol/json.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tally {
    size_t max_bytes;
    unsigned long long valid;
    unsigned long long invalid;
};

/* Part of a file's text: where it stands, for "FILE:LINE". */
struct passage {
    const char *file;
    size_t line;
    const char *at;
    size_t bytes;
};

static size_t count_lines(const char *text, size_t bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += text[i] == '\n';
    return n;
}

/* An id may hold anything: it must not command a terminal or look like a line of its own. */
static void print_visible(const char *text)
{
    for (; *text != '\0'; text++)
        putchar(iscntrl((unsigned char)*text) ? '?' : *text);
}

static void check_passage(struct tally *tally, const struct passage *passage)
{
    struct rxp_invocation *invocation = NULL;
    struct rxp_http_plan plan;
    struct rxp_refusal why;
    size_t line = passage->line;
    int refused = rxp_invocation_parse(passage->at, passage->bytes, tally->max_bytes, &invocation, &why);
    struct json_fault fault;
    if (refused == 0 && (refused = rxp_http_plan_make(invocation, &plan, &why)) == 0)
        rxp_http_plan_deinit(&plan);
    else if (why.error == RXP_ERROR_INVALID_JSON && passage->bytes <= tally->max_bytes &&
             json_check(passage->at, passage->bytes, JSON_KEYS_UNIQUE, &fault) < 0)
        line += count_lines(passage->at, fault.at_byte < passage->bytes ? fault.at_byte : passage->bytes);
    printf("%s:%zu: ", passage->file, line);
    if (refused == 0) {
        tally->valid++;
        fputs("valid ", stdout);
        print_visible(invocation->invocation_id);
    } else {
        tally->invalid++;
        printf("invalid: %s: ", rxp_error_name(why.error));
        print_visible(why.text);
    }
    putchar('\n');
    rxp_invocation_free(invocation);
}

static bool is_blank(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (strchr(" \t\r\n", text[i]) == NULL || text[i] == '\0')
            return false;
    }
    return true;
}

/* The next line that is not blank; false at the end. */
static bool next_line(const char *text, size_t bytes, size_t *cursor, struct passage *line)
{
    while (*cursor < bytes) {
        const char *at = text + *cursor;
        const char *end = memchr(at, '\n', bytes - *cursor);
        size_t n = end == NULL ? bytes - *cursor : (size_t)(end - at);
        *cursor += n + (end != NULL);
        line->line++;
        if (!is_blank(at, n)) {
            line->at = at;
            line->bytes = n;
            return true;
        }
    }
    return false;
}

/* One JSON document, however many lines it takes, or JSON Lines? A text that is neither is taken for a document with a
 * mistake where it begins like one (its first line opens what it does not close, and no line is whole by itself), so that
 * the mistake is reported once and in its place. */
static bool is_one_document(const char *text, size_t bytes)
{
    struct json_fault fault;
    if (json_check(text, bytes, JSON_KEYS_ANY, &fault) == 0)
        return true;
    struct passage line = {.line = 0};
    size_t cursor = 0;
    for (bool first = true; next_line(text, bytes, &cursor, &line); first = false) {
        size_t n = line.bytes;
        while (n > 0 && strchr(" \t\r", line.at[n - 1]) != NULL)
            n--;
        if (first && (n == 0 || line.at[n - 1] == '}' || memchr(line.at, '{', n) == NULL))
            return false;
        if (line.at[0] == '{' && json_check(line.at, line.bytes, JSON_KEYS_ANY, &fault) == 0)
            return false;
    }
    return true;
}

static void check_text(struct tally *tally, const char *file, const char *text, size_t bytes)
{
    struct passage passage = {.file = file, .line = 0};
    size_t cursor = 0;
    if (is_blank(text, bytes)) {
        printf("%s:1: invalid: invalid_json: there is no invocation in it\n", file);
        tally->invalid++;
    } else if (is_one_document(text, bytes)) {
        (void)next_line(text, bytes, &cursor, &passage);
        passage.bytes = bytes - (size_t)(passage.at - text);
        check_passage(tally, &passage);
    } else {
        while (next_line(text, bytes, &cursor, &passage))
            check_passage(tally, &passage);
    }
}

static int validate_main(const struct options *options)
{
    static const char *const standard_input[] = {"-"};
    size_t n;
    const char *const *path = options_positionals(options, &n);
    if (n == 0) {
        path = standard_input;
        n = 1;
        if (isatty(STDIN_FILENO))
            fputs("rxp-worker validate: reading stdin; end it with Ctrl-D\n", stderr);
    }
    struct tally tally = {.max_bytes = (size_t)options_int(options, "max-message-bytes")};
    bool unreadable = false;
    for (size_t i = 0; i < n; i++) {
        char why[512];
        size_t bytes;
        char *text = input_read(path[i], &bytes, why, sizeof why);
        if (text == NULL) {
            fprintf(stderr, "rxp-worker validate: %s\n", why);
            unreadable = true;
            continue;
        }
        check_text(&tally, strcmp(path[i], "-") == 0 ? "stdin" : path[i], text, bytes);
        free(text);
    }
    (void)fflush(stdout);
    fprintf(stderr, "%llu valid, %llu invalid\n", tally.valid, tally.invalid);
    return unreadable ? EXIT_USAGE : tally.invalid > 0 ? EXIT_FATAL : EXIT_OK;
}

const struct command command_validate = {
    .name = "validate",
    .bit = COMMAND_VALIDATE,
    .arguments = "[FILE…]",
    .summary = "say whether invocations are valid, and why not",
    .about =
        "Checks invocations as `run` does before it sends anything: the JSON, the contract's fields and\n"
        "the http.* metadata. A FILE holds one JSON document or JSON Lines; without one, or for '-', stdin\n"
        "is read. Prints a line for each invocation on stdout:\n"
        "\n"
        "  orders.jsonl:1: valid order-17\n"
        "  orders.jsonl:2: invalid: missing_metadata: missing metadata 'http.poll_status_path'\n"
        "\n"
        "The word after 'invalid' is the error.code that the result would bear. Kinds that this worker does\n"
        "not run (all but http and http_async) are invalid here, since they would be rejected.\n"
        "\n"
        "Examples:\n"
        "  rxp-worker validate orders.jsonl\n"
        "  make-invocations | rxp-worker validate && make-invocations | rxp-worker submit\n"
        "\n"
        "Exit status: 0 all are valid, 1 one is not, 2 usage, or a file can't be read.\n",
    .main = validate_main,
};
