#include "ops/log.h"
#include "ops/options.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_WORDS = 16 };

/* One call of options_read; words and environment are NULL-terminated. */
struct reading {
    struct options *options;
    int result;
    bool help;
    char why[OPTIONS_WHY_BYTES];
};

static struct reading read_all(enum option_command command, const char *const *words, const char *const *environment)
{
    struct reading reading = {.result = 0};
    char *argv[MAX_WORDS + 1] = {NULL};
    char *variables[MAX_WORDS + 1] = {NULL};
    int argc = 0;
    for (; words[argc] != NULL; argc++)
        argv[argc] = strdup(words[argc]);
    int n = 0;
    for (; environment[n] != NULL; n++)
        variables[n] = strdup(environment[n]);
    reading.result = options_read(command, argc, argv, variables, &reading.options, &reading.help, reading.why);
    /* options must not point into them */
    while (argc > 0)
        free(argv[--argc]);
    while (n > 0)
        free(variables[--n]);
    return reading;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *const none[] = {NULL};

static struct options *read_well(enum option_command command, const char *const *words, const char *const *environment)
{
    struct reading reading = read_all(command, words, environment);
    ck_assert_msg(reading.result == 0, "%s", reading.why);
    ck_assert_ptr_nonnull(reading.options);
    ck_assert(!reading.help);
    return reading.options;
}

/* A file with this text; its path lives until the next call. */
static const char *file_of(const char *text)
{
    static char path[64];
    if (path[0] != '\0')
        unlink(path);
    strcpy(path, "options-test-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

static const char *config_flag(const char *path)
{
    static char flag[96];
    snprintf(flag, sizeof flag, "--config=%s", path);
    return flag;
}

#define BROKER "--brokers=b:9092"

START_TEST(the_table_is_sound)
{
    size_t n;
    const struct option_spec *table = option_table(&n);
    ck_assert_uint_gt(n, 30);
    for (size_t i = 0; i < n; i++) {
        const struct option_spec *spec = &table[i];
        ck_assert_ptr_eq(option_find(spec->name), spec);
        if (spec->alias != NULL)
            ck_assert_ptr_eq(option_find(spec->alias), spec);
        ck_assert_msg(strspn(spec->name, "abcdefghijklmnopqrstuvwxyz-") == strlen(spec->name), "%s", spec->name);
        ck_assert_ptr_nonnull(spec->group);
        ck_assert_msg(spec->help[strlen(spec->help) - 1] == '.', "%s", spec->name);
        ck_assert_uint_ne(spec->commands, 0);
        ck_assert_msg((spec->type == OPTION_CHOICE) == (spec->choices != NULL), "%s", spec->name);
        ck_assert_msg(spec->choices != NULL || spec->type == OPTION_FLAG || spec->metavar != NULL, "%s", spec->name);
        if ((spec->type == OPTION_INT || spec->type == OPTION_DECIMAL))
            ck_assert_msg(spec->min < spec->max, "%s", spec->name);
        if (spec->value != NULL && *spec->value == '\0')
            ck_assert_msg(spec->may_be_empty, "%s", spec->name);
        if ((spec->commands & COMMAND_RUN) != 0)
            ck_assert_msg((spec->commands & COMMAND_CONFIG) != 0, "config knows all of run's: %s", spec->name);
        ck_assert_msg(!(spec->type == OPTION_FLAG) || spec->flag_only, "%s", spec->name);
    }
    ck_assert_ptr_null(option_find("nonsense"));
}
END_TEST

START_TEST(gives_the_defaults)
{
    struct options *options = read_well(COMMAND_RUN, WORDS(BROKER), none);
    ck_assert_str_eq(options_text(options, "bootstrap-servers"), "b:9092");
    ck_assert_str_eq(options_text(options, "invocations-topics"), "rxp.invocations");
    ck_assert_str_eq(options_text(options, "results-topic"), "rxp.results");
    ck_assert_str_eq(options_text(options, "dead-letter-topic"), "");
    ck_assert_str_eq(options_text(options, "group-id"), "rxp-worker");
    ck_assert_str_eq(options_text(options, "results-key"), "input");
    ck_assert_int_eq(options_int(options, "max-in-flight"), 50000);
    ck_assert_int_eq(options_int(options, "max-result-bytes"), 262144);
    ck_assert(options_decimal(options, "poll-jitter") == 0.1);
    ck_assert_int_eq(options_ms(options, "drain-seconds"), 25000);
    ck_assert_int_eq(options_ms(options, "connect-timeout-seconds"), 10000);
    ck_assert_int_eq(options_source(options, "group-id"), OPTION_DEFAULT);
    ck_assert_str_eq(options_origin(options, "group-id"), "default");
    size_t n;
    options_properties(options, &n);
    ck_assert_uint_eq(n, 0);
    options_free(options);
    options_free(NULL);
}
END_TEST

START_TEST(reads_every_form_of_a_flag)
{
    struct options *options = read_well(COMMAND_SUBMIT,
                                        WORDS("--brokers", "a:1", "first", "--wait", "--timeout-seconds=1.001", "-",
                                              "--client-id=x=y", "-X", "a.b=c=d", "-Xe.f=", "--", "--wait", "-X"),
                                        none);
    ck_assert_str_eq(options_text(options, "bootstrap-servers"), "a:1");
    ck_assert_str_eq(options_origin(options, "bootstrap-servers"), "--brokers");
    ck_assert_int_eq(options_source(options, "bootstrap-servers"), OPTION_FLAG_GIVEN);
    ck_assert(options_flag(options, "wait"));
    ck_assert_int_eq(options_ms(options, "timeout-seconds"), 1001);
    ck_assert_str_eq(options_text(options, "client-id"), "x=y");
    size_t n;
    const char *const *positionals = options_positionals(options, &n);
    ck_assert_uint_eq(n, 4);
    ck_assert_str_eq(positionals[0], "first");
    ck_assert_str_eq(positionals[1], "-");
    ck_assert_str_eq(positionals[2], "--wait");
    ck_assert_str_eq(positionals[3], "-X");
    const struct option_property *properties = options_properties(options, &n);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(properties[0].name, "a.b");
    ck_assert_str_eq(properties[0].value, "c=d");
    ck_assert_str_eq(properties[0].origin, "-X");
    ck_assert_str_eq(properties[1].name, "e.f");
    ck_assert_str_eq(properties[1].value, "");
    options_free(options);
}
END_TEST

START_TEST(a_switch_can_be_told_false_and_the_last_flag_wins)
{
    struct options *options =
        read_well(COMMAND_SUBMIT,
                  WORDS("--brokers=a:1,b:2", "--brokers=c:3", "--wait", "--wait=false", "-Xp=1", "-Xp=2"), none);
    ck_assert(!options_flag(options, "wait"));
    ck_assert_str_eq(options_text(options, "bootstrap-servers"), "c:3");
    size_t n;
    const struct option_property *properties = options_properties(options, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(properties[0].value, "2");
    options_free(options);
}
END_TEST

static const struct {
    const char *word[3];
    const char *why;
} refused[] = {
    {{"--max-inflight=5"}, "unknown option '--max-inflight': did you mean '--max-in-flight'?"},
    {{"--max-inflight", "5"}, "unknown option '--max-inflight': did you mean '--max-in-flight'?"},
    {{"--broker=x"}, "unknown option '--broker': did you mean '--brokers'?"},
    {{"--xyzzy"}, "unknown option '--xyzzy'"},
    {{"--follow"}, "option '--follow' belongs to 'results', not to 'run'"},
    {{"--max-message=1"}, "unknown option '--max-message': did you mean '--max-message-bytes'?"},
    {{"-z"}, "unknown option '-z': options are written '--name value', and a word that begins with '-' goes after '--'"},
    {{"--threads"}, "option '--threads' wants a value"},
    {{"--threads", "--group-id"},
     "option '--threads' wants a value and is followed by '--group-id'; if that is the value, write "
     "--threads=--group-id"},
    {{"--threads", "x"}, "option '--threads' wants a whole number from 0 to 256, not 'x'"},
    {{"--threads=1e1"}, "option '--threads' wants a whole number from 0 to 256, not '1e1'"},
    {{"--threads=0x10"}, "option '--threads' wants a whole number from 0 to 256, not '0x10'"},
    {{"--threads=2 "}, "option '--threads' wants a whole number from 0 to 256, not '2 '"},
    {{"--threads= 2"}, "option '--threads' wants a whole number from 0 to 256, not ' 2'"},
    {{"--threads=+2"}, "option '--threads' wants a whole number from 0 to 256, not '+2'"},
    {{"--threads=2.0"}, "option '--threads' wants a whole number from 0 to 256, not '2.0'"},
    {{"--threads=-1"}, "option '--threads' wants a whole number from 0 to 256, not '-1'"},
    {{"--threads", "-1"}, "option '--threads' wants a whole number from 0 to 256, not '-1'"},
    {{"--threads=257"}, "option '--threads' wants a whole number from 0 to 256, not '257'"},
    {{"--threads=99999999999999999999"},
     "option '--threads' wants a whole number from 0 to 256, not '99999999999999999999'"},
    {{"--threads="}, "option '--threads' can't be empty; leave it out for the default, 0"},
    {{"--group-id="}, "option '--group-id' can't be empty; leave it out for the default, rxp-worker"},
    {{"--brokers="}, "option '--brokers' can't be empty"},
    {{"--group-id=a\nb"}, "option '--group-id' has a control character in its value 'a?b'"},
    {{"--poll-jitter=1.01"}, "option '--poll-jitter' wants a decimal number from 0 to 1, not '1.01'"},
    {{"--poll-jitter=nan"}, "option '--poll-jitter' wants a decimal number from 0 to 1, not 'nan'"},
    {{"--poll-jitter=inf"}, "option '--poll-jitter' wants a decimal number from 0 to 1, not 'inf'"},
    {{"--poll-jitter=1."}, "option '--poll-jitter' wants a decimal number from 0 to 1, not '1.'"},
    {{"--poll-jitter=0,5"}, "option '--poll-jitter' wants a decimal number from 0 to 1, not '0,5'"},
    {{"--drain-seconds=1e3"}, "option '--drain-seconds' wants a decimal number from 0 to 86400, not '1e3'"},
    {{"--max-run-seconds=0"}, "option '--max-run-seconds' wants a decimal number from 0.001 to 31536000, not '0'"},
    {{"--results-key=Input"}, "option '--results-key' wants input or invocation_id, not 'Input'"},
    {{"--log-level=warning"}, "option '--log-level' wants debug, info, warn or error, not 'warning'"},
    {{"-X"}, "option '-X' wants a property of librdkafka and its value, as in -X security.protocol=SSL"},
    {{"-X", "hunter2"}, "option '-X' wants a property of librdkafka and its value, as in -X security.protocol=SSL"},
    {{"-X=v"}, "option '-X' wants a property of librdkafka and its value, as in -X security.protocol=SSL"},
    {{"--config=no/such/file"},
     "can't open the configuration file 'no/such/file': No such file or directory"},
    {{"--config=."}, "can't read the configuration file '.': Is a directory"},
};

START_TEST(refuses_a_wrong_flag_by_name)
{
    struct reading reading = read_all(COMMAND_RUN, refused[_i].word, none);
    ck_assert_int_eq(reading.result, -1);
    ck_assert_ptr_null(reading.options);
    ck_assert_str_eq(reading.why, refused[_i].why);
}
END_TEST

START_TEST(names_all_commands_that_know_an_option)
{
    struct reading reading = read_all(COMMAND_VALIDATE, WORDS("--poll-jitter=1"), none);
    ck_assert_str_eq(reading.why, "option '--poll-jitter' belongs to 'run', 'demo', 'exec' and 'config', not to "
                                  "'validate'");
    reading = read_all(COMMAND_SUBMIT, WORDS(BROKER, "--wait=maybe"), none);
    ck_assert_str_eq(reading.why,
                     "option '--wait' is a switch: it wants no value, or true or false, not 'maybe'");
    reading = read_all(COMMAND_RESULTS, WORDS(BROKER, "--status=done"), none);
    ck_assert_str_eq(reading.why, "option '--status' wants pending, running, succeeded, failed, timed_out, cancelled "
                                  "or rejected, not 'done'");
    reading = read_all(COMMAND_SUBMIT, WORDS(BROKER, "--timeout-seconds=x"), none);
    ck_assert_str_eq(reading.why, "option '--timeout-seconds' wants a decimal number from 0.001 to 31536000 (or "
                                  "nothing: off), not 'x'");
}
END_TEST

START_TEST(says_what_is_required_and_where_it_can_be_given)
{
    struct reading reading = read_all(COMMAND_RESULTS, none, none);
    ck_assert_int_eq(reading.result, -1);
    ck_assert_str_eq(reading.why, "bootstrap-servers is required: give --bootstrap-servers HOST:PORT,…, or "
                                  "RXP_BOOTSTRAP_SERVERS in the environment, or a line of the --config file");
    struct options *options = read_well(COMMAND_CONFIG, none, none);
    ck_assert_ptr_null(options_text(options, "bootstrap-servers"));
    options_free(options);
    options = read_well(COMMAND_EXEC, none, none);
    options_free(options);
}
END_TEST

START_TEST(help_wins_over_everything_before_a_double_dash)
{
    struct reading reading = read_all(COMMAND_RUN, WORDS("--nonsense", "--help"), none);
    ck_assert_int_eq(reading.result, 0);
    ck_assert(reading.help);
    ck_assert_ptr_null(reading.options);
    reading = read_all(COMMAND_RUN, WORDS("-h"), none);
    ck_assert(reading.help);
    options_free(read_well(COMMAND_EXEC, WORDS("--", "--help"), none));
}
END_TEST

START_TEST(flags_win_over_environment_over_file_over_default)
{
    const char *flag = config_flag(file_of("group-id = file\nclient-id = file\nresults-topic = file\n"
                                           "kafka.p1 = file\nkafka.p2 = file\nkafka.p3 = file\n"));
    struct options *options =
        read_well(COMMAND_RUN, WORDS(BROKER, flag, "--group-id=flag", "-Xp1=flag"),
                  WORDS("RXP_GROUP_ID=env", "RXP_CLIENT_ID=env", "RXP_KAFKA_P1=env", "RXP_KAFKA_P2=env"));
    ck_assert_str_eq(options_text(options, "group-id"), "flag");
    ck_assert_str_eq(options_text(options, "client-id"), "env");
    ck_assert_str_eq(options_text(options, "results-topic"), "file");
    ck_assert_str_eq(options_text(options, "invocations-topics"), "rxp.invocations");
    ck_assert_str_eq(options_origin(options, "group-id"), "--group-id");
    ck_assert_str_eq(options_origin(options, "client-id"), "RXP_CLIENT_ID");
    char place[96];
    snprintf(place, sizeof place, "%s:3", flag + strlen("--config="));
    ck_assert_str_eq(options_origin(options, "results-topic"), place);
    ck_assert_int_eq(options_source(options, "client-id"), OPTION_ENVIRONMENT);
    ck_assert_int_eq(options_source(options, "results-topic"), OPTION_FILE);

    size_t n;
    const struct option_property *properties = options_properties(options, &n);
    ck_assert_uint_eq(n, 3);
    for (size_t i = 0; i < n; i++) {
        static const char *const expected[] = {"flag", "env", "file"};
        size_t which = (size_t)(properties[i].name[1] - '1');
        ck_assert_str_eq(properties[i].value, expected[which]);
    }
    options_free(options);
}
END_TEST

START_TEST(reads_the_forms_of_a_file)
{
    const char *path = file_of("\xEF\xBB\xBF# a comment\n"
                               "\n"
                               "  max-in-flight   =  500   # at once\r\n"
                               "group-id=a#b\n"
                               "dead-letter-topic =    # off\n"
                               "brokers = x:1 , y:2\n"
                               "\t# another\n"
                               "kafka.sasl.password=p=w #d\n"
                               "poll-jitter = 0.25");
    char variable[96];
    snprintf(variable, sizeof variable, "RXP_CONFIG=%s", path);
    struct options *options = read_well(COMMAND_RUN, none, WORDS(variable));
    ck_assert_int_eq(options_int(options, "max-in-flight"), 500);
    ck_assert_str_eq(options_text(options, "group-id"), "a#b");
    ck_assert_str_eq(options_text(options, "dead-letter-topic"), "");
    ck_assert_int_eq(options_source(options, "dead-letter-topic"), OPTION_FILE);
    ck_assert_str_eq(options_text(options, "bootstrap-servers"), "x:1 , y:2");
    ck_assert(options_decimal(options, "poll-jitter") == 0.25);
    size_t n;
    const struct option_property *properties = options_properties(options, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(properties[0].name, "sasl.password");
    ck_assert_str_eq(properties[0].value, "p=w");
    options_free(options);

    /* An empty --config turns the file of the environment off. */
    options = read_well(COMMAND_EXEC, WORDS("--config="), WORDS(variable));
    ck_assert_int_eq(options_source(options, "max-in-flight"), OPTION_DEFAULT);
    options_free(options);
    options_free(read_well(COMMAND_EXEC, WORDS(config_flag(file_of(""))), none));
}
END_TEST

START_TEST(one_file_serves_all_commands)
{
    const char *flag = config_flag(file_of("group-id = g\nmax-in-flight = 5\nbrokers = x:1\n"));
    options_free(read_well(COMMAND_VALIDATE, WORDS(flag), none));
    options_free(read_well(COMMAND_RESULTS, WORDS(flag), none));
}
END_TEST

static const struct {
    const char *text;
    const char *why; /* after the file's name */
} bad_files[] = {
    {"\nmax-inflight = 5\n", ":2: unknown key 'max-inflight': did you mean 'max-in-flight'?"},
    {"xyzzy = 5\n", ":1: unknown key 'xyzzy'; librdkafka's own are written 'kafka.NAME'"},
    {"from-beginnin = 5\n", ":1: unknown key 'from-beginnin'; librdkafka's own are written 'kafka.NAME'"},
    {"kafka. = 5\n", ":1: unknown key 'kafka.'; librdkafka's own are written 'kafka.NAME'"},
    {"# x\n\nmax-in-flight = many\n", ":3: 'max-in-flight' wants a whole number from 1 to 10000000, not 'many'"},
    {"brokers =\n", ":1: 'brokers' can't be empty"},
    {"group-id\n", ":1: a line is 'name = value', a comment (# …) or empty; this one is neither"},
    {"= 5\n", ":1: a line is 'name = value', a comment (# …) or empty; this one is neither"},
    {"follow = true\n", ":1: 'follow' can't be set in a file: give it as --follow"},
    {"config = x\n", ":1: 'config' can't be set in a file: give it as --config"},
};

START_TEST(refuses_a_wrong_line_by_file_and_number)
{
    const char *path = file_of(bad_files[_i].text);
    char why[OPTIONS_WHY_BYTES];
    snprintf(why, sizeof why, "%s%s", path, bad_files[_i].why);
    /* also where a flag would win over the line */
    struct reading reading =
        read_all(COMMAND_RUN, WORDS(config_flag(path), BROKER, "--max-in-flight=5"), none);
    ck_assert_int_eq(reading.result, -1);
    ck_assert_str_eq(reading.why, why);
}
END_TEST

START_TEST(refuses_a_file_that_is_huge)
{
    const size_t limit = (size_t)1024 * 1024;
    char *text = malloc(limit + 2);
    memset(text, '#', limit + 1);
    text[limit + 1] = '\0';
    struct reading reading = read_all(COMMAND_EXEC, WORDS(config_flag(file_of(text))), none);
    ck_assert_int_eq(reading.result, -1);
    ck_assert_ptr_nonnull(strstr(reading.why, "is over 1048576 bytes"));
    text[limit] = '\0';
    options_free(read_well(COMMAND_EXEC, WORDS(config_flag(file_of(text))), none));
    free(text);
}
END_TEST

START_TEST(reads_the_environment)
{
    struct options *options = read_well(
        COMMAND_RUN, none,
        WORDS("PATH=/bin", "RXP_BROKERS=alias:1", "RXP_MAX_IN_FLIGHT=7", "RXP_DEAD_LETTER_TOPIC=",
              "RXP_KAFKA_SASL_USERNAME=me", "RXP_KAFKA_SERVICE_HOST=10.0.0.1", "RXP_KAFKA_PORT=tcp://10.0.0.1:9092",
              "RXP_KAFKA_PORT_9092_TCP_ADDR=10.0.0.1", "RXP_KAFKA_SERVICE_PORT_PLAIN=9092", "RXP_KAFKA_=x"));
    ck_assert_str_eq(options_text(options, "bootstrap-servers"), "alias:1");
    ck_assert_str_eq(options_origin(options, "bootstrap-servers"), "RXP_BROKERS");
    ck_assert_int_eq(options_int(options, "max-in-flight"), 7);
    ck_assert_int_eq(options_source(options, "dead-letter-topic"), OPTION_ENVIRONMENT);
    size_t n;
    const struct option_property *properties = options_properties(options, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(properties[0].name, "sasl.username");
    ck_assert_str_eq(properties[0].value, "me");
    ck_assert_str_eq(properties[0].origin, "RXP_KAFKA_SASL_USERNAME");
    options_free(options);

    options = read_well(COMMAND_RUN, none, WORDS("RXP_BROKERS=alias:1", "RXP_BOOTSTRAP_SERVERS=name:1"));
    ck_assert_str_eq(options_text(options, "bootstrap-servers"), "name:1");
    options_free(options);

    struct reading reading = read_all(COMMAND_RUN, WORDS(BROKER, "--max-in-flight=5"), WORDS("RXP_MAX_IN_FLIGHT=1e3"));
    ck_assert_int_eq(reading.result, -1);
    ck_assert_str_eq(reading.why, "RXP_MAX_IN_FLIGHT wants a whole number from 1 to 10000000, not '1e3'");
    reading = read_all(COMMAND_RUN, WORDS(BROKER), WORDS("RXP_GROUP_ID="));
    ck_assert_str_eq(reading.why, "RXP_GROUP_ID can't be empty; leave it out for the default, rxp-worker");
}
END_TEST

/* What options_read logs on stderr. The caller frees it. */
static char *warnings_of(const char *const *words, const char *const *environment)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    struct reading reading = read_all(COMMAND_EXEC, words, environment);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ck_assert_msg(reading.result == 0, "%s", reading.why);
    options_free(reading.options);
    char *text = calloc(1, 8192);
    rewind(file);
    ck_assert_uint_lt(fread(text, 1, 8191, file), 8191);
    fclose(file);
    return text;
}

START_TEST(only_warns_of_variables_that_it_does_not_know)
{
    const char *const environment[] = {"RXP_MAX_INFLIGHT=5", "RXP_WORKER_SERVICE_HOST=10.0.0.1",
                                       "RXP_KAFKA_SERVICE_HOST=10.0.0.1", "RXP_FOLLOW=secret-value", "NORXP_X=1",
                                       "RXP_BROKERS=x:1", "RXP_KAFKA_SASL_PASSWORD=pw", NULL};
    char *text = warnings_of(none, environment);
    ck_assert_ptr_nonnull(strstr(text, "RXP_MAX_INFLIGHT is not known: did you mean RXP_MAX_IN_FLIGHT?"));
    ck_assert_ptr_nonnull(strstr(text, "RXP_WORKER_SERVICE_HOST is not known and is ignored"));
    ck_assert_ptr_nonnull(strstr(text, "RXP_KAFKA_SERVICE_HOST is not known and is ignored"));
    ck_assert_ptr_nonnull(strstr(text, "RXP_FOLLOW is ignored: --follow can be given on the command line alone"));
    ck_assert_ptr_null(strstr(text, "secret-value"));
    ck_assert_ptr_null(strstr(text, "NORXP_X"));
    ck_assert_ptr_null(strstr(text, "BROKERS"));
    ck_assert_ptr_null(strstr(text, "SASL"));
    free(text);
    text = warnings_of(WORDS("--log-level=error"), environment);
    ck_assert_str_eq(text, "");
    free(text);
}
END_TEST

static char *printed(void (*print)(FILE *out, enum option_command command), enum option_command command)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    print(out, command);
    fclose(out);
    return text;
}

static void print_help(FILE *out, enum option_command command)
{
    options_print_help(command, out);
}

static void print_reference(FILE *out, enum option_command command)
{
    (void)command;
    options_print_reference(out);
}

START_TEST(help_has_exactly_the_options_of_its_command_within_80_columns)
{
    size_t n;
    const struct option_spec *table = option_table(&n);
    for (unsigned command = COMMAND_RUN; command <= COMMAND_BACKEND; command <<= 1) {
        char *text = printed(print_help, (enum option_command)command);
        for (size_t i = 0; i < n; i++) {
            char flag[80];
            snprintf(flag, sizeof flag, "\n  --%s%s", table[i].name,
                     table[i].alias != NULL ? "," : table[i].type == OPTION_FLAG ? "\n" : " ");
            bool listed = strstr(text, flag) != NULL;
            ck_assert_msg(!listed || strstr(strstr(text, flag) + 1, flag) == NULL, "twice: %s", table[i].name);
            ck_assert_msg(listed == ((table[i].commands & command) != 0), "%u %s", command, table[i].name);
        }
        bool kafka = (option_find("client-id")->commands & command) != 0;
        ck_assert((strstr(text, "-X NAME=VALUE") != NULL) == kafka);
        for (char *rest = text, *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n"))
            ck_assert_msg(strlen(line) <= 84, "%s", line); /* bytes: an ellipsis is three */
        free(text);
    }
}
END_TEST

START_TEST(help_says_defaults_and_what_is_required)
{
    char *text = printed(print_help, COMMAND_RUN);
    ck_assert_ptr_nonnull(strstr(text, "  --bootstrap-servers, --brokers HOST:PORT,…\n"));
    ck_assert_ptr_nonnull(strstr(text, "Required.\n"));
    ck_assert_ptr_nonnull(strstr(text, "  --results-key input|invocation_id\n"));
    ck_assert_ptr_nonnull(strstr(text, "Default: 50000.\n"));
    ck_assert_ptr_null(strstr(text, "Default: .\n"));
    free(text);
}
END_TEST

START_TEST(the_reference_is_a_table_of_all_options)
{
    size_t n;
    const struct option_spec *table = option_table(&n);
    char *text = printed(print_reference, COMMAND_RUN);
    size_t rows = 0;
    ck_assert_ptr_nonnull(strstr(text, "timeout\\_seconds"));
    for (char *rest = text, *line = strsep(&rest, "\n"); rest != NULL; line = strsep(&rest, "\n"), rows++) {
        size_t bars = 0;
        for (char *at = line; *at != '\0'; at++)
            bars += *at == '|' && (at == line || at[-1] != '\\');
        ck_assert_msg(bars == 5, "%s", line);
        if (rows >= 2)
            ck_assert_ptr_nonnull(strstr(line, table[rows - 2].name));
    }
    ck_assert_uint_eq(rows, n + 2);
    free(text);
}
END_TEST

static void forget_file(void)
{
    (void)file_of("");
    unlink(config_flag(file_of("")) + strlen("--config="));
}

Suite *test_suite(void)
{
    Suite *suite = suite_create("options");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, NULL, forget_file);
    tcase_add_test(all, the_table_is_sound);
    tcase_add_test(all, gives_the_defaults);
    tcase_add_test(all, reads_every_form_of_a_flag);
    tcase_add_test(all, a_switch_can_be_told_false_and_the_last_flag_wins);
    tcase_add_loop_test(all, refuses_a_wrong_flag_by_name, 0, (int)(sizeof refused / sizeof refused[0]));
    tcase_add_test(all, names_all_commands_that_know_an_option);
    tcase_add_test(all, says_what_is_required_and_where_it_can_be_given);
    tcase_add_test(all, help_wins_over_everything_before_a_double_dash);
    tcase_add_test(all, flags_win_over_environment_over_file_over_default);
    tcase_add_test(all, reads_the_forms_of_a_file);
    tcase_add_test(all, one_file_serves_all_commands);
    tcase_add_loop_test(all, refuses_a_wrong_line_by_file_and_number, 0,
                        (int)(sizeof bad_files / sizeof bad_files[0]));
    tcase_add_test(all, refuses_a_file_that_is_huge);
    tcase_add_test(all, reads_the_environment);
    tcase_add_test(all, only_warns_of_variables_that_it_does_not_know);
    tcase_add_test(all, help_has_exactly_the_options_of_its_command_within_80_columns);
    tcase_add_test(all, help_says_defaults_and_what_is_required);
    tcase_add_test(all, the_reference_is_a_table_of_all_options);
    suite_add_tcase(suite, all);
    return suite;
}
