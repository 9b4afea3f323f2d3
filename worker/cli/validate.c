#include "cli/command.h"
#include "cli/documents.h"
#include "cli/input.h"
#include "cli/settings.h"
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
    const struct profile_set *profiles; /* NULL: none */
    size_t max_bytes;
    unsigned long long valid;
    unsigned long long invalid;
};

/* An id may hold anything: it must not command a terminal or look like a line of its own. */
static void print_visible(const char *text)
{
    for (; *text != '\0'; text++)
        putchar(iscntrl((unsigned char)*text) ? '?' : *text);
}

static void check_document(struct tally *tally, const char *file, const struct document *document)
{
    struct rxp_invocation *invocation = NULL;
    struct rxp_http_plan plan;
    struct rxp_refusal why;
    size_t line = document->line;
    int refused = rxp_invocation_parse(document->at, document->bytes, tally->max_bytes, &invocation, &why);
    struct json_fault fault;
    const struct rxp_defaults *defaults = NULL;
    if (refused == 0)
        refused = profile_set_find(tally->profiles, invocation->runtime_name, &defaults, &why);
    if (refused == 0 && (refused = rxp_http_plan_make(invocation, defaults, &plan, &why)) == 0)
        rxp_http_plan_deinit(&plan);
    else if (why.error == RXP_ERROR_INVALID_JSON && document->bytes <= tally->max_bytes &&
             json_check(document->at, document->bytes, JSON_KEYS_UNIQUE, &fault) < 0)
        line += documents_count_lines(document->at, fault.at_byte < document->bytes ? fault.at_byte : document->bytes);
    printf("%s:%zu: ", file, line);
    if (refused == 0) {
        tally->valid++;
        fputs("valid ", stdout);
        print_visible(invocation->invocation_id);
    } else {
        tally->invalid++;
        if (rxp_lacked_memory(&why))
            fputs("not looked at: ", stdout);
        else
            printf("invalid: %s: ", rxp_error_name(why.error));
        print_visible(why.text);
    }
    putchar('\n');
    rxp_invocation_free(invocation);
}

static void check_text(struct tally *tally, const char *file, const char *text, size_t bytes)
{
    struct documents documents;
    struct document document;
    bool any = false;
    documents_init(&documents, text, bytes);
    while (documents_next(&documents, &document)) {
        any = true;
        check_document(tally, file, &document);
    }
    if (!any) {
        printf("%s:1: invalid: invalid_json: there is no invocation in it\n", file);
        tally->invalid++;
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
    char fault[SETTINGS_WHY_BYTES];
    struct profiles *profiles = settings_profiles(options, fault);
    if (profiles == NULL) {
        fprintf(stderr, "rxp-worker validate: %s\n", fault);
        return EXIT_USAGE;
    }
    struct profile_set *set = profiles_hold(profiles);
    struct tally tally = {.profiles = set, .max_bytes = (size_t)options_int(options, "max-message-bytes")};
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
    profile_set_release(set);
    profiles_free(profiles);
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
        "not run (all but http and http_async) are invalid here, since they would be rejected. Where the worker\n"
        "has profiles, give the same --profiles-dir and --profiles here.\n"
        "\n"
        "Examples:\n"
        "  rxp-worker validate orders.jsonl\n"
        "  make-invocations | rxp-worker validate && make-invocations | rxp-worker submit\n"
        "\n"
        "Exit status: 0 all are valid, 1 one is not, 2 usage, or a file can't be read.\n",
    .main = validate_main,
};
