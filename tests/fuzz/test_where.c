/* What servers and messages say about where a request goes, and when: "URL" "--" "Location" "--" "Retry-After". Wherever a
 * Location leads is http or https; whatever the policy lets pass is no address that it refuses, in any spelling. */
#include "fuzz/fuzz.h"

#include "engine/aim.h"
#include "engine/egress.h"
#include "engine/excerpt.h"
#include "engine/target.h"
#include "protocol/invocation.h"
#include "protocol/retry_after.h"
#include "protocol/url.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#define WALL_MS INT64_C(1785000000000)

/* Made once: immutable values. */
static struct egress *egress;         /* as `run` has it by default */
static struct egress *egress_private; /* the same with egress-private=deny */

/* ---- what the policy must refuse, said once more ---- */

/* With egress-private=deny: the ranges of RFC 1918, 6598, 4193 among others. */
static bool is_private(const struct addrinfo *info)
{
    if (info->ai_family == AF_INET) {
        uint32_t address = ntohl(((const struct sockaddr_in *)(const void *)info->ai_addr)->sin_addr.s_addr);
        return address >> 24 == 10 || address >> 20 == 0xac1 || address >> 16 == 0xc0a8 || address >> 22 == 0x191 ||
               address >> 28 == 0xf;
    }
    const unsigned char *byte = ((const struct sockaddr_in6 *)(const void *)info->ai_addr)->sin6_addr.s6_addr;
    return (byte[0] & 0xfe) == 0xfc || (byte[0] == 0x20 && byte[1] == 0x01 && byte[2] == 0x0d && byte[3] == 0xb8);
}

static bool is_refused_ipv4(uint32_t address)
{
    return address >> 16 == 0xa9fe /* 169.254/16 */ || address >> 24 == 127 || address >> 24 == 0 || address >> 28 == 0xe ||
           address == 0xffffffff || address == 0xa83f8110 /* 168.63.129.16 */ || address == 0x646464c8 /* 100.100.100.200 */;
}

static bool is_refused_ipv6(const unsigned char byte[16])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const unsigned char nat64[12] = {0, 0x64, 0xff, 0x9b};
    static const unsigned char zero[15] = {0};
    static const unsigned char aws[16] = {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54};
    uint32_t low = (uint32_t)byte[12] << 24 | (uint32_t)byte[13] << 16 | (uint32_t)byte[14] << 8 | byte[15];
    uint32_t of_6to4 = (uint32_t)byte[2] << 24 | (uint32_t)byte[3] << 16 | (uint32_t)byte[4] << 8 | byte[5];
    if (memcmp(byte, mapped, 12) == 0 || memcmp(byte, nat64, 12) == 0)
        return is_refused_ipv4(low);
    if (byte[0] == 0x20 && byte[1] == 0x02)
        return is_refused_ipv4(of_6to4);
    return (memcmp(byte, zero, 15) == 0 && byte[15] <= 1) || (byte[0] == 0xfe && (byte[1] & 0xc0) == 0x80) || byte[0] == 0xff ||
           memcmp(byte, aws, 16) == 0;
}

/* As connecting would do it: the addresses that the resolver makes of a host without asking anybody. */
static void must_be_refused_where_due(const char *host, int port)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char why[EGRESS_WHY_BYTES] = "";
    char why_address[EGRESS_WHY_BYTES] = "";
    bool passes = egress_check_host(egress, host, port, EGRESS_DIRECT, why);
    if (!passes)
        must_be_sentence(why);
    must(passes || !egress_check_host(egress, host, port, EGRESS_BY_PROXY, why_address));
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return;
    bool is_refused = found->ai_family == AF_INET
                          ? is_refused_ipv4(ntohl(((const struct sockaddr_in *)(const void *)found->ai_addr)->sin_addr.s_addr))
                          : is_refused_ipv6(((const struct sockaddr_in6 *)(const void *)found->ai_addr)->sin6_addr.s6_addr);
    bool connects = egress_check_address(egress, host, port, found->ai_addr, why_address);
    if (!connects)
        must_be_sentence(why_address);
    if (is_refused)
        must(!passes && !connects);
    bool connects_closed = egress_check_address(egress_private, host, port, found->ai_addr, why_address);
    must(!connects_closed || (connects && !is_private(found)));
    /* Nobody asks DNS about a literal: what names it and what it is are decided alike. */
    must(passes == connects);
    freeaddrinfo(found);
}

static void must_be_target(const struct target *target)
{
    const char *colon = strrchr(target->origin, ':');
    must(strncmp(target->origin, "http://", 7) == 0 || strncmp(target->origin, "https://", 8) == 0);
    must(target->port >= 0 && target->port <= 65535 && colon != NULL && atoi(colon + 1) == target->port);
    must(target->host[0] != '\0' && strpbrk(target->host, "/?#@ \\\r\n\t[]") == NULL);
    for (const char *at = target->origin; *at != '\0'; at++)
        must((unsigned char)*at > ' ' && *at != 0x7f && !(*at >= 'A' && *at <= 'Z'));
    must(strstr(target->origin, target->host) != NULL && target_same_origin(target, target));
    must_be_refused_where_due(target->host, target->port);
}

static void must_be_shown_without_secrets(const char *url)
{
    char shown[EXCERPT_URL_BYTES + 64] = "";
    excerpt_put_url(shown, sizeof shown, url);
    must(strchr(shown, '?') == NULL && strchr(shown, '#') == NULL);
    if (shown[0] != '\0')
        must_be_sentence(shown);
}

/* Caller headers go by the one's opinion, redirects and connections by the other's. */
static void must_agree_about_origins(const char *url, const char *other, const struct target *target)
{
    char why[EGRESS_WHY_BYTES] = "";
    struct target of_other;
    if (target_parse(&of_other, other, why, sizeof why) == TARGET_OK)
        must(!url_has_same_origin(url, other) || target_same_origin(target, &of_other));
    target_deinit(&of_other);
}

/* What goes on the wire where curl has the URL whole. */
static void must_write_as(CURLU *whole, const char *path_and_query)
{
    char *path = NULL;
    char *query = NULL;
    must(curl_url_get(whole, CURLUPART_PATH, &path, CURLU_URLENCODE) == CURLUE_OK);
    (void)curl_url_get(whole, CURLUPART_QUERY, &query, 0);
    size_t bytes = strlen(path);
    must(strncmp(path_and_query, path, bytes) == 0);
    must(query == NULL ? path_and_query[bytes] == '\0'
                       : path_and_query[bytes] == '?' && strcmp(path_and_query + bytes + 1, query) == 0);
    curl_free(path);
    curl_free(query);
}

/* Whether its origin is known already or not, a URL goes where it goes when it is parsed whole. */
static void must_aim_alike(const char *url, const char *location, enum target_error error, const struct target *whole)
{
    static struct aims aims;
    char why[EGRESS_WHY_BYTES] = "";
    struct target target;
    if (aims.table.bucket == NULL)
        aims_init(&aims, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        must(aims_take(&aims, url, &target, why, sizeof why) == error);
        if (error == TARGET_OK) {
            struct target to;
            struct target to_whole;
            must(target_same_origin(&target, whole) && strcmp(target.host, whole->host) == 0 && target.port == whole->port);
            must(target_has_credentials(&target) == target_has_credentials(whole));
            if (target.aim != NULL)
                must_write_as(whole->url, target.path);
            enum target_error follows = target_follow(&to, &target, location, why, sizeof why);
            must(follows == target_follow(&to_whole, whole, location, why, sizeof why));
            must(follows != TARGET_OK || target_same_origin(&to, &to_whole));
            target_deinit(&to);
            target_deinit(&to_whole);
        }
        target_deinit(&target);
    }
}

/* A URL that a message may name is one that goes where it seems to go. */
static void try_url(const char *url, const char *location)
{
    char why[EGRESS_WHY_BYTES] = "";
    struct rxp_refusal refusal;
    struct target from;
    struct target to;
    bool may_be_named = url_check("http.url", url, 0, &refusal) == 0;
    if (!may_be_named)
        must_be_sentence(refusal.text);
    must_be_shown_without_secrets(url);
    enum target_error error = target_parse(&from, url, why, sizeof why);
    must_aim_alike(url, location, error, &from);
    if (error != TARGET_OK) {
        must_be_sentence(why);
        /* That it is not for the transport is found out when it is sent; a scheme it has in any case. */
        must(!may_be_named || error == TARGET_MALFORMED);
        return;
    }
    must_be_target(&from);
    must_agree_about_origins(url, location, &from);
    error = target_follow(&to, &from, location, why, sizeof why);
    if (error == TARGET_OK)
        must_be_target(&to);
    else
        must_be_sentence(why);
    target_deinit(&to);
    target_deinit(&from);
    target_deinit(&from);
}

static void try_wait(const char *retry_after)
{
    int64_t wait_ms = rxp_retry_after_ms(retry_after, WALL_MS);
    must(wait_ms >= -1 && wait_ms <= RXP_MAX_MS);
    /* A second later a date is a second nearer, and seconds are the same. */
    int64_t later_ms = rxp_retry_after_ms(retry_after, WALL_MS + 1000);
    must((wait_ms < 0) == (later_ms < 0));
    must(later_ms == wait_ms || later_ms == (wait_ms > 1000 ? wait_ms - 1000 : 0) || wait_ms == RXP_MAX_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct fuzz_part rest = {(const char *)data, bytes};
    char why[EGRESS_WHY_BYTES];
    if (egress == NULL) {
        egress = egress_make(&(struct egress_config){.allow = "*"}, why);
        egress_private = egress_make(&(struct egress_config){.allow = "*", .private_denied = true}, why);
    }
    must(egress != NULL && egress_private != NULL);
    char *url = fuzz_text(fuzz_next(&rest));
    char *location = fuzz_text(fuzz_next(&rest));
    char *retry_after = fuzz_text(rest);
    try_url(url, location);
    try_wait(retry_after);
    free(retry_after);
    free(location);
    free(url);
    return 0;
}
