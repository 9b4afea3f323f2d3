#include "engine/profile_file.h"
#include "engine/profiles.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GOOD "\"metadata\":{\"http.url\":\"http://h/x\"}"

/* ---- one file ---- */

struct file_row {
    const char *text;
    const char *says; /* NULL: it is taken */
};

static const struct file_row file_rows[] = {
    {"{" GOOD "}", NULL},
    {"{\"metadata\":{}}", NULL},
    {"{" GOOD ",\"runtime_kind\":\"http\",\"secrets\":{\"A\":\"h:80,i\"},\"kickoffs_per_second\":0.5}\n", NULL},
    {"{" GOOD ",\"runtime_kind\":\"http_async\",\"kickoffs_per_second\":1e3,\"secrets\":{}}", NULL},
    {"{\"metadata\":{\"http.url\":\"http://h/x\",\"var.model\":\"m\"}}", NULL},
    {"", "p.json: it is not JSON"},
    {"[]", "p.json: it is no JSON object"},
    {"{}", "p.json: it has no metadata"},
    {"{" GOOD "} {}", "p.json: it is not JSON"},
    {"{" GOOD "," GOOD "}", "p.json: it is not JSON: "},
    {"{" GOOD ",\"secret\":{}}", "p.json: unknown key 'secret': did you mean 'secrets'?"},
    {"{\"metadata\":[]}", "p.json: metadata is no object of strings"},
    {"{\"metadata\":{\"http.poll_interval_seconds\":2}}",
     "p.json: metadata: the value of 'http.poll_interval_seconds' is no string: put it in quotes"},
    {"{\"metadata\":{\"rxp.start_before\":\"x\"}}", "p.json: metadata: 'rxp.start_before' is neither"},
    {"{\"metadata\":{\"tenant\":\"x\"}}", "p.json: metadata: 'tenant' is neither an http.* nor a var.* key"},
    {"{" GOOD ",\"runtime_kind\":\"container\"}", "p.json: its runtime_kind is neither"},
    {"{" GOOD ",\"runtime_kind\":null}", "p.json: its runtime_kind is neither"},
    {"{" GOOD ",\"secrets\":{\"a b\":\"h\"}}", "p.json: secrets: 'a b' cannot be the name of a secret"},
    {"{" GOOD ",\"secrets\":{\"A\":\"*\"}}", "p.json: secrets: the hosts of A: '*': patterns are not taken here"},
    {"{" GOOD ",\"secrets\":{\"A\":\"\"}}", "p.json: secrets: the hosts of A: '': an entry is empty"},
    {"{" GOOD ",\"secrets\":{\"A\":[\"h\"]}}", "p.json: secrets: the value of 'A' is no string"},
    {"{" GOOD ",\"kickoffs_per_second\":0}", "p.json: its kickoffs_per_second is no number above 0"},
    {"{" GOOD ",\"kickoffs_per_second\":-1}", "p.json: its kickoffs_per_second is no number above 0"},
    {"{" GOOD ",\"kickoffs_per_second\":1e99}", "p.json: its kickoffs_per_second is no number above 0"},
    {"{" GOOD ",\"kickoffs_per_second\":\"5\"}", "p.json: its kickoffs_per_second is no number above 0"},
};

START_TEST(a_file_is_read_strictly)
{
    const struct file_row *row = &file_rows[_i];
    struct rxp_defaults defaults;
    char why[PROFILE_WHY_BYTES] = "";
    int failed = profile_file_read("p.json", row->text, strlen(row->text), false, &defaults, why);
    if (row->says == NULL) {
        ck_assert_msg(failed == 0, "%s: %s", row->text, why);
        ck_assert_str_eq(defaults.name, "p.json");
    } else {
        ck_assert_msg(failed != 0, "%s is taken", row->text);
        ck_assert_msg(strncmp(why, row->says, strlen(row->says)) == 0, "%s: '%s'", row->text, why);
    }
    profile_file_deinit(&defaults);
}
END_TEST

START_TEST(a_file_says_all_that_defaults_hold)
{
    static const char text[] = "{\"runtime_kind\":\"http\",\"metadata\":{\"http.url\":\"http://h/\\u00e9\"},"
                               "\"secrets\":{\"A\":\"h\",\"B\":\"i:1\"},\"kickoffs_per_second\":2.5}";
    struct rxp_defaults defaults;
    char why[PROFILE_WHY_BYTES] = "";
    /* the URL is not ASCII */
    ck_assert_int_ne(profile_file_read("p.json", text, sizeof text - 1, true, &defaults, why), 0);
    ck_assert_msg(strstr(why, "http.url") != NULL, "%s", why);
    static const char better[] = "{\"runtime_kind\":\"http\",\"metadata\":{\"http.url\":\"http://h/\\u0065\"},"
                                 "\"secrets\":{\"A\":\"h\",\"B\":\"i:1\"},\"kickoffs_per_second\":2.5}";
    ck_assert_msg(profile_file_read("p.json", better, sizeof better - 1, true, &defaults, why) == 0, "%s", why);
    ck_assert(defaults.only && defaults.has_kind && defaults.kind == RXP_KIND_HTTP);
    ck_assert_uint_eq(defaults.n_metadata, 1);
    ck_assert_str_eq(defaults.metadata[0].value, "http://h/e");
    ck_assert_uint_eq(defaults.n_secret_bindings, 2);
    ck_assert_str_eq(defaults.secret_bindings[1].key, "B");
    ck_assert_str_eq(defaults.secret_bindings[1].value, "i:1");
    ck_assert_double_eq_tol(defaults.kickoffs_per_second, 2.5, 1e-9);
    profile_file_deinit(&defaults);
}
END_TEST

START_TEST(where_messages_say_least_a_profile_with_polls_is_for_runs_that_are_polled)
{
    static const char polls[] = "{\"metadata\":{\"http.poll_status_path\":\"s\"}}";
    static const char none[] = "{\"metadata\":{\"http.url\":\"http://h/\"}}";
    struct rxp_defaults defaults;
    char why[PROFILE_WHY_BYTES] = "";
    ck_assert_msg(profile_file_read("p.json", polls, sizeof polls - 1, true, &defaults, why) == 0, "%s", why);
    ck_assert(defaults.has_kind && defaults.kind == RXP_KIND_HTTP_ASYNC);
    profile_file_deinit(&defaults);
    ck_assert_msg(profile_file_read("p.json", polls, sizeof polls - 1, false, &defaults, why) == 0, "%s", why);
    ck_assert(!defaults.has_kind);
    profile_file_deinit(&defaults);
    ck_assert_msg(profile_file_read("p.json", none, sizeof none - 1, true, &defaults, why) == 0, "%s", why);
    ck_assert(!defaults.has_kind);
    profile_file_deinit(&defaults);
}
END_TEST

/* ---- a directory ---- */

static char dir[64];
static struct profiles *profiles;
static char why[PROFILES_WHY_BYTES];

static void setup(void)
{
    strcpy(dir, "/tmp/test_profiles.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    char command[100];
    profiles_free(profiles);
    profiles = NULL;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void put_url(const char *name, const char *url)
{
    char text[200];
    snprintf(text, sizeof text, "{\"metadata\":{\"http.url\":\"%s\"}}", url);
    put(name, text);
}

static struct profiles *make(bool only)
{
    return profiles_new(&(struct profiles_config){.dir = dir, .only = only}, why);
}

static void start(bool only)
{
    profiles = make(only);
    ck_assert_msg(profiles != NULL, "%s", why);
}

/* The http.url of a name's profile; NULL: it has none. */
static const char *url_of(const struct profile_set *set, const char *name)
{
    const struct rxp_defaults *found = NULL;
    struct rxp_refusal refusal;
    ck_assert_int_eq(profile_set_find(set, name, &found, &refusal), 0);
    return found != NULL ? found->metadata[0].value : NULL;
}

START_TEST(finds_a_profile_by_its_whole_name_and_no_other)
{
    static const char *const names[] = {"a", "ab", "a.b", "a-b", "a.json", "A", "z z", "\xc3\xa9", "a.j", "aa", "b"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char file[40];
        char url[60];
        snprintf(file, sizeof file, "%s.json", names[i]);
        snprintf(url, sizeof url, "http://h/%zu", i);
        put_url(file, url);
    }
    put(".hidden.json", "{");
    put(".json", "{");
    put("readme.md", "{");
    start(false);
    struct profile_set *set = profiles_hold(profiles);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char url[60];
        snprintf(url, sizeof url, "http://h/%zu", i);
        ck_assert_msg(url_of(set, names[i]) != NULL, "%s", names[i]);
        ck_assert_str_eq(url_of(set, names[i]), url);
    }
    static const char *const others[] = {"c", "", "a.", "a.jso", "a.json.json", "./a", "../profiles/a", "/a", "a/", ".hidden",
                                         "readme.md", "readme", "B", "z"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ck_assert_msg(url_of(set, others[i]) == NULL, "%s", others[i]);
    }
    size_t n = 0;
    profile_set_all(set, &n);
    ck_assert_uint_eq(n, sizeof names / sizeof names[0]);
    profile_set_release(set);
}
END_TEST

/* What is logged while the profiles are read. */
static void read_hearing(char *said, size_t room)
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    if (profiles == NULL) {
        profiles = make(false);
    } else {
        (void)profiles_reload(profiles, why);
    }
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    said[fread(said, 1, room - 1, file)] = '\0';
    fclose(file);
    ck_assert_msg(profiles != NULL, "%s", why);
}

START_TEST(what_is_no_profile_is_told_of_by_its_name)
{
    static const char *const told[] = {"'b.yaml'", "'c.json~'", "'JSON'", "'d.JSON'"};
    char path[400];
    char said[4096];
    put_url("a.json", "http://h");
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        char name[40];
        snprintf(name, sizeof name, "%.*s", (int)strlen(told[i]) - 2, told[i] + 1);
        put(name, "{");
    }
    put(".hidden", "{");
    put(".json", "{");
    snprintf(path, sizeof path, "%s/..data", dir);
    ck_assert_int_eq(symlink("/nonexistent", path), 0);
    snprintf(path, sizeof path, "%s/lost+found", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    for (int time = 0; time < 2; time++) { /* at the start, and when they are read again */
        size_t lines = 0;
        read_hearing(said, sizeof said);
        for (const char *at = said; (at = strchr(at, '\n')) != NULL; at++) {
            lines++;
        }
        ck_assert_msg(lines == sizeof told / sizeof told[0], "%s", said);
        for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
            ck_assert_msg(strstr(said, told[i]) != NULL, "%s: %s", told[i], said);
        }
        ck_assert_msg(strstr(said, "WARN profile_ignored profiles-dir '") != NULL, "%s", said);
    }
}
END_TEST

START_TEST(without_a_profile_a_name_is_refused_where_profiles_alone_count)
{
    const struct rxp_defaults *found = NULL;
    struct rxp_refusal refusal = {RXP_OK, ""};
    put_url("a.json", "http://h");
    start(true);
    struct profile_set *set = profiles_hold(profiles);
    ck_assert_int_eq(profile_set_find(set, "a", &found, &refusal), 0);
    ck_assert(found->only);
    ck_assert_int_eq(profile_set_find(set, "../b\n", &found, &refusal), -1);
    ck_assert_int_eq(refusal.error, RXP_ERROR_UNKNOWN_PROFILE);
    ck_assert_msg(strstr(refusal.text, "'../b\\x0A' has no profile") != NULL || strstr(refusal.text, "'../b\\x0a' has no") != NULL ||
                  strstr(refusal.text, "'../b\\n' has no profile") != NULL, "%s", refusal.text);
    ck_assert_ptr_null(found);
    profile_set_release(set);
}
END_TEST

START_TEST(no_directory_is_no_profiles_and_an_empty_one_is_none_yet)
{
    profiles = profiles_new(&(struct profiles_config){.dir = NULL}, why);
    ck_assert_ptr_null(profiles_hold(profiles));
    ck_assert_int_eq(profiles_reload(profiles, why), 0);
    ck_assert_ptr_null(url_of(NULL, "a"));
    profiles_free(profiles);
    start(false);
    struct profile_set *set = profiles_hold(profiles);
    ck_assert_ptr_null(url_of(set, "a"));
    profile_set_release(set);
}
END_TEST

START_TEST(a_wrong_file_refuses_the_whole_set)
{
    put_url("a.json", "http://h");
    put("b.json", "{\"metadata\":{\"http.ulr\":\"http://h\"}}");
    ck_assert_ptr_null(make(false));
    ck_assert_msg(strstr(why, "profiles-dir: b.json: ") == why && strstr(why, "http.ulr") != NULL && strstr(why, "http.url") != NULL,
                  "%s", why);
    put("b.json", "{\"metadata\":{\"http.method\":\"G T\"}}");
    put_url("b.json", "ftp://h");
    ck_assert_ptr_null(make(false));
    ck_assert_msg(strstr(why, "b.json: ") != NULL && strstr(why, "http.url") != NULL, "%s", why);
    put_url("b.json", "http://h");
    start(false);
}
END_TEST

START_TEST(what_cannot_be_read_is_named)
{
    char path[400];
    ck_assert_ptr_null(profiles_new(&(struct profiles_config){.dir = "/nonexistent/profiles"}, why));
    ck_assert_ptr_nonnull(strstr(why, "profiles-dir '/nonexistent/profiles' cannot be read: No such file"));
    snprintf(path, sizeof path, "%s/d.json", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_ptr_null(make(false));
    ck_assert_msg(strstr(why, "profiles-dir: d.json: it cannot be read: it is no regular file") == why, "%s", why);
    rmdir(path);
    ck_assert_int_eq(mkfifo(path, 0700), 0);
    ck_assert_ptr_null(make(false)); /* and nobody waits for a writer */
    ck_assert_ptr_nonnull(strstr(why, "it is no regular file"));
    unlink(path);
    char *large = malloc(1024 * 1024 + 2);
    memset(large, ' ', 1024 * 1024 + 1);
    large[1024 * 1024 + 1] = '\0';
    put("d.json", large);
    free(large);
    ck_assert_ptr_null(make(false));
    ck_assert_ptr_nonnull(strstr(why, "d.json: it is longer than 1048576 bytes"));
}
END_TEST

START_TEST(a_reload_takes_all_or_nothing_and_what_is_held_stays)
{
    put_url("a.json", "http://old");
    start(false);
    struct profile_set *old = profiles_hold(profiles);
    put_url("a.json", "http://new");
    put("b.json", "{");
    ck_assert_int_eq(profiles_reload(profiles, why), -1);
    ck_assert_ptr_nonnull(strstr(why, "profiles-dir: b.json: it is not JSON"));
    struct profile_set *set = profiles_hold(profiles);
    ck_assert_str_eq(url_of(set, "a"), "http://old");
    profile_set_release(set);
    put_url("b.json", "http://b");
    ck_assert_int_eq(profiles_reload(profiles, why), 0);
    set = profiles_hold(profiles);
    profiles_free(profiles);
    profiles = NULL;
    ck_assert_str_eq(url_of(set, "a"), "http://new");
    ck_assert_str_eq(url_of(set, "b"), "http://b");
    ck_assert_str_eq(url_of(old, "a"), "http://old");
    profile_set_release(set);
    profile_set_release(old);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("profiles");
    TCase *tcase = tcase_create("profiles");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, a_file_is_read_strictly, 0, sizeof file_rows / sizeof file_rows[0]);
    tcase_add_test(tcase, a_file_says_all_that_defaults_hold);
    tcase_add_test(tcase, where_messages_say_least_a_profile_with_polls_is_for_runs_that_are_polled);
    tcase_add_test(tcase, finds_a_profile_by_its_whole_name_and_no_other);
    tcase_add_test(tcase, what_is_no_profile_is_told_of_by_its_name);
    tcase_add_test(tcase, without_a_profile_a_name_is_refused_where_profiles_alone_count);
    tcase_add_test(tcase, no_directory_is_no_profiles_and_an_empty_one_is_none_yet);
    tcase_add_test(tcase, a_wrong_file_refuses_the_whole_set);
    tcase_add_test(tcase, what_cannot_be_read_is_named);
    tcase_add_test(tcase, a_reload_takes_all_or_nothing_and_what_is_held_stays);
    suite_add_tcase(suite, tcase);
    return suite;
}
