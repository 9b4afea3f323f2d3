#include "base/clock.h"
#include "ops/log.h"
#include "ops/log_repeats.h"
#include "ops/metrics.h"
#include "support/check_main.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What a pipe or file holds, as text. The caller frees it. */
static char *read_to_end(int fd)
{
    size_t bytes = 0;
    size_t room = (size_t)4 * 1024 * 1024;
    char *text = malloc(room);
    ck_assert_ptr_nonnull(text);
    for (ssize_t n = 1; n > 0 && bytes < room - 1; bytes += (size_t)n) {
        n = read(fd, text + bytes, room - 1 - bytes);
        ck_assert_int_ge(n, 0);
    }
    text[bytes] = '\0';
    return text;
}

/* Lines written between start and stop, through a pipe. */
struct spy {
    int end[2];
};

static void spy_start(struct spy *spy, enum log_format format)
{
    ck_assert_int_eq(pipe(spy->end), 0);
    ck_assert_int_eq(log_start(spy->end[1], format), 0);
}

static char *spy_stop(struct spy *spy)
{
    log_stop();
    close(spy->end[1]);
    char *text = read_to_end(spy->end[0]);
    close(spy->end[0]);
    return text;
}

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static int64_t mono_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t mono_ms(void)
{
    return mono_us() / 1000;
}

START_TEST(writes_a_json_object_a_line)
{
    struct spy spy;
    spy_start(&spy, LOG_JSON);
    log_event(LOG_WARN, "some_event", "topic '%s' has %d partitions", "a\"b\\c", 6);
    char *text = spy_stop(&spy);
    const char *after_stamp = "Z\",\"level\":\"warn\",\"event\":\"some_event\","
                              "\"message\":\"topic 'a\\\"b\\\\c' has 6 partitions\"}\n";
    ck_assert_int_eq(strncmp(text, "{\"time\":\"20", 11), 0);
    ck_assert_uint_eq(strlen(text), strlen("{\"time\":\"2026-11-23T06:00:00.123") + strlen(after_stamp));
    ck_assert_str_eq(strchr(text, 'Z'), after_stamp);
    free(text);
}
END_TEST

static const struct log_field fields[] = {
    {.key = "invocation_id", .text = "a \"b\"\n"},
    {.key = "trace_id"},
    {.key = "offset", .kind = LOG_FIELD_NUMBER, .number = -7},
    {.key = "run_seconds", .kind = LOG_FIELD_SECONDS, .number = 61234},
    {.key = "topic", .text = "plain"},
};

START_TEST(writes_fields_behind_the_message)
{
    struct spy spy;
    spy_start(&spy, LOG_JSON);
    log_fields(LOG_INFO, "run_ended", fields, 5, "%s", "ended");
    char *text = spy_stop(&spy);
    ck_assert_str_eq(strchr(text, 'Z'), "Z\",\"level\":\"info\",\"event\":\"run_ended\",\"message\":\"ended\","
                                        "\"invocation_id\":\"a \\\"b\\\"\\n\",\"offset\":-7,\"run_seconds\":61.234,"
                                        "\"topic\":\"plain\"}\n");
    free(text);
}
END_TEST

START_TEST(writes_fields_as_text)
{
    struct spy spy;
    spy_start(&spy, LOG_TEXT);
    log_fields(LOG_INFO, "run_ended", fields, 5, "ended");
    char *text = spy_stop(&spy);
    ck_assert_str_eq(strchr(text, 'Z'), "Z INFO run_ended ended invocation_id=\"a \\\"b\\\"\\n\" offset=-7 "
                                        "run_seconds=61.234 topic=plain\n");
    free(text);
}
END_TEST

static const struct {
    int64_t number;
    const char *as_number;
    const char *as_seconds;
} numbers[] = {
    {0, "0", "0.000"},
    {7, "7", "0.007"},
    {-7, "-7", "-0.007"},
    {999, "999", "0.999"},
    {-1000, "-1000", "-1.000"},
    {61234, "61234", "61.234"},
    {100000, "100000", "100.000"},
    {INT64_MAX, "9223372036854775807", "9223372036854775.807"},
    {INT64_MIN, "-9223372036854775808", "-9223372036854775.808"},
};

START_TEST(writes_numbers_and_seconds)
{
    char wanted[128];
    struct spy spy;
    const struct log_field both[] = {log_number("n", numbers[_i].number), log_seconds("s", numbers[_i].number)};
    spy_start(&spy, LOG_JSON);
    log_fields(LOG_INFO, "run_ended", both, 2, "ended");
    char *text = spy_stop(&spy);
    snprintf(wanted, sizeof wanted, ",\"n\":%s,\"s\":%s}\n", numbers[_i].as_number, numbers[_i].as_seconds);
    ck_assert_str_eq(strstr(text, ",\"n\""), wanted);
    free(text);
}
END_TEST

START_TEST(cuts_the_message_and_not_the_fields)
{
    char longest[9000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    struct log_field both[] = {log_text("too_long", longest), log_number("offset", 12)};
    struct spy spy;
    spy_start(&spy, LOG_JSON);
    log_fields(LOG_INFO, "some_event", both, 2, "%s", longest);
    char *text = spy_stop(&spy);
    ck_assert_uint_le(strlen(text), 4096);
    ck_assert_uint_ge(strlen(text), 4000);
    ck_assert_ptr_nonnull(strstr(text, "xxx\",\"offset\":12}\n"));
    ck_assert_ptr_null(strstr(text, "too_long"));
    free(text);
}
END_TEST

START_TEST(leaves_out_repeats_of_a_warning_and_says_how_many)
{
    struct spy spy;
    spy_start(&spy, LOG_TEXT);
    for (int i = 0; i < 25; i++) {
        log_event(LOG_WARN, "often", "%d", i);
        log_event(LOG_ERROR, "also_often", "%d", i);
        log_event(LOG_INFO, "assigned", "%d", i);
        log_event(LOG_WARN, "run_ended", "%d", i);
    }
    log_event(LOG_WARN, "seldom", "once");
    char *text = spy_stop(&spy);
    ck_assert_uint_eq(count_lines(text), 10 + 10 + 25 + 25 + 1 + 2);
    ck_assert_ptr_nonnull(strstr(text, "WARN often 9\n"));
    ck_assert_ptr_null(strstr(text, "WARN often 10\n"));
    ck_assert_ptr_nonnull(strstr(text, "WARN log_repeats 15 more lines of the event often were left out"));
    ck_assert_ptr_nonnull(strstr(text, "WARN log_repeats 15 more lines of the event also_often were left out"));
    free(text);
}
END_TEST

START_TEST(a_minute_later_a_repeat_is_written_again)
{
    static struct log_repeats repeats;
    int left_out = 0;
    for (int i = 0; i < LOG_REPEATS_MAX; i++)
        ck_assert(log_repeats_pass(&repeats, "often", 1000));
    ck_assert_int_eq(log_repeats_next_ms(&repeats), CLOCK_NEVER);
    ck_assert(!log_repeats_pass(&repeats, "often", 2000));
    ck_assert(!log_repeats_pass(&repeats, "often", 60999));
    ck_assert(log_repeats_pass(&repeats, "other", 60999));
    ck_assert_int_eq(log_repeats_next_ms(&repeats), 61000);
    ck_assert_ptr_null(log_repeats_take(&repeats, 60999, &left_out));
    ck_assert_str_eq(log_repeats_take(&repeats, 61000, &left_out), "often");
    ck_assert_int_eq(left_out, 2);
    ck_assert_ptr_null(log_repeats_take(&repeats, 61000, &left_out));
    ck_assert(log_repeats_pass(&repeats, "often", 61000));
}
END_TEST

START_TEST(more_events_than_it_has_room_for_are_not_limited)
{
    static struct log_repeats repeats;
    char event[LOG_EVENT_BYTES];
    for (int i = 0; i < LOG_REPEATS_EVENTS; i++) {
        snprintf(event, sizeof event, "event_%d", i);
        ck_assert(log_repeats_pass(&repeats, event, 0));
    }
    for (int i = 0; i < 3 * LOG_REPEATS_MAX; i++)
        ck_assert(log_repeats_pass(&repeats, "one_more", 0));
    /* A minute later there is room. */
    for (int i = 0; i < LOG_REPEATS_MAX; i++)
        ck_assert(log_repeats_pass(&repeats, "one_more", LOG_REPEATS_MS));
    ck_assert(!log_repeats_pass(&repeats, "one_more", LOG_REPEATS_MS));
}
END_TEST

START_TEST(counts_events_by_level)
{
    struct metrics *metrics = metrics_new(NULL, 0);
    struct spy spy;
    spy_start(&spy, LOG_TEXT);
    log_use_metrics(metrics);
    for (int i = 0; i < 25; i++)
        log_event(LOG_WARN, "often", "%d", i);
    log_event(LOG_DEBUG, "unseen", "not logged");
    log_event(LOG_ERROR, "once", "logged");
    log_use_metrics(NULL);
    log_event(LOG_ERROR, "once", "logged, and not counted");
    free(spy_stop(&spy));
    ck_assert_int_eq(metrics_read(metrics, METRIC_LOG_LINES_TOTAL, LOG_WARN), 25);
    ck_assert_int_eq(metrics_read(metrics, METRIC_LOG_LINES_TOTAL, LOG_ERROR), 1);
    ck_assert_int_eq(metrics_read(metrics, METRIC_LOG_LINES_TOTAL, LOG_DEBUG), 0);
    metrics_free(metrics);
}
END_TEST

START_TEST(writes_a_text_line)
{
    struct spy spy;
    spy_start(&spy, LOG_TEXT);
    log_event(LOG_ERROR, "some_event", "it \"%s\"", "broke");
    char *text = spy_stop(&spy);
    ck_assert_str_eq(strchr(text, 'Z'), "Z ERROR some_event it \"broke\"\n");
    ck_assert_uint_eq(strcspn(text, "Z"), strlen("2026-11-23T06:00:00.123"));
    free(text);
}
END_TEST

static const struct {
    const char *message;
    const char *json;
    const char *text;
} escapes[] = {
    {"a\nb\rc\td", "a\\nb\\rc\\td", "a\\nb\\rc\\td"},
    {"red \x1b[31m", "red \\u001b[31m", "red \\u001b[31m"},
    {"del \x7f, csi \xC2\x9B", "del \\u007f, csi \\u009b", "del \\u007f, csi \\u009b"},
    {"quote \" and \\", "quote \\\" and \\\\", "quote \" and \\"},
    {"gr\xC3\xBC\xC3\x9F \xE2\x9C\x93 \xF0\x9F\x98\x80", "gr\xC3\xBC\xC3\x9F \xE2\x9C\x93 \xF0\x9F\x98\x80",
     "gr\xC3\xBC\xC3\x9F \xE2\x9C\x93 \xF0\x9F\x98\x80"},
    {"bad \xFF \xC3( \xC0\xAF", "bad \xEF\xBF\xBD \xEF\xBF\xBD( \xEF\xBF\xBD\xEF\xBF\xBD",
     "bad \xEF\xBF\xBD \xEF\xBF\xBD( \xEF\xBF\xBD\xEF\xBF\xBD"},
    {"surrogate \xED\xA0\x80", "surrogate \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD",
     "surrogate \xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
    {"cut \xE2\x9C", "cut \xEF\xBF\xBD\xEF\xBF\xBD", "cut \xEF\xBF\xBD\xEF\xBF\xBD"},
};

START_TEST(escapes_what_could_forge_a_line_or_command_a_terminal)
{
    struct spy spy;
    char expected[256];
    for (int json = 0; json < 2; json++) {
        spy_start(&spy, json ? LOG_JSON : LOG_TEXT);
        log_event(LOG_INFO, "e", "%s", escapes[_i].message);
        char *text = spy_stop(&spy);
        snprintf(expected, sizeof expected, json ? "\"message\":\"%s\"}\n" : " INFO e %s\n",
                 json ? escapes[_i].json : escapes[_i].text);
        ck_assert_ptr_nonnull(strstr(text, expected));
        ck_assert_uint_eq(count_lines(text), 1);
        free(text);
    }
}
END_TEST

START_TEST(cuts_a_long_line_and_keeps_its_frame_and_its_letters_whole)
{
    char message[8001];
    for (size_t i = 0; i < sizeof message - 1; i += 2)
        memcpy(message + i, "\xC3\xBC", 2);
    message[sizeof message - 1] = '\0';
    for (size_t shift = 0; shift < 2; shift++) {
        struct spy spy;
        spy_start(&spy, LOG_JSON);
        log_event(LOG_INFO, "long", "%s%s", shift ? "x" : "", message);
        char *text = spy_stop(&spy);
        size_t bytes = strlen(text);
        ck_assert_uint_le(bytes, 4096);
        ck_assert_uint_gt(bytes, 3900);
        ck_assert_str_eq(text + bytes - 3, "\"}\n");
        size_t letters_end = bytes - 3;
        /* Whole letters, or the replacement of one that was cut. */
        ck_assert(memcmp(text + letters_end - 2, "\xC3\xBC", 2) == 0 ||
                  memcmp(text + letters_end - 3, "\xEF\xBF\xBD", 3) == 0);
        free(text);
    }
}
END_TEST

START_TEST(a_long_line_is_as_long_as_may_be)
{
    char message[8001];
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    struct spy spy;
    spy_start(&spy, LOG_JSON);
    log_event(LOG_INFO, "long", "%s", message);
    char *text = spy_stop(&spy);
    size_t bytes = strlen(text);
    ck_assert_uint_eq(bytes, 4096);
    ck_assert_str_eq(text + bytes - 4, "x\"}\n");
    free(text);
}
END_TEST

START_TEST(leaves_out_what_is_below_the_level)
{
    struct spy spy;
    spy_start(&spy, LOG_TEXT);
    log_event(LOG_DEBUG, "hidden", "by default");
    log_set_level(LOG_ERROR);
    log_event(LOG_WARN, "hidden", "now");
    log_event(LOG_ERROR, "shown", "always");
    log_set_level(LOG_DEBUG);
    log_event(LOG_DEBUG, "shown", "now");
    char *text = spy_stop(&spy);
    ck_assert_ptr_null(strstr(text, "hidden"));
    ck_assert_uint_eq(count_lines(text), 2);
    free(text);
}
END_TEST

START_TEST(knows_the_words_of_the_levels)
{
    enum log_level level = LOG_ERROR;
    ck_assert(log_level_parse("debug", &level) && level == LOG_DEBUG);
    ck_assert(log_level_parse("info", &level) && level == LOG_INFO);
    ck_assert(log_level_parse("warn", &level) && level == LOG_WARN);
    ck_assert(log_level_parse("error", &level) && level == LOG_ERROR);
    ck_assert(!log_level_parse("WARN", &level));
    ck_assert(!log_level_parse("", &level));
    ck_assert_int_eq(level, LOG_ERROR);
}
END_TEST

START_TEST(writes_text_to_stderr_while_it_is_not_started)
{
    struct spy spy;
    ck_assert_int_eq(pipe(spy.end), 0);
    int saved = dup(STDERR_FILENO);
    dup2(spy.end[1], STDERR_FILENO);
    log_event(LOG_WARN, "early", "before the start");
    struct spy other;
    spy_start(&other, LOG_JSON);
    free(spy_stop(&other));
    log_event(LOG_WARN, "late", "after the stop");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(spy.end[1]);
    char *text = read_to_end(spy.end[0]);
    ck_assert_ptr_nonnull(strstr(text, " WARN early before the start\n"));
    ck_assert_ptr_nonnull(strstr(text, " WARN late after the stop\n"));
    free(text);
}
END_TEST

enum { FLOOD = 20000 };

static char big_word[400];

static void flood(int n)
{
    memset(big_word, 'x', sizeof big_word - 1);
    for (int i = 0; i < n; i++)
        log_event(LOG_INFO, "flood", "%d %s", i, big_word);
}

/* 20,000 lines of 400 bytes are more than pipe and queue hold: where a write blocked, this would not end. */
START_TEST(never_blocks_when_nobody_reads_and_says_how_many_were_dropped)
{
    struct spy spy;
    spy_start(&spy, LOG_TEXT);
    flood(FLOOD);
    log_event(LOG_INFO, "short", "it would still fit, before lines that did not");
    int64_t before = mono_ms();
    log_stop(); /* the pipe is full: gives up */
    int64_t waited = mono_ms() - before;
    ck_assert_int_ge(waited, 900);
    ck_assert_int_lt(waited, 10000);

    /* A reader that comes back late still gets what was queued, whole, and the number. */
    unsigned long long dropped = 0;
    size_t lines = 0;
    FILE *in = fdopen(spy.end[0], "r");
    char line[4200];
    while (dropped == 0 && fgets(line, sizeof line, in) != NULL) {
        const char *sentence = strstr(line, "WARN log_dropped ");
        const char *number = strstr(line, "INFO flood ");
        if (sentence != NULL)
            dropped = strtoull(sentence + strlen("WARN log_dropped "), NULL, 10);
        else if (number != NULL)
            ck_assert_uint_eq(strtoull(number + strlen("INFO flood "), NULL, 10), lines++);
        else
            ck_abort_msg("a line overtook those that were dropped: %s", line);
        ck_assert_ptr_nonnull(strchr(line, '\n'));
    }
    ck_assert_uint_gt(dropped, 0);
    /* The writer may have swapped once: then a second chunk follows the number, with a number of its own. */
    while (lines + dropped < FLOOD + 1 && fgets(line, sizeof line, in) != NULL) {
        const char *sentence = strstr(line, "WARN log_dropped ");
        if (sentence != NULL)
            dropped += strtoull(sentence + strlen("WARN log_dropped "), NULL, 10);
        else
            lines++;
    }
    ck_assert_uint_eq(lines + dropped, FLOOD + 1);
    fclose(in);
}
END_TEST

/* A packet is a write: there is one each 5 ms at most, however many lines there are. */
START_TEST(lines_that_come_closely_are_written_together)
{
    int end[2];
    char packet[64 * 1024];
    size_t lines = 0;
    int64_t writes = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, end), 0);
    ck_assert_int_eq(log_start(end[1], LOG_TEXT), 0);
    int64_t begun_ms = mono_ms();
    for (int i = 0; i < 120; i++) {
        log_event(LOG_INFO, "some_event", "line %d", i);
        for (int64_t from_us = mono_us(); mono_us() < from_us + 100;)
            ; /* time enough for the writer to write this one */
    }
    log_stop();
    int64_t took_ms = mono_ms() - begun_ms;
    close(end[1]);
    for (ssize_t n; (n = read(end[0], packet, sizeof packet - 1)) > 0; writes++) {
        packet[n] = '\0';
        lines += count_lines(packet);
    }
    close(end[0]);
    ck_assert_uint_eq(lines, 120);
    ck_assert_int_le(writes, took_ms / 5 + 2);
}
END_TEST

START_TEST(survives_a_reader_that_goes_away)
{
    signal(SIGPIPE, SIG_IGN);
    struct spy spy;
    spy_start(&spy, LOG_TEXT);
    close(spy.end[0]);
    flood(FLOOD);
    int64_t before = mono_ms();
    log_stop();
    ck_assert_int_lt(mono_ms() - before, 900);
    close(spy.end[1]);
}
END_TEST

START_TEST(waits_for_a_descriptor_that_does_not_block)
{
    struct spy spy;
    ck_assert_int_eq(pipe2(spy.end, O_NONBLOCK), 0);
    ck_assert_int_eq(log_start(spy.end[1], LOG_TEXT), 0);
    flood(600); /* more than the pipe's 64 KiB, less than the queue */
    size_t lines = 0;
    char chunk[65536];
    for (int64_t deadline = mono_ms() + 30000; lines < 600 && mono_ms() < deadline;) {
        struct pollfd wait = {.fd = spy.end[0], .events = POLLIN};
        poll(&wait, 1, 1000);
        ssize_t n = read(spy.end[0], chunk, sizeof chunk);
        for (ssize_t i = 0; i < n; i++)
            lines += chunk[i] == '\n';
    }
    ck_assert_uint_eq(lines, 600);
    log_stop();
    close(spy.end[0]);
    close(spy.end[1]);
}
END_TEST

static void *log_many(void *opaque)
{
    for (int i = 0; i < 250; i++)
        log_event(LOG_INFO, "many", "thread %s line %d", (const char *)opaque, i);
    return NULL;
}

START_TEST(keeps_the_lines_of_several_threads_apart)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(log_start(fileno(file), LOG_TEXT), 0);
    pthread_t thread[4];
    char name[4][2] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, log_many, name[i]), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    log_stop();
    lseek(fileno(file), 0, SEEK_SET);
    char *text = read_to_end(fileno(file));
    fclose(file);
    ck_assert_uint_eq(count_lines(text), 1000);
    ck_assert_ptr_nonnull(strstr(text, " INFO many thread d line 249\n"));
    for (char *rest = text, *line = strsep(&rest, "\n"); rest != NULL; line = strsep(&rest, "\n"))
        ck_assert_ptr_eq(strstr(line, "INFO many thread "), line + strlen("2026-11-23T06:00:00.123Z "));
    free(text);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("log");
    TCase *lines = tcase_create("lines");
    tcase_add_test(lines, writes_a_json_object_a_line);
    tcase_add_test(lines, writes_fields_behind_the_message);
    tcase_add_test(lines, writes_fields_as_text);
    tcase_add_loop_test(lines, writes_numbers_and_seconds, 0, sizeof numbers / sizeof numbers[0]);
    tcase_add_test(lines, cuts_the_message_and_not_the_fields);
    tcase_add_test(lines, leaves_out_repeats_of_a_warning_and_says_how_many);
    tcase_add_test(lines, a_minute_later_a_repeat_is_written_again);
    tcase_add_test(lines, more_events_than_it_has_room_for_are_not_limited);
    tcase_add_test(lines, counts_events_by_level);
    tcase_add_test(lines, writes_a_text_line);
    tcase_add_loop_test(lines, escapes_what_could_forge_a_line_or_command_a_terminal, 0,
                        (int)(sizeof escapes / sizeof escapes[0]));
    tcase_add_test(lines, cuts_a_long_line_and_keeps_its_frame_and_its_letters_whole);
    tcase_add_test(lines, a_long_line_is_as_long_as_may_be);
    tcase_add_test(lines, leaves_out_what_is_below_the_level);
    tcase_add_test(lines, knows_the_words_of_the_levels);
    tcase_add_test(lines, writes_text_to_stderr_while_it_is_not_started);
    suite_add_tcase(suite, lines);
    TCase *readers = tcase_create("readers");
    tcase_set_timeout(readers, 60);
    tcase_add_test(readers, never_blocks_when_nobody_reads_and_says_how_many_were_dropped);
    tcase_add_test(readers, lines_that_come_closely_are_written_together);
    tcase_add_test(readers, survives_a_reader_that_goes_away);
    tcase_add_test(readers, waits_for_a_descriptor_that_does_not_block);
    tcase_add_test(readers, keeps_the_lines_of_several_threads_apart);
    suite_add_tcase(suite, readers);
    return suite;
}
