#include "support/console_stage.h"

/* ---- /status ---- */

static void stand(int64_t waiting)
{
    struct standing_whole whole = {.joined = true, .broker_seen_mono_ms = clock_mono_ms(), .in_flight = 4, .in_flight_bytes = 99};
    struct standing_partition two[] = {
        {.topic = "in", .partition = 0, .state = STANDING_RUNNING, .pauses = STANDING_PAUSE_WINDOW | STANDING_PAUSE_CROWD,
         .committed = 1, .frontier = 1, .position = 9, .end = 12, .waiting = waiting, .lag = 11, .in_flight = 4, .span = 8,
         .done_beyond = 4, .frontier_age_ms = 61000, .has_cells = true, .cells = {0, 255, 7}},
        {.topic = "in", .partition = 1, .state = STANDING_RESTORING, .committed = -1, .frontier = -1, .position = -1, .end = -1},
    };
    standing_renew(standing, &whole, two, 2);
}

START_TEST(the_status_tells_all_that_the_page_shows)
{
    stand(3);
    struct metrics_shard *shard = metrics_shard_new(metrics);
    metrics_add(shard, METRIC_RUNS_IN_FLIGHT, METRIC_PHASE_POLL, 4);
    metrics_add(shard, METRIC_RUNS_TOTAL, metrics_run_cell(RXP_STATUS_SUCCEEDED, RXP_OK), 5);
    struct gate *gate = gates_get(gates, "http://api:8080", 1);
    gate_failed(gate, 1);
    gate_join(gate);
    struct call call = now("GET", "/status", NULL);
    assert_json(&call);
    static const char *const parts[] = {
        "{\"worker_id\":\"w1\",\"version\":\"" RXP_VERSION "\",\"group_id\":\"g\",\"now_ms\":",
        ",\"phase\":\"running\",\"ready\":true,\"not_ready\":null,\"trouble\":null,\"guarantees\":{\"results\":\"at-least-once\","
        "\"kickoffs\":\"at-least-once\",\"checkpoints\":\"cp\"},\"can_cancel\":true,"
        "\"limits\":{\"max_in_flight\":50,\"max_in_flight_bytes\":1000,\"max_run_seconds\":60},\"in_flight\":4,\"in_flight_bytes\":99,",
        "\"phases\":{\"queued\":0,\"prepare\":0,\"kickoff\":0,\"wait\":0,\"poll\":4,\"fetch\":0,\"publish\":0},"
        "\"runs\":{\"succeeded\":5,\"failed\":0,\"timed_out\":0,\"cancelled\":0,\"rejected\":0},",
        "\"origins\":[{\"origin\":\"http://api:8080\",\"breaker\":\"open\",\"queued\":1}],",
        "\"waiting\":3,\"partitions_left_out\":0,\"partitions\":[{\"topic\":\"in\",\"partition\":0,\"state\":\"running\","
        "\"paused\":[\"window\",\"crowd\"],\"committed\":1,\"frontier\":1,\"position\":9,\"end\":12,\"waiting\":3,\"lag\":11,"
        "\"in_flight\":4,\"span\":8,\"done_beyond\":4,\"frontier_age_ms\":61000,\"cells\":[0,255,7,0,",
        "{\"topic\":\"in\",\"partition\":1,\"state\":\"restoring\",\"paused\":[],\"committed\":null,\"frontier\":null,"
        "\"position\":null,\"end\":null,\"waiting\":null,\"lag\":null,",
        "\"history\":{\"step_ms\":5000,",
        "\"failures\":[]}",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        assert_holds(&call, 200, parts[i]);
    }
    ck_assert(standing_wants_cells(standing, clock_mono_ms()));
    gate_leave(gate);
    gate_release(gate, 1);
    forget(&call);
}
END_TEST

START_TEST(many_viewers_share_an_answer)
{
    stand(3);
    struct call first = now("GET", "/status", NULL);
    int64_t written_ms = clock_mono_ms();
    stand(7);
    struct call second = now("GET", "/status", NULL);
    if (clock_mono_ms() - written_ms < 500) {
        ck_assert_str_eq(first.body, second.body);
    }
    struct call later = {.text = NULL};
    do {
        forget(&later);
        later = now("GET", "/status", NULL);
    } while (strcmp(later.body, first.body) == 0 && clock_mono_ms() < written_ms + DEADLINE_MS);
    assert_holds(&later, 200, "\"waiting\":7,\"partitions_left_out\"");
    forget(&first);
    forget(&second);
    forget(&later);
}
END_TEST

START_TEST(of_many_origins_the_worst_are_shown)
{
    struct gate *held[60];
    for (int i = 0; i < 60; i++) {
        char key[32];
        snprintf(key, sizeof key, "http://h%d:80", i);
        held[i] = gates_get(gates, key, 1);
        for (int n = 0; n < i; n++) {
            gate_join(held[i]);
        }
    }
    gate_failed(held[3], 1);
    struct call call = now("GET", "/status", NULL);
    assert_holds(&call, 200, "\"origins\":[{\"origin\":\"http://h3:80\",\"breaker\":\"open\",\"queued\":3},"
                 "{\"origin\":\"http://h59:80\",\"breaker\":\"closed\",\"queued\":59},{\"origin\":\"http://h58:80\"");
    assert_holds(&call, 200, "{\"origin\":\"http://h41:80\",\"breaker\":\"closed\",\"queued\":41}],");
    assert_json(&call);
    for (int i = 0; i < 60; i++) {
        for (int n = 0; n < i; n++) {
            gate_leave(held[i]);
        }
        gate_release(held[i], 1);
    }
    forget(&call);
}
END_TEST

START_TEST(of_very_many_partitions_some_are_left_out_but_counted)
{
    static struct standing_partition many[600];
    struct standing_whole whole = {.joined = true};
    for (int i = 0; i < 600; i++) {
        many[i] = (struct standing_partition){.topic = "in", .partition = i, .state = STANDING_RUNNING, .waiting = 2, .end = 2};
    }
    standing_renew(standing, &whole, many, 600);
    struct call call = now("GET", "/status", NULL);
    assert_holds(&call, 200, "\"waiting\":1200,\"partitions_left_out\":88,");
    assert_holds(&call, 200, "\"partition\":511,");
    ck_assert_ptr_null(strstr(call.text, "\"partition\":512,"));
    assert_json(&call);
    forget(&call);
}
END_TEST

/* ---- the page ---- */

static struct call get_page(const char *accepted)
{
    struct call call;
    begin_accepting(&call, "GET", "/", NULL, accepted);
    finish(&call);
    return call;
}

/* What gzip makes of the body; to be freed. */
static char *unpack(const struct call *call)
{
    char *page = calloc(1, ANSWER_BYTES);
    char command[80];
    FILE *packed = tmpfile();
    size_t bytes = call->text_bytes - (size_t)(call->body - call->text);
    ck_assert_uint_eq(fwrite(call->body, 1, bytes, packed), bytes);
    ck_assert_int_eq(fflush(packed), 0);
    snprintf(command, sizeof command, "gzip -dc </proc/%d/fd/%d", (int)getpid(), fileno(packed));
    FILE *out = popen(command, "r");
    ck_assert_uint_gt(fread(page, 1, ANSWER_BYTES - 1, out), 0);
    ck_assert_int_eq(pclose(out), 0);
    fclose(packed);
    return page;
}

START_TEST(the_page_runs_nothing_but_its_own)
{
    struct call call = get_page("gzip, deflate, br");
    assert_holds(&call, 200, "Content-Type: text/html; charset=utf-8");
    assert_holds(&call, 200, "Content-Encoding: gzip\r\n");
    assert_holds(&call, 200, "Vary: Accept-Encoding\r\n");
    assert_holds(&call, 200, "Content-Security-Policy: default-src 'none'; style-src 'sha256-");
    assert_holds(&call, 200, "'; script-src 'sha256-");
    assert_holds(&call, 200, "'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n");
    ck_assert_ptr_null(strstr(call.text, "unsafe"));
    char *page = unpack(&call);
    ck_assert_ptr_null(strstr(page, "innerHTML"));
    ck_assert_ptr_null(strstr(page, "@SCRIPT@"));
    ck_assert_ptr_nonnull(strstr(page, "</html>"));
    free(page);
    forget(&call);
}
END_TEST

START_TEST(who_cannot_unpack_the_page_is_told_how)
{
    static const struct {
        const char *accepted;
        int code;
    } of[] = {
        {NULL, 406}, {"", 406}, {"identity", 406}, {"deflate, br", 406}, {"gzip;q=0", 406}, {"br, gzip ; q=0.000", 406},
        {"gzipped", 406}, {"*;q=0", 406}, {"gzip;q=0, *", 406}, {"gzip", 200}, {"GZIP", 200}, {"br , gzip;q=0.5", 200},
        {"x-gzip", 200}, {"*", 200}, {"br;q=0, *;q=0.1", 200}, {"gzip;q=0.001", 200},
    };
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        struct call call = get_page(of[i].accepted);
        ck_assert_msg(call.code == of[i].code, "%s: %d", of[i].accepted != NULL ? of[i].accepted : "none", call.code);
        if (call.code == 406) {
            assert_holds(&call, 406, "Content-Type: text/plain");
            assert_holds(&call, 406, "Vary: Accept-Encoding\r\n");
            assert_holds(&call, 406, "curl --compressed");
        }
        forget(&call);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("console_status");
    TCase *tc = tcase_create("console_status");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_status_tells_all_that_the_page_shows);
    tcase_add_test(tc, many_viewers_share_an_answer);
    tcase_add_test(tc, of_many_origins_the_worst_are_shown);
    tcase_add_test(tc, of_very_many_partitions_some_are_left_out_but_counted);
    tcase_add_test(tc, the_page_runs_nothing_but_its_own);
    tcase_add_test(tc, who_cannot_unpack_the_page_is_told_how);
    suite_add_tcase(suite, tc);
    return suite;
}
