#include "cli/provisions.h"

#include "cli/command.h"
#include "cli/settings.h"

#include <stdio.h>
#include <string.h>

static int check_profiles(const struct options *options)
{
    char why[SETTINGS_WHY_BYTES];
    struct profiles *profiles = settings_profiles(options, why);
    if (profiles == NULL) {
        fprintf(stderr, "WRONG   %s\n", why);
        return EXIT_USAGE;
    }
    size_t n = 0;
    struct profile_set *set = profiles_hold(profiles);
    const struct rxp_defaults *all = profile_set_all(set, &n);
    for (size_t i = 0; i < n; i++) {
        fprintf(stderr, "ok      profile %s\n", rxp_show(all[i].name, strlen(all[i].name)).text);
    }
    if (set != NULL && n == 0) {
        fprintf(stderr, "%-8sprofiles-dir '%s' holds no profile (RUNTIME_NAME.json)\n",
                strcmp(options_text(options, "profiles"), "only") == 0 ? "MISSING" : "note",
                options_text(options, "profiles-dir"));
    }
    profile_set_release(set);
    profiles_free(profiles);
    return EXIT_OK;
}

static void tell_secret(const struct secret_view *view, void *opaque)
{
    int *status = opaque;
    if (view->fault != NULL && view->hosts == NULL) {
        return; /* a file that is none of ours, as there may be some in /run/secrets */
    }
    if (view->fault != NULL) {
        fprintf(stderr, "WRONG   secret %s (%s) cannot be used: %s\n", view->name, view->source, view->fault);
        *status = EXIT_FATAL;
    } else {
        fprintf(stderr, "ok      secret %s (%s), %s%s\n", view->name, view->source,
                view->hosts != NULL ? "for " : "bound to no host by secrets-hosts", view->hosts != NULL ? view->hosts : "");
    }
}

static void tell_missing(const struct secret_view *view, void *opaque)
{
    int *status = opaque;
    fprintf(stderr, "MISSING secret %s, for %s: no file of that name in secrets-dir, and no variable RXP_SECRET_%s\n",
            view->name, view->hosts, view->name);
    *status = EXIT_FATAL;
}

static int check_secrets(const struct options *options)
{
    char why[SETTINGS_WHY_BYTES];
    int status = EXIT_OK;
    struct secrets *secrets = settings_secrets(options, NULL, NULL, why);
    if (secrets == NULL) {
        fprintf(stderr, "WRONG   %s\n", why);
        return EXIT_USAGE;
    }
    secrets_view(secrets, tell_secret, &status);
    secrets_view_unknown(secrets, tell_missing, &status);
    secrets_free(secrets);
    return status;
}

int provisions_check(const struct options *options)
{
    int of_profiles = check_profiles(options);
    int of_secrets = check_secrets(options);
    return of_profiles > of_secrets ? of_profiles : of_secrets;
}
