#include "cli/lookout.h"

#include "cli/settings.h"
#include "core/cancels.h"
#include "core/console.h"
#include "core/history.h"
#include "core/standing.h"
#include "core/vitals.h"
#include "engine/outlet.h"
#include "ops/admin.h"
#include "ops/log.h"
#include "ops/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROUTES 32

struct lookout {
    struct metrics *metrics;
    struct standing *standing;
    struct cancels *cancels;
    struct history *history;
    struct console *console;
    struct vitals *vitals;
    struct admin *admin;
    char token[LOOKOUT_TOKEN_BYTES];
    struct admin_route routes[MAX_ROUTES];
    size_t n_routes;
};

static struct metrics *make_metrics(const struct options *options, const struct worker_config *config)
{
    size_t n;
    const char **origins = lookout_origins(options_text(options, "egress-allow"), config->profiles, &n);
    struct metrics *metrics = origins != NULL ? metrics_new(origins, n) : NULL;
    free(origins);
    return metrics;
}

static void add_routes(struct lookout *lookout, const struct admin_route *routes, size_t n, void *opaque)
{
    for (size_t i = 0; i < n && lookout->n_routes < MAX_ROUTES; i++) {
        struct admin_route *route = &lookout->routes[lookout->n_routes++];
        *route = routes[i];
        route->opaque = opaque;
    }
}

static int serve(struct lookout *lookout, const struct options *options, const char *listen, char why[LOOKOUT_WHY_BYTES])
{
    size_t n;
    const struct admin_route *routes = vitals_routes(&n);
    add_routes(lookout, routes, n, lookout->vitals);
    routes = console_routes(&n);
    add_routes(lookout, routes, n, lookout->console);
    const struct admin_config config = {
        .listen = listen,
        .may_be_taken = options_source(options, "admin-listen") == OPTION_DEFAULT,
        .token = lookout->token[0] != '\0' ? lookout->token : NULL,
        .routes = lookout->routes,
        .n_routes = lookout->n_routes,
    };
    char sentence[LOOKOUT_WHY_BYTES - 64];
    if (admin_start(&config, &lookout->admin, sentence, sizeof sentence) == 0) {
        return 0;
    }
    snprintf(why, LOOKOUT_WHY_BYTES, "admin-listen: %s", sentence);
    return -1;
}

/* Without an admin server nobody asks: nothing is counted then. */
static int make_watchers(struct lookout *lookout, const struct options *options, struct worker_config *config)
{
    lookout->metrics = make_metrics(options, config);
    lookout->standing = standing_new();
    config->metrics = lookout->metrics;
    config->pool.metrics = lookout->metrics;
    config->standing = lookout->standing;
    lookout->history = history_new(lookout->metrics);
    config->history = lookout->history;
    if (lookout->metrics == NULL || lookout->standing == NULL || lookout->history == NULL) {
        return -1;
    }
    log_use_metrics(lookout->metrics);
    lookout->vitals = vitals_new(&(struct vitals_config){.worker_config = config, .metrics = lookout->metrics,
                                                         .standing = lookout->standing,
                                                         .curl_version = outlet_curl_version()});
    lookout->console = console_new(&(struct console_config){.worker_config = config, .metrics = lookout->metrics,
                                                            .standing = lookout->standing, .history = lookout->history,
                                                            .cancels = lookout->cancels,
                                                            .has_token = lookout->token[0] != '\0'});
    return lookout->vitals != NULL && lookout->console != NULL ? 0 : -1;
}

struct lookout *lookout_start(const struct options *options, struct worker_config *config, char why[LOOKOUT_WHY_BYTES])
{
    const char *listen = settings_text(options, "admin-listen");
    struct lookout *lookout = calloc(1, sizeof *lookout);
    if (lookout == NULL) {
        goto no_memory;
    }
    lookout->cancels = cancels_new();
    if (lookout->cancels == NULL) {
        goto no_memory;
    }
    config->cancels = lookout->cancels;
    if (lookout_token(options, lookout->token, why) != 0) {
        goto failed;
    }
    if (listen != NULL) {
        if (make_watchers(lookout, options, config) != 0) {
            goto no_memory;
        }
        if (serve(lookout, options, listen, why) != 0) {
            goto failed;
        }
    }
    return lookout;

no_memory:
    snprintf(why, LOOKOUT_WHY_BYTES, "out of memory");
failed:
    lookout_free(lookout);
    return NULL;
}

void lookout_use_worker(struct lookout *lookout, struct worker *worker)
{
    if (lookout->vitals != NULL) {
        vitals_use_worker(lookout->vitals, worker);
    }
    if (lookout->console != NULL) {
        console_use_worker(lookout->console, worker);
    }
}

int lookout_port(const struct lookout *lookout)
{
    return lookout->admin != NULL ? admin_port(lookout->admin) : -1;
}

void lookout_close(struct lookout *lookout)
{
    lookout_use_worker(lookout, NULL);
    admin_stop(lookout->admin);
    lookout->admin = NULL;
}

void lookout_free(struct lookout *lookout)
{
    if (lookout == NULL) {
        return;
    }
    lookout_close(lookout);
    log_use_metrics(NULL);
    console_free(lookout->console);
    vitals_free(lookout->vitals);
    history_free(lookout->history);
    cancels_free(lookout->cancels);
    standing_free(lookout->standing);
    metrics_free(lookout->metrics);
    explicit_bzero(lookout->token, sizeof lookout->token); /* a memset would be left out */
    free(lookout);
}
