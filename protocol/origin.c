#include "protocol/http_plan.h"
#include "protocol/url.h"

#include <string.h>
#include <strings.h>

/* What two URLs of one origin share (RFC 6454): scheme, host and port. */
struct origin {
    bool is_https;
    const char *host; /* brackets and all */
    size_t host_bytes;
    int port;
};

static bool is_of_host(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/* Behind the host: nothing, or a port. An empty one is the scheme's own. */
static bool read_port(const char *at, const char *end, int *port)
{
    if (at == end)
        return true;
    if (*at++ != ':')
        return false;
    if (at == end)
        return true;
    *port = 0;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        *port = *port * 10 + (*at - '0');
        if (*port > 65535)
            return false;
    }
    return *port > 0;
}

/* False for all that another reader could take for another host: credentials, escapes, a backslash. */
static bool read_origin(const char *url, struct origin *out)
{
    out->is_https = strncasecmp(url, "https://", 8) == 0;
    if (!out->is_https && strncasecmp(url, "http://", 7) != 0)
        return false;
    out->host = url + (out->is_https ? 8 : 7);
    out->port = out->is_https ? 443 : 80;
    const char *end = out->host + strcspn(out->host, "/?#");
    const char *at = out->host;
    if (*at == '[') {
        while (at < end && *at != ']')
            at++;
        if (at == end)
            return false;
        at++;
    } else {
        while (at < end && is_of_host(*at))
            at++;
    }
    out->host_bytes = (size_t)(at - out->host);
    return out->host_bytes > 0 && read_port(at, end, &out->port);
}

bool url_has_same_origin(const char *url, const char *other)
{
    struct origin a;
    struct origin b;

    return read_origin(url, &a) && read_origin(other, &b) && a.is_https == b.is_https && a.port == b.port &&
           a.host_bytes == b.host_bytes && strncasecmp(a.host, b.host, a.host_bytes) == 0;
}

bool rxp_http_plan_sends(const struct rxp_http_plan *plan, const struct rxp_http_header *header, const char *url)
{
    bool defaults_name_one = false;
    bool is_named = false;
    bool is_named_by_defaults = false;

    for (size_t i = 0; i < plan->n_named; i++) {
        bool is_same = url_has_same_origin(plan->named[i].url, url);
        is_named = is_named || is_same;
        defaults_name_one = defaults_name_one || plan->named[i].from_defaults;
        is_named_by_defaults = is_named_by_defaults || (is_same && plan->named[i].from_defaults);
    }
    return header->from_defaults && defaults_name_one ? is_named_by_defaults : is_named;
}
