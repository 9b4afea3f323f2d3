#include "protocol/url.h"

#include "protocol/template.h"

#include <string.h>
#include <strings.h>

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

/* The characters, and whether each brace belongs to a placeholder that is known here. */
static int check_characters(const char *key, const char *url, unsigned fills, struct rxp_refusal *why)
{
    const char *end = url + strlen(url);
    const char *path_end = url + strcspn(url, "?#");

    for (const char *at = url; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        struct template_mark mark;
        if (c > 0x20 && c < 0x7F && c != '\\' && c != '%' && c != '{' && c != '}')
            continue;
        if (c <= 0x20 || c == 0x7F)
            return refuse(why, key, url, c == ' ' ? "holds a space: write %20" : "holds a control character");
        if (c >= 0x80)
            return refuse(why, key, url, "holds a letter beyond ASCII: percent-encode it (in a host name: punycode)");
        if (c == '\\')
            return refuse(why, key, url, "holds a backslash: write %5C");
        /* What is filled in must not become the end of an escape. */
        if (c == '%' && (at[1] == '{' || (at[1] != '\0' && at[2] == '{')))
            return refuse(why, key, url, "has a placeholder within a percent escape (a '%' of its own is %25)");
        if (c == '%')
            continue;
        if (fills == 0)
            return refuse(why, key, url, "holds a brace, but has no placeholders: write %7B and %7D");
        if (c == '}' || strchr(at, '}') == NULL)
            return refuse(why, key, url, "has a brace without its partner (a brace of the URL's own is %7B or %7D)");
        if (!template_mark_at(at, (size_t)(end - at), &mark) || !template_mark_is_in(&mark, fills))
            return template_refuse(why, key, at, strcspn(at, "}") + 1, fills);
        if (mark.is_path && at >= path_end)
            return rxp_refuse(why, RXP_ERROR_INVALID_METADATA,
                              "%s has '%s' in its query or fragment: that form is for paths, write '{%s' there", key,
                              rxp_show(mark.at, mark.bytes).text, rxp_show(mark.at + 2, mark.bytes - 2).text);
        at += mark.bytes - 1;
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

int url_check(const char *key, const char *url, unsigned fills, struct rxp_refusal *why)
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
    if (check_characters(key, url, fills, why) < 0)
        return -1;
    return check_authority(key, url, authority, why);
}
