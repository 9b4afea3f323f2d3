/* What operators lay down in files: "profile" "--" "message" "--" "oauth2 file" "--" "a token server's answer". A profile is refused with a
 * sentence, or plans under it hold what all plans do; its headers go nowhere but where it says; and no sentence quotes a
 * secret. */
#include "fuzz/fuzz.h"
#include "fuzz/plan_facts.h"
#include "support/later_plan.h"

#include "engine/oauth_grant.h"
#include "engine/profile_file.h"
#include "protocol/invocation.h"

#include <string.h>

static bool is_origin_of(const char *named, const char *url)
{
    size_t n = strcspn(url + strlen("https://"), "/?#") + strlen("https://");
    return strncasecmp(named, url, n) == 0;
}

/* A header of the profile goes to an origin that the profile itself names, where it names any. */
static void must_keep_headers(const struct rxp_http_plan *plan, const struct rxp_defaults *defaults)
{
    static const char *const elsewhere[] = {"https://evil.test/x", "http://jobs.example.evil.test/", "http://169.254.169.254/"};
    bool names_one = false;
    for (size_t i = 0; i < defaults->n_metadata; i++)
        names_one = names_one || strstr(defaults->metadata[i].key, "url") != NULL;
    for (size_t i = 0; i < plan->n_headers; i++) {
        for (size_t j = 0; j < sizeof elsewhere / sizeof elsewhere[0]; j++) {
            bool is_named = false;
            for (size_t k = 0; k < plan->n_named; k++)
                is_named = is_named || is_origin_of(plan->named[k].url, elsewhere[j]);
            must(is_named || !rxp_http_plan_sends(plan, &plan->headers[i], elsewhere[j]));
        }
        must(rxp_http_plan_sends(plan, &plan->headers[i], plan->kickoff.url) || (plan->headers[i].from_defaults && names_one));
    }
}

static void try_plan(const struct rxp_defaults *defaults, struct fuzz_part message)
{
    struct rxp_refusal why = {RXP_OK, ""};
    struct rxp_invocation *invocation = NULL;
    struct rxp_http_plan plan = {0};
    if (rxp_invocation_parse(message.at, message.bytes, (size_t)1 << 20, &invocation, &why) == 0) {
        if (rxp_http_plan_make(invocation, defaults, &plan, &why) != 0) {
            must_be_refusal(&why);
        } else {
            must_be_plan(&plan);
            must_keep_headers(&plan, defaults);
            must(later_fault(invocation, defaults, &plan) == NULL);
            must(plan.kickoffs_per_second == defaults->kickoffs_per_second);
            must(plan.n_secret_bindings == defaults->n_secret_bindings);
        }
    }
    rxp_http_plan_deinit(&plan);
    rxp_invocation_free(invocation);
}

static void try_profile(struct fuzz_part file, struct fuzz_part message, bool only)
{
    struct rxp_defaults defaults;
    char why[PROFILE_WHY_BYTES] = "";
    char *text = fuzz_bytes(file);
    int read = profile_file_read("archon.json", text, file.bytes, only, &defaults, why);
    free(text); /* nothing may point into it */
    if (read != 0) {
        must_be_sentence(why);
        must(strstr(why, "archon.json") != NULL);
        return;
    }
    must(defaults.only == only && defaults.kickoffs_per_second >= 0);
    for (size_t i = 0; i < defaults.n_metadata; i++)
        for (size_t j = 0; j < i; j++)
            must(strcmp(defaults.metadata[i].key, defaults.metadata[j].key) != 0);
    try_plan(&defaults, message);
    profile_file_deinit(&defaults);
}

static void must_be_form(const char *form)
{
    must(strstr(form, "grant_type=client_credentials") != NULL);
    must(strspn(form, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789=&%+._-*~") == strlen(form));
}

static void must_be_header_value(const char *value)
{
    for (; *value != '\0'; value++)
        must((unsigned char)*value >= ' ' && (unsigned char)*value < 0x7f);
}

static void try_oauth(struct fuzz_part file, struct fuzz_part body)
{
    struct oauth_grant grant;
    struct oauth_token token;
    char why[OAUTH_WHY_BYTES] = "";
    if (oauth_grant_read(file.at, file.bytes, &grant, why) != 0) {
        must_be_sentence(why);
        must(grant.client_secret == NULL);
        return;
    }
    must(oauth_grant_is_same(&grant, &grant));
    char *form = oauth_grant_form(&grant);
    char *authorization = oauth_grant_authorization(&grant);
    must(form != NULL && (authorization == NULL) == grant.in_body);
    must_be_form(form);
    if (authorization != NULL)
        must_be_header_value(authorization);
    static const int codes[] = {200, 400, 401, 302, 500};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (oauth_answer_read(&grant, codes[i], body.at, body.bytes, &token, why) != 0) {
            must_be_sentence(why);
            must(token.value == NULL);
            continue;
        }
        must(codes[i] == 200 && token.value[0] != '\0' && strlen(token.value) <= OAUTH_TOKEN_MAX_BYTES);
        must_be_header_value(token.value);
        must(token.life_ms >= OAUTH_LIFE_MIN_MS && token.life_ms <= OAUTH_LIFE_MAX_MS);
        oauth_free(token.value);
    }
    oauth_free(form);
    oauth_free(authorization);
    oauth_grant_deinit(&grant);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_part rest = {(const char *)data, bytes};
    struct fuzz_part profile = fuzz_next(&rest);
    struct fuzz_part message = fuzz_next(&rest);
    struct fuzz_part grant = fuzz_next(&rest);
    try_profile(profile, message, false);
    try_profile(profile, message, true);
    try_oauth(grant, rest);
    return 0;
}
