#include "protocol/url.h"

#include "protocol/http_plan.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char run_id_mark[] = "{run_id}";
static const char invocation_id_mark[] = "{invocation_id}";

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Without its query, and without what stands before an '@' near its front: it could be a password. */
static struct rxp_shown show_url(const char *url)
{
    size_t bytes = strcspn(url, "?#");
    size_t begin = 0;

    for (size_t i = 0; i < bytes; i++) {
        if (url[i] == '@')
            begin = i + 1;
    }
    return rxp_show(url + begin, bytes - begin);
}

static int refuse(struct rxp_refusal *why, const char *key, const char *url, const char *what)
{
    return rxp_refuse(why, RXP_ERROR_INVALID_METADATA, "%s '%s' %s", key, show_url(url).text, what);
}

/* The characters, and whether each brace belongs to a known placeholder. */
static int check_characters(const char *key, const char *url, enum url_placeholders placeholders,
                            struct rxp_refusal *why)
{
    for (const char *at = url; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c <= 0x20 || c == 0x7F)
            return refuse(why, key, url, c == ' ' ? "holds a space: write %20" : "holds a control character");
        if (c >= 0x80)
            return refuse(why, key, url, "holds a letter beyond ASCII: percent-encode it (in a host name: punycode)");
        if (c == '\\')
            return refuse(why, key, url, "holds a backslash: write %5C");
        if (c != '{' && c != '}')
            continue;
        if (placeholders == URL_PLAIN)
            return refuse(why, key, url, "holds a brace, but has no placeholders: write %7B and %7D");
        if (begins(at, run_id_mark)) {
            at += sizeof(run_id_mark) - 2;
        } else if (begins(at, invocation_id_mark)) {
            at += sizeof(invocation_id_mark) - 2;
        } else if (c == '}' || strchr(at, '}') == NULL) {
            return refuse(why, key, url, "has a brace without its partner (a brace of the URL's own is %7B or %7D)");
        } else {
            return rxp_refuse(why, RXP_ERROR_INVALID_METADATA,
                              "%s has the placeholder '%s': known are {run_id} and {invocation_id}", key,
                              rxp_show(at, strcspn(at, "}") + 1).text);
        }
    }
    return 0;
}

static int check_port(const char *key, const char *url, const char *at, const char *end, struct rxp_refusal *why)
{
    int port = 0;

    if (at == end)
        return 0;
    if (*at != ':')
        return refuse(why, key, url, "has a host that is no name or address");
    for (at++; at < end; at++) {
        if (*at < '0' || *at > '9')
            return refuse(why, key, url, "has a port that is no number");
        port = port * 10 + (*at - '0');
        if (port > 65535)
            return refuse(why, key, url, "has a port above 65535");
    }
    if (port == 0)
        return refuse(why, key, url, "has no port behind its colon, or port 0");
    return 0;
}

static int check_authority(const char *key, const char *url, const char *authority, struct rxp_refusal *why)
{
    const char *end = authority + strcspn(authority, "/?#");
    const char *at = authority;

    if (memchr(authority, '{', (size_t)(end - authority)) != NULL)
        return refuse(why, key, url, "has a placeholder in its host or port: it may stand only behind them");
    if (*at == '[') {
        for (at++; at < end && *at != ']'; at++) {
            if (!is_alnum(*at) && *at != ':' && *at != '.')
                return refuse(why, key, url, "has a host that is no IPv6 address");
        }
        if (at == end || at - authority < 3)
            return refuse(why, key, url, "has a host that is no IPv6 address");
        at++;
    } else {
        while (at < end && (is_alnum(*at) || *at == '-' || *at == '.' || *at == '_' || *at == '~'))
            at++;
        if (at == authority)
            return refuse(why, key, url,
                          at == end || *at == ':' ? "has no host" : "has a host that is no name or address");
    }
    return check_port(key, url, at, end, why);
}

int url_check(const char *key, const char *url, enum url_placeholders placeholders, struct rxp_refusal *why)
{
    size_t scheme_bytes = 0;
    size_t bytes = strlen(url);

    if (bytes > URL_MAX_BYTES)
        return rxp_refuse(why, RXP_ERROR_INVALID_METADATA, "%s has %zu bytes, more than %d", key, bytes, URL_MAX_BYTES);
    if (strncasecmp(url, "http://", 7) == 0)
        scheme_bytes = 7;
    else if (strncasecmp(url, "https://", 8) == 0)
        scheme_bytes = 8;
    if (scheme_bytes == 0)
        return refuse(why, key, url, "must be an absolute URL that begins with http:// or https://");
    const char *authority = url + scheme_bytes;
    if (memchr(authority, '@', strcspn(authority, "/?#")) != NULL)
        return rxp_refuse(why, RXP_ERROR_INVALID_METADATA,
                          "%s holds a user name or password before its host, which would show in logs and errors: "
                          "leave it out (a URL's own '@' is %%40)",
                          key);
    if (check_characters(key, url, placeholders, why) < 0)
        return -1;
    return check_authority(key, url, authority, why);
}

bool url_has_run_id(const char *url_template)
{
    return strstr(url_template, run_id_mark) != NULL;
}

bool url_has_invocation_id(const char *url_template)
{
    return strstr(url_template, invocation_id_mark) != NULL;
}

static bool is_unreserved(char c)
{
    return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* Writes value percent-encoded, where at is not NULL; returns the length in any case. */
static size_t put_encoded(char *at, const char *value)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;

    for (; *value != '\0'; value++) {
        unsigned char c = (unsigned char)*value;
        if (is_unreserved(*value)) {
            if (at != NULL)
                at[n] = *value;
            n++;
            continue;
        }
        if (at != NULL) {
            at[n] = '%';
            at[n + 1] = hex[c >> 4];
            at[n + 2] = hex[c & 15];
        }
        n += 3;
    }
    return n;
}

size_t url_longest(const char *url_template, const char *invocation_id)
{
    const size_t id_bytes = put_encoded(NULL, invocation_id);
    size_t n = strlen(url_template);

    for (const char *at = strchr(url_template, '{'); at != NULL; at = strchr(at + 1, '{'))
        n += begins(at, run_id_mark) ? (size_t)RXP_RUN_ID_MAX_BYTES * 3 : id_bytes;
    return n;
}

size_t url_write(char *at, const char *url_template, const char *run_id, const char *invocation_id)
{
    size_t n = 0;

    while (*url_template != '\0') {
        const char *value = NULL;
        if (begins(url_template, run_id_mark)) {
            value = run_id;
            url_template += value != NULL ? sizeof(run_id_mark) - 1 : 0;
        } else if (begins(url_template, invocation_id_mark)) {
            value = invocation_id;
            url_template += value != NULL ? sizeof(invocation_id_mark) - 1 : 0;
        }
        if (value != NULL) {
            n += put_encoded(at == NULL ? NULL : at + n, value);
        } else {
            if (at != NULL)
                at[n] = *url_template;
            n++;
            url_template++;
        }
    }
    return n;
}
