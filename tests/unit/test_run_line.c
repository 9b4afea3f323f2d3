#include "core/run_line.h"
#include "engine/awake.h"
#include "engine/trace_context.h"
#include "ops/log.h"
#include "protocol/invocation.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What the log holds of the line, without its time. The caller frees it; "" where there is none. */
static char *line_of(const struct job *job, enum log_runs which, enum log_level level)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    char *text = calloc(1, 8192);
    log_set_level(level);
    ck_assert_int_eq(log_start(fd, LOG_JSON), 0);
    run_line_write(job, which);
    log_stop();
    ck_assert_int_ge(pread(fd, text, 8191, 0), 0);
    close(fd);
    const char *from = strstr(text, "\"level\"");
    memmove(text, from != NULL ? from : "", from != NULL ? strlen(from) + 1 : 1);
    return text;
}

static struct rxp_invocation invocation = {.invocation_id = "inv-1", .runtime_name = "trainer"};

static struct awake awake;

static struct job job_of(struct assignment *assignment)
{
    struct job job = {.ref = {.assignment = assignment, .offset = 4711}};
    awake = (struct awake){.invocation = &invocation};
    job.run.awake = &awake;
    job.run.awake->run_id = (char *)(uintptr_t)"backend-7";
    job.run.cycle.polls = 13;
    job.run.started_at_ms = 1760000000500;
    job.run.awake->outcome = (struct outcome){.status = RXP_STATUS_TIMED_OUT, .error = RXP_ERROR_POLL_TIMEOUT,
                                       .summary = (char *)(uintptr_t)"too late",
                                       .finished_at_ms = 1760000001734};
    return job;
}

#define PLACE "\"topic\":\"in\",\"partition\":5,\"offset\":4711"

START_TEST(each_field_is_what_it_is_called)
{
    struct assignment assignment = {.topic = "in", .partition = 5};
    struct job job = job_of(&assignment);
    struct trace_context *trace = calloc(1, sizeof *trace + 1);
    strcpy(trace->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    strcpy(trace->span_id, "00f067aa0ba902b7");
    job.run.awake->trace = trace;
    char *line = line_of(&job, LOG_RUNS_ALL, LOG_INFO);
    ck_assert_str_eq(line, "\"level\":\"info\",\"event\":\"run_ended\",\"message\":\"timed_out: too late\","
                           "\"invocation_id\":\"inv-1\",\"runtime_name\":\"trainer\",\"status\":\"timed_out\","
                           "\"error_code\":\"poll_timeout\",\"seconds\":1.234,\"polls\":13,\"run_id\":\"backend-7\"," PLACE
                           ",\"trace_id\":\"4bf92f3577b34da6a3ce929d0e0e4736\"}\n");
    free(line);
    free(trace);
}
END_TEST

START_TEST(what_is_not_known_is_left_out)
{
    struct assignment assignment = {.topic = "in", .partition = 5};
    struct job job = job_of(&assignment);
    job.run.awake->invocation = NULL;
    job.run.awake->run_id = NULL;
    job.run.cycle.polls = 0;
    job.run.started_at_ms = 0;
    job.run.awake->outcome = (struct outcome){.status = RXP_STATUS_SUCCEEDED};
    char *line = line_of(&job, LOG_RUNS_ALL, LOG_INFO);
    ck_assert_str_eq(line, "\"level\":\"info\",\"event\":\"run_ended\",\"message\":\"succeeded\",\"status\":\"succeeded\","
                           "\"seconds\":0.000,\"polls\":0," PLACE "}\n");
    free(line);
}
END_TEST

static const struct {
    enum rxp_status status;
    enum log_runs which;
    enum log_level level;
    bool is_there;
} rows[] = {
    {RXP_STATUS_SUCCEEDED, LOG_RUNS_ALL, LOG_INFO, true},       {RXP_STATUS_FAILED, LOG_RUNS_ALL, LOG_INFO, true},
    {RXP_STATUS_SUCCEEDED, LOG_RUNS_FAILURES, LOG_INFO, false}, {RXP_STATUS_FAILED, LOG_RUNS_FAILURES, LOG_INFO, true},
    {RXP_STATUS_TIMED_OUT, LOG_RUNS_FAILURES, LOG_INFO, true},  {RXP_STATUS_CANCELLED, LOG_RUNS_FAILURES, LOG_INFO, true},
    {RXP_STATUS_REJECTED, LOG_RUNS_FAILURES, LOG_INFO, true},   {RXP_STATUS_FAILED, LOG_RUNS_NONE, LOG_INFO, false},
    {RXP_STATUS_SUCCEEDED, LOG_RUNS_NONE, LOG_DEBUG, false},    {RXP_STATUS_FAILED, LOG_RUNS_FAILURES, LOG_WARN, false},
    {RXP_STATUS_FAILED, LOG_RUNS_ALL, LOG_WARN, false},         {RXP_STATUS_FAILED, LOG_RUNS_FAILURES, LOG_DEBUG, true},
};

START_TEST(there_is_a_line_where_one_is_wanted)
{
    struct assignment assignment = {.topic = "in", .partition = 5};
    struct job job = job_of(&assignment);
    job.run.awake->outcome.status = rows[_i].status;
    char *line = line_of(&job, rows[_i].which, rows[_i].level);
    ck_assert_msg((*line != '\0') == rows[_i].is_there, "%s", line);
    free(line);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("run_line");
    TCase *tcase = tcase_create("run_line");
    tcase_add_test(tcase, each_field_is_what_it_is_called);
    tcase_add_test(tcase, what_is_not_known_is_left_out);
    tcase_add_loop_test(tcase, there_is_a_line_where_one_is_wanted, 0, sizeof rows / sizeof *rows);
    suite_add_tcase(suite, tcase);
    return suite;
}
