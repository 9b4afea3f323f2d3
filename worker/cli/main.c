/* rxp-worker: finds the command, reads its options, runs it. Only main exits. */
#include "cli/command.h"
#include "protocol/vocab.h"

#include <curl/curl.h>
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

#ifndef RXP_BACKEND
static int left_out(const struct options *options)
{
    (void)options;
    fputs("rxp-worker: this command needs the simulated backend, and this program was built without it; build with\n"
          "-DRXP_BACKEND=ON\n", stderr);
    return EXIT_USAGE;
}
const struct command command_demo = {
    .name = "demo",
    .bit = COMMAND_DEMO,
    .arguments = "",
    .summary = "(left out of this build)",
    .about = "This program was built without the simulated backend (-DRXP_BACKEND=OFF), which the demo needs.\n",
    .main = left_out,
};
const struct command command_backend = {
    .name = "backend",
    .bit = COMMAND_BACKEND,
    .arguments = "",
    .summary = "(left out of this build)",
    .about = "This program was built without the simulated backend (-DRXP_BACKEND=OFF).\n",
    .main = left_out,
};
#endif

static const struct command *const commands[] = {
    &command_run,     &command_demo,    &command_exec,   &command_validate, &command_submit,
    &command_results, &command_cancel,  &command_redrive, &command_offsets, &command_config,
    &command_backend, &command_health,
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static void print_overview(FILE *out)
{
    fputs("rxp-worker turns a Kafka topic of invocations into a Kafka topic of results: it starts long-running HTTP\n"
          "jobs, polls them until they are done, and never loses one.\n\n"
          "Usage: rxp-worker COMMAND [OPTION…] [ARGUMENT…]\n\nCommands:\n",
          out);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n"
          "  rxp-worker COMMAND --help   what a command does, its options, examples\n"
          "  rxp-worker --version        this version and those of its libraries\n",
          out);
#ifdef RXP_BACKEND
    fputs("\nTo see it work without anything else: rxp-worker demo\n", out);
#endif
}

static void print_help(const struct command *command)
{
    printf("rxp-worker %s: %s\n\nUsage: rxp-worker %s [OPTION…]%s%s\n\n%s", command->name, command->summary,
           command->name, *command->arguments != '\0' ? " " : "", command->arguments, command->about);
    options_print_help(command->bit, stdout);
    fputs("\nSettings:\n"
          "  An option may also stand in the environment (--log-level as RXP_LOG_LEVEL) or in the\n"
          "  file of --config (log-level = debug), save for those under 'Options of this command'.\n"
          "  Flags win over the environment, the environment over the file, the file over the default.\n"
          "  `rxp-worker config` shows what is in force, and where it comes from.\n",
          stdout);
}

static int refuse(const char *command, const char *sentence)
{
    fprintf(stderr, "rxp-worker%s%s: %s\ntry 'rxp-worker %s%s--help'\n", *command != '\0' ? " " : "", command, sentence,
            command, *command != '\0' ? " " : "");
    return EXIT_USAGE;
}

static int refuse_command(const char *word)
{
    char sentence[256];
    const char *names[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i]->name;
    const char *near = rxp_nearest(word, names, N_COMMANDS);
    if (*word == '-')
        snprintf(sentence, sizeof sentence, "unknown option '%.80s'; the options of a command come after its name", word);
    else if (near != NULL)
        snprintf(sentence, sizeof sentence, "unknown command '%.80s': did you mean '%s'?", word, near);
    else
        snprintf(sentence, sizeof sentence, "unknown command '%.80s'", word);
    return refuse("", sentence);
}

/* A command's `arguments` say how many it takes: none, one, or any number ("[FILE…]"). */
static int check_positionals(const struct command *command, const struct options *options)
{
    size_t n;
    const char *const *positional = options_positionals(options, &n);
    size_t at_most = *command->arguments == '\0' ? 0 : strstr(command->arguments, "…") != NULL ? n : 1;
    if (n <= at_most)
        return 0;
    char sentence[256];
    snprintf(sentence, sizeof sentence, "'%.80s' is one argument too many: this command takes %s", positional[at_most],
             at_most == 0 ? "none" : command->arguments);
    (void)refuse(command->name, sentence);
    return -1;
}

/* Output that did not arrive is a failure; a reader that has seen enough (`| head`) is none. */
static int finish(int status)
{
    errno = 0;
    struct pollfd reader = {.fd = STDOUT_FILENO};
    if ((fflush(stdout) == 0 && !ferror(stdout)) || (poll(&reader, 1, 0) == 1 && (reader.revents & POLLERR) != 0))
        return status;
    fprintf(stderr, "rxp-worker: can't write to stdout: %s\n", errno != 0 ? strerror(errno) : "output error");
    return status == EXIT_OK ? EXIT_FATAL : status;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct options *options;
    bool help;
    char why[OPTIONS_WHY_BYTES];
    if (options_read(command->bit, argc, argv, environ, &options, &help, why) < 0)
        return refuse(command->name, why);
    if (help) {
        print_help(command);
        return EXIT_OK;
    }
    int status = EXIT_USAGE;
    if (check_positionals(command, options) == 0)
        status = command->main(options);
    options_free(options);
    return status;
}

static int help_main(int argc, char **argv)
{
    if (argc == 0) {
        print_overview(stdout);
        return EXIT_OK;
    }
    const struct command *command = command_find(argv[0]);
    if (command == NULL)
        return refuse_command(argv[0]);
    print_help(command);
    return EXIT_OK;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0) {
        printf("rxp-worker %s (librdkafka %s, libcurl %s)\n", RXP_VERSION, rd_kafka_version_str(),
               curl_version_info(CURLVERSION_NOW)->version);
        return EXIT_OK;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0)
        return help_main(strcmp(word, "help") == 0 ? argc - 2 : 0, argv + 2);
    const struct command *command = command_find(word);
    return command != NULL ? run_command(command, argc - 2, argv + 2) : refuse_command(word);
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    return finish(dispatch(argc, argv));
}
