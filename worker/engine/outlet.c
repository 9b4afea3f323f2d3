#include "engine/outlet.h"

#include "engine/client_certificates.h"
#include "engine/pem_file.h"
#include "engine/proxy.h"
#include "engine/tls_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CA_CACHE_SECONDS 600L /* curl keeps the authorities parsed; its own time is a day */

struct outlet {
    char *ca_file; /* NULL: curl's own */
    struct client_certificates certificates;
    struct proxy *proxy;
};

static int take_ca_file(struct outlet *outlet, const char *asked, char *why)
{
    bool is_asked = asked != NULL && asked[0] != '\0';
    if (is_asked && pem_file_check("ca-file", asked, PEM_CERTIFICATE, why, OUTLET_WHY_BYTES) != 0) {
        return -1;
    }
    const char *chosen = is_asked ? asked : pem_file_of_system();
    if (chosen == NULL) {
        return 0;
    }
    outlet->ca_file = strdup(chosen);
    if (outlet->ca_file == NULL) {
        snprintf(why, OUTLET_WHY_BYTES, "ca-file: out of memory");
        return -1;
    }
    return 0;
}

static int try_certificates(const struct outlet *outlet, char *why)
{
    for (size_t i = 0; i < outlet->certificates.n; i++) {
        const struct client_certificate *entry = &outlet->certificates.entry[i];
        char fault[160];
        if (tls_probe(entry->certificate, entry->key, fault, sizeof fault) != 0) {
            snprintf(why, OUTLET_WHY_BYTES, "client-certificates: '%s' with the key of '%s' cannot be used: %s", entry->certificate,
                     entry->key, fault);
            return -1;
        }
    }
    return 0;
}

struct outlet *outlet_make(const struct outlet_config *config, char *why)
{
    struct outlet *outlet = calloc(1, sizeof *outlet);
    if (outlet == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        snprintf(why, OUTLET_WHY_BYTES, "libcurl could not be initialised");
        free(outlet);
        return NULL;
    }
    const char *certificates = config->client_certificates != NULL ? config->client_certificates : "";
    if (take_ca_file(outlet, config->ca_file, why) != 0 ||
        client_certificates_parse(&outlet->certificates, certificates, why, OUTLET_WHY_BYTES) != 0 ||
        try_certificates(outlet, why) != 0 || proxy_make(config->proxy, &outlet->proxy, why, OUTLET_WHY_BYTES) != 0) {
        outlet_free(outlet);
        return NULL;
    }
    return outlet;
}

void outlet_free(struct outlet *outlet)
{
    if (outlet == NULL) {
        return;
    }
    free(outlet->ca_file);
    client_certificates_deinit(&outlet->certificates);
    proxy_free(outlet->proxy);
    free(outlet);
    curl_global_cleanup();
}

const char *outlet_curl_version(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

#define SET(option, value) (failed |= curl_easy_setopt(easy, option, value) != CURLE_OK)

int outlet_set_up(const struct outlet *outlet, CURL *easy)
{
    bool failed = false;
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    /* Without both curl asks the environment. */
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    /* A key that was encrypted meanwhile must not ask for its pass phrase on the terminal. */
    SET(CURLOPT_KEYPASSWD, "");
    if (outlet != NULL && outlet->ca_file != NULL) {
        /* With a CApath beside it curl reads the whole bundle again for every connection. */
        SET(CURLOPT_CAINFO, outlet->ca_file);
        SET(CURLOPT_CAPATH, NULL);
        SET(CURLOPT_PROXY_CAINFO, outlet->ca_file);
        SET(CURLOPT_PROXY_CAPATH, NULL);
        SET(CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_SECONDS);
    }
    return failed ? -1 : 0;
}

static const char *find_proxy(const struct outlet *outlet, const struct target *target)
{
    bool is_https = strncmp(target->origin, "https:", 6) == 0;
    return outlet != NULL ? proxy_find(outlet->proxy, is_https ? "https" : "http", target->host, target->port) : NULL;
}

bool outlet_is_proxied(const struct outlet *outlet, const struct target *target)
{
    return find_proxy(outlet, target) != NULL;
}

int outlet_aim(const struct outlet *outlet, CURL *easy, const struct target *target)
{
    bool failed = false;
    if (outlet == NULL) {
        return 0;
    }
    if (outlet->certificates.n > 0) {
        const struct client_certificate *own = client_certificates_find(&outlet->certificates, target->host, target->port);
        SET(CURLOPT_SSLCERT, own != NULL ? own->certificate : NULL);
        SET(CURLOPT_SSLKEY, own != NULL ? own->key : NULL);
        /* A session that is taken up again goes on with the certificate that began it, be it renewed or not. */
        SET(CURLOPT_SSL_SESSIONID_CACHE, own != NULL ? 0L : 1L);
    }
    if (outlet->proxy != NULL) {
        const char *proxy = find_proxy(outlet, target);
        SET(CURLOPT_PROXY, proxy != NULL ? proxy : "");
    }
    return failed ? -1 : 0;
}
