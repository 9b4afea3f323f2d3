/* What is read and refused at the start: authorities, client certificates. On the wire: whole/test_exec_tls.py. */
#include "engine/client_certificates.h"
#include "engine/outlet.h"
#include "engine/pem_file.h"
#include "support/check_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(rows) (int)(sizeof(rows) / sizeof((rows)[0]))

static char folder[64];

/* a and b with their keys; both in one; a's key encrypted; a certificate that is none. */
static void make_files(void)
{
    char command[4096];
    snprintf(folder, sizeof folder, "/tmp/rxp-outlet-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(command, sizeof command,
             "cd %s && for n in a b; do openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
             "-subj /CN=$n -keyout $n.key -out $n.pem; done && cat a.pem a.key >both.pem && "
             "openssl pkcs8 -topk8 -passout pass:x -in a.key -out secret.key && "
             "openssl ec -aes128 -passout pass:x -in a.key -out old.key && "
             "printf -- '-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n' >junk.pem",
             folder);
    char quiet[sizeof command + 32];
    snprintf(quiet, sizeof quiet, "{ %s; } >/dev/null 2>&1", command);
    ck_assert_int_eq(system(quiet), 0);
}

static void remove_files(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

/* "@" stands for the folder. */
static char *fill(const char *text, char out[512])
{
    size_t n = 0;
    for (; *text != '\0'; text++) {
        if (*text == '@') {
            n += (size_t)snprintf(out + n, 512 - n, "%s", folder);
        } else {
            out[n++] = *text;
        }
    }
    out[n] = '\0';
    return out;
}

static const struct {
    const char *list;
    const char *says; /* NULL: fine */
} lists[] = {
    {"", NULL},
    {" , ", NULL},
    {"a.example=@/both.pem", NULL},
    {"a.example:8443=@/a.pem:@/a.key", NULL},
    {"a=@/a.pem:@/a.key, b:1=@/b.pem:@/b.key ,[::1]:8443=@/both.pem,::1=@/both.pem", NULL},
    {"a=@/a.pem:@/a.key,a:1=@/b.pem:@/b.key", NULL},
    {"a=@/a.pem:@/b.key", "unable to set private key file"},
    {"a=@/both.pem,b=@/b.pem:@/a.key", "/b.pem' with the key of '"},
    {"a=@/junk.pem:@/a.key", "could not load PEM client certificate"},
    {"a=@/a.pem", "/a.pem' cannot be used: it holds no private key"},
    {"a=@/a.key", "it holds no certificate"},
    {"a=@/a.pem:@/secret.key", "is encrypted"},
    {"a=@/a.pem:@/old.key", "is encrypted"},
    {"a=@/none.pem:@/a.key", "/none.pem' cannot be used: No such file"},
    {"a=@/a.pem:@/none.key", "/none.key' cannot be used: No such file"},
    {"a=@:@/a.key", "no regular file"},
    {"a", "'a' is not an entry"},
    {"=@/both.pem", "is not an entry"},
    {"a=", "is not an entry"},
    {"a=@/both.pem:", "is not an entry"},
    {"a=:@/both.pem", "is not an entry"},
    {"a:0=@/both.pem", "is not an entry"},
    {"a:65536=@/both.pem", "is not an entry"},
    {"a:x=@/both.pem", "is not an entry"},
    {"[::1=@/both.pem", "is not an entry"},
    {"[::1]8=@/both.pem", "is not an entry"},
    {"https://a=@/both.pem", "is not an entry"},
    {"*=@/both.pem", "is not an entry"},
    {"*.a=@/both.pem", "is not an entry"},
    {"a=@/both.pem,A.=@/both.pem", "names host 'A' twice"},
};

START_TEST(client_certificates_are_tried_at_the_start)
{
    char why[OUTLET_WHY_BYTES] = "";
    char list[512];
    const struct outlet_config config = {.client_certificates = fill(lists[_i].list, list)};
    struct outlet *outlet = outlet_make(&config, why);
    if (lists[_i].says == NULL) {
        ck_assert_msg(outlet != NULL, "%s", why);
    } else {
        ck_assert_msg(outlet == NULL, "%s", list);
        ck_assert_msg(strncmp(why, "client-certificates", 19) == 0, "%s", why);
        ck_assert_msg(strstr(why, lists[_i].says) != NULL, "%s", why);
    }
    outlet_free(outlet);
}
END_TEST

static const struct {
    const char *host;
    int port;
    const char *certificate; /* NULL: none */
} finds[] = {
    {"a.example", 443, "@/a.pem"},  {"a.example.", 443, "@/a.pem"},  {"A.EXAMPLE", 80, "@/a.pem"},
    {"a.example", 8443, "@/b.pem"}, {"b.example", 8443, "@/b.pem"},  {"b.example", 443, NULL},
    {"x.a.example", 443, NULL},     {"a.exampl", 443, NULL},         {"a.example2", 443, NULL},
    {"::1", 443, "@/a.pem"},        {"::2", 443, NULL},
};

START_TEST(a_certificate_is_for_its_host_alone_and_a_port_goes_first)
{
    char why[512] = "";
    char list[512];
    char expected[512];
    struct client_certificates certificates;
    fill("a.example=@/a.pem:@/a.key,a.example:8443=@/b.pem:@/b.key,B.example.:8443=@/b.pem:@/b.key,[::1]=@/a.pem:@/a.key", list);
    ck_assert_msg(client_certificates_parse(&certificates, list, why, sizeof why) == 0, "%s", why);
    const struct client_certificate *found = client_certificates_find(&certificates, finds[_i].host, finds[_i].port);
    if (finds[_i].certificate == NULL) {
        ck_assert_ptr_null(found);
    } else {
        ck_assert_ptr_nonnull(found);
        ck_assert_str_eq(found->certificate, fill(finds[_i].certificate, expected));
    }
    client_certificates_deinit(&certificates);
}
END_TEST

static const struct {
    const char *path;
    const char *says;
} ca_files[] = {
    {"/no/such/file.pem", "No such file"},
    {"/etc", "it is no regular file"},
    {"/dev/null", "it is no regular file"},
    {SOURCE_DIR "/README.md", "holds no certificate"},
};

START_TEST(a_ca_file_without_a_certificate_is_named)
{
    char why[OUTLET_WHY_BYTES] = "";
    const struct outlet_config config = {.ca_file = ca_files[_i].path};
    ck_assert_ptr_null(outlet_make(&config, why));
    ck_assert_msg(strncmp(why, "ca-file '", 9) == 0 && strstr(why, ca_files[_i].path) != NULL, "%s", why);
    ck_assert_msg(strstr(why, ca_files[_i].says) != NULL, "%s", why);
}
END_TEST

START_TEST(the_system_s_authorities_are_one_file)
{
    char why[512] = "";
    const char *path = pem_file_of_system();
    if (path != NULL) { /* a bare system has none */
        ck_assert_msg(pem_file_check("ca-file", path, PEM_CERTIFICATE, why, sizeof why) == 0, "%s", why);
    }
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("outlet");
    TCase *tests = tcase_create("outlet");
    tcase_add_unchecked_fixture(tests, make_files, remove_files);
    tcase_add_loop_test(tests, client_certificates_are_tried_at_the_start, 0, COUNT(lists));
    tcase_add_loop_test(tests, a_certificate_is_for_its_host_alone_and_a_port_goes_first, 0, COUNT(finds));
    tcase_add_loop_test(tests, a_ca_file_without_a_certificate_is_named, 0, COUNT(ca_files));
    tcase_add_test(tests, the_system_s_authorities_are_one_file);
    suite_add_tcase(suite, tests);
    return suite;
}
