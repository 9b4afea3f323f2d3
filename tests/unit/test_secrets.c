#include "engine/secrets.h"
#include "engine/secret_text.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/test_secrets.XXXXXX";

static void make_dir(void)
{
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *name, const char *bytes, size_t n)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
}

static void puts_in(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static struct secrets *make(const char *hosts, const char *const *environment)
{
    char why[SECRETS_WHY_BYTES] = "";
    const struct secrets_config config = {.dir = dir, .environment = environment, .hosts = hosts};
    struct secrets *secrets = secrets_new(&config, why);
    ck_assert_msg(secrets != NULL, "%s", why);
    return secrets;
}

/* ---- filling ---- */

/* A value, and what becomes of it at api.internal port 443; `says`: part of the refusal. */
struct fill_row {
    const char *value;
    const char *filled;
    const char *says;
};

static const struct fill_row fill_rows[] = {
    {"nothing", "nothing", NULL},
    {"", "", NULL},
    {"Bearer ${secret:FILED}", "Bearer of-file", NULL},
    {"${secret:FILED}${secret:VARIED}!", "of-fileof-variable!", NULL},
    {"${secret:BOTH}", "both-of-file", NULL},
    {"${secret:CR}", "cr-lf", NULL},
    {"${secret:REFERS}", "${secret:FILED}", NULL}, /* what was filled in is not looked at again */
    {"$${secret:FILED}}", "$of-file}", NULL},
    {"${secret:TABBED}", "a\tb", NULL},
    {"${secret:dotted.na-me_1}", "dotted", NULL},
    {"${secret:filed}", NULL, "'filed' is bound to no host"},
    {"${secret:UNBOUND}", NULL, "'UNBOUND' is bound to no host"},
    {"${secret:FILED}${secret:UNBOUND}", NULL, "'UNBOUND'"},
    {"${secret:ELSEWHERE}", NULL, "'ELSEWHERE' may not be sent to api.internal port 443"},
    {"${secret:OTHER_PORT}", NULL, "'OTHER_PORT' may not be sent"},
    {"${secret:NOWHERE}", NULL, "'NOWHERE' is not known: there is neither a file of that name in secrets-dir nor a variable "
                                "RXP_SECRET_NOWHERE"},
    {"${secret:INJECTS}", NULL, "'INJECTS' cannot be used: it has a line end"},
    {"${secret:TWO_ENDS}", NULL, "'TWO_ENDS' cannot be used: it has a line end"},
    {"${secret:NULS}", NULL, "'NULS' cannot be used: it has a line end or another control character"},
    {"${secret:EMPTY}", NULL, "'EMPTY' cannot be used: it is empty"},
    {"${secret:LONG}", NULL, "'LONG' cannot be used: it is longer than 8 KiB"},
    {"${secret:FOLDER}", NULL, "'FOLDER' is not known"},
    {"${secret:", NULL, "not of the form ${secret:NAME}"},
    {"${secret:}", NULL, "not of the form ${secret:NAME}"},
    {"${secret:../passwd}", NULL, "not of the form ${secret:NAME}"},
    {"${secret:.hidden}", NULL, "not of the form ${secret:NAME}"},
    {"${secret:a b}", NULL, "not of the form ${secret:NAME}"},
};

static struct secrets *make_filled(void)
{
    static const char *const environment[] = {"RXP_SECRET_VARIED=of-variable", "RXP_SECRET_BOTH=both-of-variable", "RXP_SECRET_=x",
                                        "RXP_SECRET_UNBOUND=u", "OTHER=x", "RXP_SECRET_EMPTY=", NULL};
    static char long_text[8 * 1024 + 1];
    memset(long_text, 'x', sizeof long_text);
    puts_in("FILED", "of-file\n");
    puts_in("BOTH", "both-of-file");
    puts_in("CR", "cr-lf\r\n");
    puts_in("REFERS", "${secret:FILED}");
    puts_in("TABBED", "a\tb");
    puts_in("dotted.na-me_1", "dotted");
    puts_in("ELSEWHERE", "e");
    puts_in("OTHER_PORT", "o");
    puts_in("INJECTS", "a\r\nX-Evil: 1");
    puts_in("TWO_ENDS", "a\n\n");
    put("NULS", "a\0b", 3);
    put("LONG", long_text, sizeof long_text);
    put("LONGEST", long_text, sizeof long_text - 1);
    puts_in(".hidden", "h");
    char path[128];
    snprintf(path, sizeof path, "%s/FOLDER", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    return make("FILED=api.internal;VARIED=API.Internal:443;BOTH=api.internal;CR=x,api.internal;REFERS=api.internal;"
                "TABBED=api.internal;dotted.na-me_1=api.internal;ELSEWHERE=other.internal,api.internal.evil.com,internal;"
                "OTHER_PORT=api.internal:444;NOWHERE=api.internal;INJECTS=api.internal;TWO_ENDS=api.internal;"
                "NULS=api.internal;EMPTY=api.internal;LONG=api.internal;LONGEST=api.internal;FOLDER=api.internal;",
                environment);
}

START_TEST(fills_what_is_bound_to_the_host_and_denies_the_rest)
{
    const struct fill_row *row = &fill_rows[_i];
    struct secrets *secrets = make_filled();
    char why[SECRETS_WHY_BYTES] = "";
    char *filled = NULL;
    enum secret_fill got = secrets_fill(secrets, row->value, "api.internal", 443, NULL, 0, &filled, why);
    bool checked = secrets_check(secrets, row->value, "api.internal", 443, NULL, 0, why);
    if (row->filled != NULL) {
        ck_assert_msg(got == SECRET_READY, "%s: %s", row->value, why);
        ck_assert_str_eq(filled, row->filled);
        ck_assert(checked);
    } else {
        ck_assert_msg(got == SECRET_DENIED && filled == NULL, "%s passes", row->value);
        ck_assert_msg(strstr(why, row->says) != NULL, "%s: '%s'", row->value, why);
        ck_assert(!checked);
    }
    free(filled);
    secrets_free(secrets);
}
END_TEST

START_TEST(the_longest_value_is_8_KiB)
{
    struct secrets *secrets = make_filled();
    char why[SECRETS_WHY_BYTES] = "";
    char *filled = NULL;
    ck_assert_int_eq(secrets_fill(secrets, "<${secret:LONGEST}>", "api.internal", 1, NULL, 0, &filled, why), SECRET_READY);
    ck_assert_uint_eq(strlen(filled), 8 * 1024 + 2);
    free(filled);
    ck_assert_int_eq(secrets_fill(secrets,
                                  "${secret:LONGEST}${secret:LONGEST}${secret:LONGEST}${secret:LONGEST}${secret:LONGEST}"
                                  "${secret:LONGEST}${secret:LONGEST}${secret:LONGEST}${secret:FILED}",
                                  "api.internal", 1, NULL, 0, &filled, why),
                     SECRET_DENIED);
    ck_assert_ptr_nonnull(strstr(why, "longer than 65536 bytes"));
    secrets_free(secrets);
}
END_TEST

START_TEST(a_profile_binds_its_own_runs_only)
{
    puts_in("A", "value");
    struct secrets *secrets = make(NULL, NULL);
    const struct rxp_pair bindings[] = {{"B", "other"}, {"A", "x.internal:80, api.internal:8080"}};
    char why[SECRETS_WHY_BYTES] = "";
    char *filled = NULL;
    ck_assert_int_eq(secrets_fill(secrets, "${secret:A}", "api.internal", 8080, bindings, 2, &filled, why), SECRET_READY);
    free(filled);
    ck_assert_int_eq(secrets_fill(secrets, "${secret:A}", "api.internal", 8081, bindings, 2, &filled, why), SECRET_DENIED);
    ck_assert_int_eq(secrets_fill(secrets, "${secret:A}", "api.internal", 8080, bindings, 1, &filled, why), SECRET_DENIED);
    ck_assert_int_eq(secrets_fill(secrets, "${secret:A}", "api.internal", 8080, NULL, 0, &filled, why), SECRET_DENIED);
    secrets_free(secrets);
}
END_TEST

START_TEST(without_secrets_none_is_known)
{
    const struct rxp_pair bindings[] = {{"A", "api.internal"}};
    char why[SECRETS_WHY_BYTES] = "";
    char *filled = NULL;
    ck_assert_int_eq(secrets_fill(NULL, "${secret:A}", "api.internal", 1, bindings, 1, &filled, why), SECRET_DENIED);
    ck_assert_ptr_nonnull(strstr(why, "is not known"));
    ck_assert_int_eq(secrets_fill(NULL, "${secret:A}", "api.internal", 1, NULL, 0, &filled, why), SECRET_DENIED);
    ck_assert(!secrets_check(NULL, "${secret:A}", "api.internal", 1, bindings, 1, why));
    ck_assert(secrets_check(NULL, "plain", "api.internal", 1, NULL, 0, why));
    ck_assert_int_eq(secrets_watch(NULL, NULL, NULL), 0);
    ck_assert(secret_is_in("x ${secret:A}") && secret_is_in("${secret:") && !secret_is_in("$secret:A}"));
}
END_TEST

/* ---- secrets-hosts ---- */

struct hosts_row {
    const char *text;
    const char *says; /* NULL: it is taken */
};

static const struct hosts_row hosts_rows[] = {
    {"", NULL},
    {"A=h", NULL},
    {" A = h , [::1]:80,10.0.0.1:65535 ; B=x ; ", NULL},
    {"A", "'A' is not of the form"},
    {"A=h;;B=h", "'' is not of the form"},
    {"A=", "of A, '': an entry is empty"},
    {"A=h,,i", "of A, '': an entry is empty"},
    {"A=h,", "of A, '': an entry is empty"},
    {"A=*", "of A, '*': patterns are not taken here"},
    {"A=h;B=*.example.com", "of B, '*.example.com': patterns"},
    {"A=http://h", "of A, 'http://h': its port is no number"},
    {"A=h/x", "of A, 'h/x': that is no host name"},
    {"A=h:0", "'h:0': its port"},
    {"A=h:65536", "'h:65536': its port"},
    {"A=h:99999999999999999999", "its port"},
    {"A=h:", "'h:': its port"},
    {"A=h:80x", "'h:80x': its port"},
    {"A=:80", "':80': there is no host"},
    {"A=::1", "'::1': there is no host"},
    {"A=[::1", "'[::1': there is no IPv6"},
    {"A=[]", "'[]': there is no IPv6"},
    {"A=[h]", "'[h]': there is no IPv6"},
    {"A=[::1]x", "'[::1]x': after its bracket"},
    {"A=h i", "'h i': that is no host name"},
    {"A=h;A=i", "'A' is given twice"},
    {"=h", "'' cannot be the name"},
    {"a/b=h", "'a/b' cannot be the name"},
    {".a=h", "'.a' cannot be the name"},
};

START_TEST(secrets_hosts_is_read_strictly)
{
    const struct hosts_row *row = &hosts_rows[_i];
    char why[SECRETS_WHY_BYTES] = "";
    const struct secrets_config config = {.hosts = row->text};
    struct secrets *secrets = secrets_new(&config, why);
    if (row->says == NULL) {
        ck_assert_msg(secrets != NULL, "%s: %s", row->text, why);
    } else {
        ck_assert_msg(secrets == NULL, "'%s' is taken", row->text);
        ck_assert_msg(strstr(why, row->says) != NULL && strncmp(why, "secrets-hosts: ", 15) == 0, "%s: '%s'", row->text, why);
    }
    secrets_free(secrets);
}
END_TEST

START_TEST(hosts_are_compared_as_hosts)
{
    ck_assert(secret_hosts_have("a, B.c:80", "b.C", 80));
    ck_assert(!secret_hosts_have("a, B.c:80", "b.C", 81));
    ck_assert(secret_hosts_have("[0:0:0:0:0:0:0:1]:80", "::1", 80));
    ck_assert(!secret_hosts_have("[::1]", "::2", 80));
    ck_assert(!secret_hosts_have("a", "aa", 80));
    ck_assert(!secret_hosts_have("aa", "a", 80));
}
END_TEST

/* ---- what is known ---- */

static void view(const struct secret_view *seen, void *opaque)
{
    char *text = opaque;
    size_t bytes = strlen(text);
    snprintf(text + bytes, 1000 - bytes, "%s|%s|%s|%s\n", seen->name, seen->source != NULL ? seen->source : "-",
             seen->fault != NULL ? seen->fault : "-", seen->hosts != NULL ? seen->hosts : "-");
}

START_TEST(tells_names_and_never_values)
{
    static const char *const environment[] = {"RXP_SECRET_V=hidden-of-variable", NULL};
    puts_in("F", "hidden-of-file");
    struct secrets *secrets = make("F=h:1;G=i", environment);
    char text[1000] = "";
    secrets_view(secrets, view, text);
    ck_assert_str_eq(text, "F|file|-|h:1\nV|environment|-|-\n");
    text[0] = '\0';
    secrets_view_unknown(secrets, view, text);
    ck_assert_str_eq(text, "G|-|-|i\n");
    secrets_free(secrets);
}
END_TEST

static const struct {
    const char *text;
    const char *secret;
    bool is_held;
} held_rows[] = {
    {"https://h/?k=abcdef", "abcdef", true},      {"https://h/?k=abcde", "abcdef", false},
    {"https://ABCDEF.h/", "abcdef", true},        {"https://h/abc", "abc", false},
    {"x%61%62cdeF", "abcdef", true},              {"x%6", "abcdef", false},
    {"a%b%25c1", "a%b%c1", true},                 {"xx-abcdefgh-yy", "abcdefghijklmnop", true},
    {"xx-abcdefg-yy", "abcdefghijklmnop", false}, {"", "abcdef", false},
    {"ababcdef", "abcdef", true},                 {"%", "%%%%%%", false},
};

START_TEST(a_text_holds_a_secret_or_the_first_half_of_it)
{
    ck_assert_int_eq(secret_is_held(held_rows[_i].text, held_rows[_i].secret), held_rows[_i].is_held);
}
END_TEST

START_TEST(a_missing_directory_is_an_empty_one)
{
    char why[SECRETS_WHY_BYTES] = "";
    const struct secrets_config config = {.dir = "/nonexistent/secrets"};
    struct secrets *secrets = secrets_new(&config, why);
    ck_assert_ptr_nonnull(secrets);
    char text[1000] = "";
    secrets_view(secrets, view, text);
    ck_assert_str_eq(text, "");
    secrets_free(secrets);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("secrets");
    TCase *tcase = tcase_create("secrets");
    tcase_add_checked_fixture(tcase, make_dir, remove_dir);
    tcase_add_loop_test(tcase, fills_what_is_bound_to_the_host_and_denies_the_rest, 0,
                        sizeof fill_rows / sizeof fill_rows[0]);
    tcase_add_test(tcase, the_longest_value_is_8_KiB);
    tcase_add_test(tcase, a_profile_binds_its_own_runs_only);
    tcase_add_test(tcase, without_secrets_none_is_known);
    tcase_add_loop_test(tcase, secrets_hosts_is_read_strictly, 0, sizeof hosts_rows / sizeof hosts_rows[0]);
    tcase_add_test(tcase, hosts_are_compared_as_hosts);
    tcase_add_test(tcase, tells_names_and_never_values);
    tcase_add_loop_test(tcase, a_text_holds_a_secret_or_the_first_half_of_it, 0, sizeof held_rows / sizeof held_rows[0]);
    tcase_add_test(tcase, a_missing_directory_is_an_empty_one);
    suite_add_tcase(suite, tcase);
    return suite;
}
