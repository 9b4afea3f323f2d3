#include "core/checkpoint.h"
#include "protocol/http_plan.h"
#include "protocol/url.h"
#include "support/check_main.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES 65536

#define RUN                                                                                                            \
    "{\"version\":1,\"readable_since\":1,\"kind\":\"run\",\"invocation_id\":\"order-17\","                             \
    "\"input_hash\":\"00c0ffee0badf00d\",\"run_id\":\"r-9\",\"prepared_id\":null,"                                     \
    "\"poll_url\":\"https://jobs.example/runs/r-9?view=\\\"full\\\"\",\"started_at\":1760000000123,"                   \
    "\"deadline\":1760003600123,\"polls\":7,\"worker_id\":\"worker-a\"}"

static char why[CHECKPOINT_WHY_BYTES];

static struct checkpoint *read_text(const char *text, enum checkpoint_reading reading)
{
    struct checkpoint *checkpoint = (struct checkpoint *)why;
    /* In a block without a NUL behind it, so that reading too far is seen. */
    size_t bytes = strlen(text);
    char *copy = malloc(bytes > 0 ? bytes : 1);
    memcpy(copy, text, bytes);
    enum checkpoint_reading found = checkpoint_read(copy, bytes, &checkpoint, why);
    free(copy);
    ck_assert_msg(found == reading, "%d instead of %d (%s): %s", found, reading, why, text);
    ck_assert_int_eq(checkpoint != NULL, reading == CHECKPOINT_READ);
    return checkpoint;
}

static void read_file(const char *path, char *out, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s", path);
    *bytes = fread(out, 1, FILE_MAX_BYTES, file);
    out[*bytes] = '\0';
    fclose(file);
}

static char *sample(const char *name)
{
    static char text[FILE_MAX_BYTES + 1];
    char path[512];
    size_t bytes;
    snprintf(path, sizeof path, SOURCE_DIR "/tests/unit/checkpoints/%s", name);
    read_file(path, text, &bytes);
    return text;
}

/* ---- samples: these files were written once, and every later version must read them as it says here ---- */

START_TEST(reads_the_run_of_version_1)
{
    struct checkpoint *checkpoint = read_text(sample("1-run.json"), CHECKPOINT_READ);
    ck_assert_int_eq(checkpoint->kind, CHECKPOINT_RUN);
    ck_assert(!checkpoint->unreadable);
    ck_assert_str_eq(checkpoint->invocation_id, "order-17");
    ck_assert_uint_eq(checkpoint->input_hash, UINT64_C(0x00c0ffee0badf00d));
    ck_assert_str_eq(checkpoint->run_id, "r-9");
    ck_assert_ptr_null(checkpoint->prepared_id);
    ck_assert_str_eq(checkpoint->poll_url, "https://jobs.example/runs/r-9?view=\"full\"");
    ck_assert_int_eq(checkpoint->started_at_ms, INT64_C(1760000000123));
    ck_assert_int_eq(checkpoint->deadline_ms, INT64_C(1760003600123));
    ck_assert_int_eq(checkpoint->polls, 7);
    ck_assert_str_eq(checkpoint->worker_id, "worker-a");
    free(checkpoint);
}
END_TEST

START_TEST(reads_the_intent_of_version_1)
{
    struct checkpoint *checkpoint = read_text(sample("1-intent.json"), CHECKPOINT_READ);
    ck_assert_int_eq(checkpoint->kind, CHECKPOINT_INTENT);
    ck_assert_str_eq(checkpoint->invocation_id, "order-18");
    ck_assert_uint_eq(checkpoint->input_hash, UINT64_MAX);
    ck_assert_ptr_null(checkpoint->poll_url);
    ck_assert_int_eq(checkpoint->started_at_ms, INT64_C(1760000000456));
    free(checkpoint);
}
END_TEST

START_TEST(reads_the_records_of_version_1_whose_id_was_too_long)
{
    static const char *const names[] = {"1-run-without-id.json", "1-intent-without-id.json"};
    for (size_t i = 0; i < 2; i++) {
        struct checkpoint *checkpoint = read_text(sample(names[i]), CHECKPOINT_READ);
        ck_assert_ptr_null(checkpoint->invocation_id);
        ck_assert(checkpoint_matches(checkpoint, "whatever it is", checkpoint->input_hash));
        ck_assert(!checkpoint_matches(checkpoint, "whatever it is", checkpoint->input_hash + 1));
        free(checkpoint);
    }
}
END_TEST

START_TEST(reads_what_a_newer_worker_wrote_for_this_one_too)
{
    struct checkpoint *checkpoint = read_text(sample("2-run.json"), CHECKPOINT_READ);
    ck_assert_int_eq(checkpoint->kind, CHECKPOINT_RUN);
    ck_assert_str_eq(checkpoint->invocation_id, "bestellung-ü-19");
    ck_assert_uint_eq(checkpoint->input_hash, 1);
    ck_assert_str_eq(checkpoint->run_id, "r-10");
    ck_assert_str_eq(checkpoint->prepared_id, "session-4");
    ck_assert_str_eq(checkpoint->poll_url, "https://jobs.example/runs/r-10");
    ck_assert_int_eq(checkpoint->deadline_ms, INT64_C(1790000060000));
    ck_assert_int_eq(checkpoint->polls, 0);
    ck_assert_ptr_null(checkpoint->worker_id);
    free(checkpoint);
    checkpoint = read_text(sample("2-intent.json"), CHECKPOINT_READ);
    ck_assert_int_eq(checkpoint->kind, CHECKPOINT_INTENT);
    ck_assert_uint_eq(checkpoint->input_hash, UINT64_C(0x0123456789abcdef));
    free(checkpoint);
}
END_TEST

START_TEST(stops_at_what_a_newer_worker_forbids)
{
    read_text(sample("3-run.json"), CHECKPOINT_TOO_NEW);
    ck_assert_str_eq(why, "version 3, readable since 2");
    read_text(sample("4-otherwise.json"), CHECKPOINT_TOO_NEW);
    ck_assert_str_eq(why, "version 4, readable since 4");
}
END_TEST

START_TEST(finds_stored_garbage_unreadable)
{
    static char text[FILE_MAX_BYTES + 1];
    glob_t files;
    ck_assert_int_eq(glob(SOURCE_DIR "/tests/unit/checkpoints/garbage/*", 0, NULL, &files), 0);
    ck_assert_uint_ge(files.gl_pathc, 10);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        size_t bytes;
        struct checkpoint *checkpoint;
        read_file(files.gl_pathv[i], text, &bytes);
        enum checkpoint_reading found = checkpoint_read(text, bytes, &checkpoint, why);
        ck_assert_msg(found == CHECKPOINT_UNREADABLE && checkpoint == NULL, "%s", files.gl_pathv[i]);
        ck_assert_msg(why[0] != '\0', "%s", files.gl_pathv[i]);
    }
    globfree(&files);
}
END_TEST

/* ---- reading ---- */

/* A good record in which one thing is replaced. */
static const struct {
    const char *what;
    const char *with;
    const char *why;
} wrong[] = {
    {"\"version\":1,", "", "no field 'version'"},
    {"\"version\":1", "\"version\":0", "'version' is not an integer from 1"},
    {"\"version\":1", "\"version\":\"1\"", "'version' is not an integer"},
    {"\"readable_since\":1,", "", "no field 'readable_since'"},
    {"\"readable_since\":1", "\"readable_since\":null", "'readable_since'"},
    {"\"readable_since\":1", "\"readable_since\":0", "'readable_since'"},
    {"\"readable_since\":1", "\"readable_since\":-2", "'readable_since'"},
    {"\"readable_since\":1", "\"readable_since\":2.0", "'readable_since'"},
    {"\"readable_since\":1", "\"readable_since\":99999999999999999999", "'readable_since'"},
    {"\"kind\":\"run\",", "", "no field 'kind'"},
    {"\"kind\":\"run\"", "\"kind\":\"Run\"", "'kind' is neither run nor intent"},
    {"\"kind\":\"run\"", "\"kind\":\"\"", "'kind' is not a string"},
    {"\"kind\":\"run\"", "\"kind\":1", "'kind' is not a string"},
    {"\"invocation_id\":\"order-17\"", "\"invocation_id\":\"\"", "'invocation_id' is not a string"},
    {"\"invocation_id\":\"order-17\"", "\"invocation_id\":[\"order-17\"]", "'invocation_id' is not a string"},
    {"\"invocation_id\":\"order-17\"", "\"invocation_id\":\"a\\u0000b\"", "not JSON"},
    {"\"input_hash\":\"00c0ffee0badf00d\",", "", "no field 'input_hash'"},
    {"00c0ffee0badf00d", "0c0ffee0badf00d", "'input_hash' is not 16 hexadecimal digits"},
    {"00c0ffee0badf00d", "000c0ffee0badf00d", "'input_hash' is not 16 hexadecimal digits"},
    {"00c0ffee0badf00d", "00C0FFEE0BADF00D", "'input_hash' is not 16 hexadecimal digits"},
    {"00c0ffee0badf00d", "00c0ffee0badf00g", "'input_hash' is not 16 hexadecimal digits"},
    {"\"00c0ffee0badf00d\"", "123", "'input_hash' is not a string"},
    {"\"run_id\":\"r-9\"", "\"run_id\":9", "'run_id' is not a string"},
    {"\"run_id\":\"r-9\"", "\"run_id\":\"\"", "'run_id' is not a string"},
    {"\"prepared_id\":null", "\"prepared_id\":false", "'prepared_id' is not a string"},
    {"\"poll_url\"", "\"poll\"", "no field 'poll_url'"},
    {"\"poll_url\":\"https://jobs.example/runs/r-9?view=\\\"full\\\"\"", "\"poll_url\":null", "'poll_url' is not a string"},
    {"\"poll_url\":\"https://jobs.example/runs/r-9?view=\\\"full\\\"\"", "\"poll_url\":\"\"", "'poll_url' is not a string"},
    {"\"started_at\":1760000000123,", "", "no field 'started_at'"},
    {"\"started_at\":1760000000123", "\"started_at\":-1", "'started_at' is not an integer"},
    {"\"started_at\":1760000000123", "\"started_at\":1760000000123.5", "'started_at' is not an integer"},
    {"\"started_at\":1760000000123", "\"started_at\":1e12", "'started_at' is not an integer"},
    {"\"started_at\":1760000000123", "\"started_at\":1000000000000001", "'started_at' is not an integer"},
    {"\"deadline\":1760003600123,", "", "no field 'deadline'"},
    {"\"deadline\":1760003600123", "\"deadline\":9223372036854775808", "'deadline' is not an integer"},
    {"\"polls\":7,", "", "no field 'polls'"},
    {"\"polls\":7", "\"polls\":2147483648", "'polls' is not an integer"},
    {"\"polls\":7", "\"polls\":true", "'polls' is not an integer"},
    {"\"polls\":7", "\"polls\":7,\"polls\":7", "not JSON"},
};

static char *replace(const char *text, const char *what, const char *with)
{
    static char out[FILE_MAX_BYTES];
    const char *at = strstr(text, what);
    ck_assert_msg(at != NULL, "%s", what);
    snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, with, at + strlen(what));
    return out;
}

START_TEST(refuses_each_wrong_field_and_names_it)
{
    read_text(replace(RUN, wrong[_i].what, wrong[_i].with), CHECKPOINT_UNREADABLE);
    ck_assert_msg(strstr(why, wrong[_i].why) == why, "%s: %s", wrong[_i].with, why);
}
END_TEST

static const struct {
    const char *what;
    const char *with;
} fine[] = {
    {"\"invocation_id\":\"order-17\",", ""},
    {"\"invocation_id\":\"order-17\"", "\"invocation_id\":null"},
    {"\"run_id\":\"r-9\",", ""},
    {"\"run_id\":\"r-9\"", "\"run_id\":null"},
    {"\"prepared_id\":null,", ""},
    {",\"worker_id\":\"worker-a\"", ""},
    {"\"worker_id\":\"worker-a\"", "\"worker_id\":\"\""},
    {"\"polls\":7", "\"polls\":2147483647"},
    {"\"started_at\":1760000000123", "\"started_at\":1000000000000000"},
    {"\"started_at\":1760000000123", "\"started_at\":0"},
    {"\"version\":1", "\"version\":2147483647"},
    {"{\"version\"", " \n{\"more\":{\"version\":9,\"readable_since\":9},\"version\""},
};

START_TEST(reads_what_may_be_so)
{
    free(read_text(replace(RUN, fine[_i].what, fine[_i].with), CHECKPOINT_READ));
}
END_TEST

START_TEST(a_cut_record_is_never_read)
{
    char text[] = RUN;
    for (size_t n = sizeof RUN - 1; n-- > 0;) {
        text[n] = '\0';
        read_text(text, CHECKPOINT_UNREADABLE);
    }
    free(read_text(RUN, CHECKPOINT_READ));
}
END_TEST

START_TEST(a_record_without_value_is_unreadable)
{
    struct checkpoint *checkpoint;
    ck_assert_int_eq(checkpoint_read(NULL, 0, &checkpoint, why), CHECKPOINT_UNREADABLE);
    ck_assert_ptr_null(checkpoint);
}
END_TEST

START_TEST(what_a_newer_worker_forbids_comes_before_all_other_faults)
{
    read_text("{\"readable_since\":2}", CHECKPOINT_TOO_NEW);
    read_text("{\"readable_since\":2,\"version\":\"two\",\"kind\":7}", CHECKPOINT_TOO_NEW);
    read_text("[{\"readable_since\":2}]", CHECKPOINT_UNREADABLE);
    read_text("{\"readable_since\":2,}", CHECKPOINT_UNREADABLE);
}
END_TEST

/* ---- writing ---- */

static const struct checkpoint run = {
    .kind = CHECKPOINT_RUN,
    .invocation_id = "order-17",
    .input_hash = UINT64_C(0x00c0ffee0badf00d),
    .run_id = "r-9",
    .poll_url = "https://jobs.example/runs/r-9?view=\"full\"",
    .started_at_ms = INT64_C(1760000000123),
    .deadline_ms = INT64_C(1760003600123),
    .polls = 7,
    .worker_id = "worker-a",
};

static void assert_writes(const struct checkpoint *checkpoint, const char *expected)
{
    size_t bytes = 0;
    char *text = checkpoint_write(checkpoint, &bytes);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(bytes, strlen(expected));
    free(text);
}

START_TEST(writes_the_samples_of_its_version)
{
    assert_writes(&run, sample("1-run.json"));
    const struct checkpoint intent = {
        .kind = CHECKPOINT_INTENT,
        .invocation_id = "order-18",
        .input_hash = UINT64_MAX,
        .started_at_ms = INT64_C(1760000000456),
        .worker_id = "worker-b",
    };
    assert_writes(&intent, sample("1-intent.json"));
}
END_TEST

static void assert_equal_text(const char *one, const char *other)
{
    ck_assert_int_eq(one == NULL, other == NULL);
    if (one != NULL)
        ck_assert_str_eq(one, other);
}

START_TEST(reads_whatever_it_writes)
{
    const struct checkpoint rows[] = {
        run,
        {.kind = CHECKPOINT_RUN, .invocation_id = "\n\t\"\\/\x01 \xf0\x9f\x90\xa2", .input_hash = 0, .run_id = "\"",
         .prepared_id = "\\", .poll_url = "http://x", .started_at_ms = CHECKPOINT_MAX_MS,
         .deadline_ms = CHECKPOINT_MAX_MS, .polls = INT_MAX, .worker_id = "w"},
        {.kind = CHECKPOINT_INTENT, .invocation_id = "i", .input_hash = 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t bytes;
        char *text = checkpoint_write(&rows[i], &bytes);
        struct checkpoint *back = read_text(text, CHECKPOINT_READ);
        ck_assert_int_eq(back->kind, rows[i].kind);
        assert_equal_text(back->invocation_id, rows[i].invocation_id);
        ck_assert_uint_eq(back->input_hash, rows[i].input_hash);
        assert_equal_text(back->run_id, rows[i].run_id);
        assert_equal_text(back->prepared_id, rows[i].prepared_id);
        assert_equal_text(back->poll_url, rows[i].poll_url);
        ck_assert_int_eq(back->started_at_ms, rows[i].started_at_ms);
        ck_assert_int_eq(back->deadline_ms, rows[i].deadline_ms);
        ck_assert_int_eq(back->polls, rows[i].polls);
        assert_equal_text(back->worker_id, rows[i].worker_id);
        free(back);
        free(text);
    }
}
END_TEST

static char *fill_with(char c, size_t n)
{
    char *text = malloc(n + 1);
    memset(text, c, n);
    text[n] = '\0';
    return text;
}

START_TEST(leaves_an_id_out_that_is_too_long_for_a_record)
{
    char *id = fill_with('i', CHECKPOINT_ID_MAX_BYTES + 1);
    struct checkpoint huge = run;
    huge.invocation_id = id;
    assert_writes(&huge, sample("1-run-without-id.json"));
    id[CHECKPOINT_ID_MAX_BYTES] = '\0';
    size_t bytes;
    char *text = checkpoint_write(&huge, &bytes);
    struct checkpoint *back = read_text(text, CHECKPOINT_READ);
    ck_assert_str_eq(back->invocation_id, id);
    free(back);
    free(text);
    free(id);
}
END_TEST

START_TEST(cuts_a_long_worker_id_between_characters)
{
    char *id = fill_with('w', CHECKPOINT_WORKER_ID_MAX_BYTES + 5);
    struct checkpoint named = run;
    named.worker_id = id;
    memcpy(id + CHECKPOINT_WORKER_ID_MAX_BYTES - 2, "\xe2\x82\xac", 3); /* the limit goes through it */
    for (int i = 0; i < 2; i++) {
        size_t bytes;
        char *text = checkpoint_write(&named, &bytes);
        struct checkpoint *back = read_text(text, CHECKPOINT_READ);
        ck_assert_uint_eq(strlen(back->worker_id), CHECKPOINT_WORKER_ID_MAX_BYTES - (i == 0 ? 2 : 0));
        ck_assert_int_eq(strncmp(back->worker_id, id, strlen(back->worker_id)), 0);
        free(back);
        free(text);
        memcpy(id + CHECKPOINT_WORKER_ID_MAX_BYTES - 3, "\xe2\x82\xac", 3); /* it ends at the limit */
        id[CHECKPOINT_WORKER_ID_MAX_BYTES] = 'w';
    }
    free(id);
}
END_TEST

START_TEST(no_record_is_larger_than_its_limit)
{
    /* Each of these bytes takes six in JSON. */
    char *id = fill_with('\x01', CHECKPOINT_ID_MAX_BYTES);
    char *run_id = fill_with('\x01', RXP_RUN_ID_MAX_BYTES);
    char *url = fill_with('\x01', URL_MAX_BYTES);
    char *worker = fill_with('\x01', 100 * CHECKPOINT_WORKER_ID_MAX_BYTES);
    const struct checkpoint largest = {
        .kind = CHECKPOINT_INTENT, .invocation_id = id, .input_hash = UINT64_MAX, .run_id = run_id, .prepared_id = run_id,
        .poll_url = url, .started_at_ms = INT64_MAX, .deadline_ms = INT64_MAX, .polls = INT_MAX, .worker_id = worker};
    size_t bytes;
    char *text = checkpoint_write(&largest, &bytes);
    ck_assert_uint_le(bytes, CHECKPOINT_MAX_BYTES);
    ck_assert_uint_gt(bytes, CHECKPOINT_MAX_BYTES * 3 / 4);
    free(read_text(text, CHECKPOINT_READ));
    free(text);
    free(worker);
    free(url);
    free(run_id);
    free(id);
}
END_TEST

START_TEST(writes_nothing_that_it_would_not_read)
{
    /* A clock that is wrong, ids that are empty: still a record. */
    struct checkpoint odd = run;
    odd.started_at_ms = -5;
    odd.deadline_ms = INT64_MAX;
    odd.polls = -1;
    odd.run_id = "";
    odd.prepared_id = "";
    odd.worker_id = NULL;
    size_t bytes;
    char *text = checkpoint_write(&odd, &bytes);
    struct checkpoint *back = read_text(text, CHECKPOINT_READ);
    ck_assert_int_eq(back->started_at_ms, 0);
    ck_assert_int_eq(back->deadline_ms, CHECKPOINT_MAX_MS);
    ck_assert_int_eq(back->polls, 0);
    ck_assert_ptr_null(back->run_id);
    ck_assert_ptr_null(back->prepared_id);
    free(back);
    free(text);
}
END_TEST

/* ---- comparing ---- */

START_TEST(matches_the_same_input_only)
{
    ck_assert(checkpoint_matches(&run, "order-17", UINT64_C(0x00c0ffee0badf00d)));
    ck_assert(!checkpoint_matches(&run, "order-18", UINT64_C(0x00c0ffee0badf00d)));
    ck_assert(!checkpoint_matches(&run, "order-1", UINT64_C(0x00c0ffee0badf00d)));
    ck_assert(!checkpoint_matches(&run, "order-17", UINT64_C(0x00c0ffee0badf00e)));
}
END_TEST

START_TEST(an_unreadable_one_is_an_intent_about_whatever_is_there)
{
    struct checkpoint *checkpoint = checkpoint_new_unreadable();
    ck_assert_int_eq(checkpoint->kind, CHECKPOINT_INTENT);
    ck_assert(checkpoint->unreadable);
    ck_assert(checkpoint_matches(checkpoint, "order-18", 5));
    free(checkpoint);
}
END_TEST

START_TEST(the_better_of_two_is_the_run_then_the_later_then_the_further)
{
    struct checkpoint later = run;
    struct checkpoint further = run;
    struct checkpoint intent = run;
    struct checkpoint unreadable = {.kind = CHECKPOINT_INTENT, .unreadable = true, .started_at_ms = INT64_MAX};
    later.started_at_ms++;
    later.polls = 0;
    further.polls++;
    intent.kind = CHECKPOINT_INTENT;
    intent.started_at_ms = INT64_MAX;
    const struct checkpoint *order[] = {&unreadable, &intent, &run, &further, &later};
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 5; k++)
            ck_assert_msg(checkpoint_yields_to(order[i], order[k]) == (i < k), "%zu and %zu", i, k);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("checkpoint");
    TCase *samples = tcase_create("samples");
    tcase_add_test(samples, reads_the_run_of_version_1);
    tcase_add_test(samples, reads_the_intent_of_version_1);
    tcase_add_test(samples, reads_what_a_newer_worker_wrote_for_this_one_too);
    tcase_add_test(samples, stops_at_what_a_newer_worker_forbids);
    tcase_add_test(samples, finds_stored_garbage_unreadable);
    suite_add_tcase(suite, samples);
    TCase *reading = tcase_create("reading");
    tcase_add_loop_test(reading, refuses_each_wrong_field_and_names_it, 0, (int)(sizeof wrong / sizeof *wrong));
    tcase_add_loop_test(reading, reads_what_may_be_so, 0, (int)(sizeof fine / sizeof *fine));
    tcase_add_test(reading, a_cut_record_is_never_read);
    tcase_add_test(reading, a_record_without_value_is_unreadable);
    tcase_add_test(reading, what_a_newer_worker_forbids_comes_before_all_other_faults);
    suite_add_tcase(suite, reading);
    TCase *writing = tcase_create("writing");
    tcase_add_test(writing, writes_the_samples_of_its_version);
    tcase_add_test(writing, reads_whatever_it_writes);
    tcase_add_test(writing, writes_nothing_that_it_would_not_read);
    tcase_add_test(writing, leaves_an_id_out_that_is_too_long_for_a_record);
    tcase_add_test(writing, cuts_a_long_worker_id_between_characters);
    tcase_add_test(writing, no_record_is_larger_than_its_limit);
    tcase_add_test(writing, reads_the_records_of_version_1_whose_id_was_too_long);
    suite_add_tcase(suite, writing);
    TCase *comparing = tcase_create("comparing");
    tcase_add_test(comparing, matches_the_same_input_only);
    tcase_add_test(comparing, an_unreadable_one_is_an_intent_about_whatever_is_there);
    tcase_add_test(comparing, the_better_of_two_is_the_run_then_the_later_then_the_further);
    suite_add_tcase(suite, comparing);
    return suite;
}
