#include "cli/lookout.h"
#include "engine/profiles.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Separated by blanks. */
static const struct {
    const char *allow;
    const char *origins;
} lists[] = {
    {"*", ""},
    {"", ""},
    {"api.internal, api.internal:8080", "api.internal api.internal:8080"},
    {"*.example.com,10.0.0.0/8,10.1.2.3:80,[fd00::1]:8080,fd00::2,fd00::/8", "10.1.2.3:80 [fd00::1]:8080"},
};

static void assert_origins(const char *allow, struct profiles *profiles, const char *wanted)
{
    size_t n = 77;
    char got[1000] = "";
    const char **origins = lookout_origins(allow, profiles, &n);
    ck_assert_ptr_nonnull(origins);
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(got);
        snprintf(got + used, sizeof got - used, "%s%s", i > 0 ? " " : "", origins[i]);
    }
    ck_assert_str_eq(got, wanted);
    free(origins);
}

START_TEST(takes_the_origins_that_egress_allow_names)
{
    assert_origins(lists[_i].allow, NULL, lists[_i].origins);
}
END_TEST

static void write_profile(const char *folder, const char *name, const char *url)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s.json", folder, name);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "{\"metadata\": {\"http.url\": \"%s\"}}\n", url);
    fclose(file);
}

START_TEST(takes_the_origins_of_profiles_first)
{
    char folder[] = "/tmp/rxp-lookout-XXXXXX";
    char why[PROFILES_WHY_BYTES] = "";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    write_profile(folder, "a", "https://a.example:8443/runs?key=1");
    write_profile(folder, "b", "http://b.example/{var.path}");
    struct profiles *profiles = profiles_new(&(struct profiles_config){.dir = folder}, why);
    ck_assert_msg(profiles != NULL, "%s", why);
    assert_origins("c.example", profiles, "https://a.example:8443 http://b.example c.example");
    profiles_free(profiles);
    char command[400];
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0); // NOLINT(concurrency-mt-unsafe)
}
END_TEST

START_TEST(takes_no_more_than_a_hundred)
{
    char allow[4000] = "";
    size_t n;
    for (int i = 0; i < 150; i++) {
        size_t used = strlen(allow);
        snprintf(allow + used, sizeof allow - used, "host-%d,", i);
    }
    const char **origins = lookout_origins(allow, NULL, &n);
    ck_assert_uint_eq(n, 100);
    ck_assert_str_eq(origins[99], "host-99");
    free(origins);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("lookout");
    TCase *tcase = tcase_create("origins");
    tcase_add_loop_test(tcase, takes_the_origins_that_egress_allow_names, 0, (int)(sizeof lists / sizeof lists[0]));
    tcase_add_test(tcase, takes_the_origins_of_profiles_first);
    tcase_add_test(tcase, takes_no_more_than_a_hundred);
    suite_add_tcase(suite, tcase);
    return suite;
}
