/* outlet: how requests leave this machine: TLS 1.2 or later, which authorities are trusted, which certificate of its own is shown
 * to which host, and through which proxy, if any. Where they may go is egress's.
 *
 * Immutable after outlet_make: any thread. Files are read anew by libcurl as connections are made, certificates at each, the
 * authorities after 10 minutes: so they may be renewed while the worker runs. */
#ifndef RXP_ENGINE_OUTLET_H
#define RXP_ENGINE_OUTLET_H

#include "engine/target.h"

#include <curl/curl.h>
#include <stdbool.h>

struct outlet;

struct outlet_config {
    const char *ca_file;             /* PEM; NULL or "": the system's */
    const char *client_certificates; /* see client_certificates.h; NULL or "": none */
    const char *proxy;               /* see proxy.h; NULL or "": none, whatever the environment says */
};

#define OUTLET_WHY_BYTES 512

/* Reads and tries all that it names. NULL with a sentence in why[OUTLET_WHY_BYTES] that names option and file. */
struct outlet *outlet_make(const struct outlet_config *config, char *why);
void outlet_free(struct outlet *outlet);
/* Of libcurl as it runs: "7.88.1". */
const char *outlet_curl_version(void);

/* Both take NULL for an outlet without proxy and certificates, with the authorities that curl itself knows.
 * Return 0, or -1 for want of memory. The outlet must outlive what is done with the handle. */

/* What holds for all requests of a handle; once. */
int outlet_set_up(const struct outlet *outlet, CURL *easy);
/* What holds for one to this target; before each, since a handle may be used for another target next. */
int outlet_aim(const struct outlet *outlet, CURL *easy, const struct target *target);

/* Does a request there go through the proxy? Then the only address that is seen here is the proxy's. */
bool outlet_is_proxied(const struct outlet *outlet, const struct target *target);

#endif
