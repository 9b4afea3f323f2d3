#include "protocol/plan_headers.h"

#include "protocol/token.h"

#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES 128
#define MAX_HEADERS 64
/* Servers seldom take more than 8 KiB of headers; the longest tokens come near. */
#define VALUE_MAX_BYTES 8192
#define ID_MAX_BYTES 4096

/* They frame the message, belong to the connection, or say what the worker can read. */
static const char *const refused[] = {"Host",       "Content-Length", "Transfer-Encoding", "Connection",
                                      "Keep-Alive", "TE",             "Trailer",           "Upgrade",
                                      "Expect",     "Accept-Encoding"};

static bool is_refused(const char *name)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (strcasecmp(name, refused[i]) == 0)
            return true;
    }
    return strncasecmp(name, "Proxy-", 6) == 0;
}

static bool is_blank(const char *value)
{
    return value[strspn(value, " \t")] == '\0';
}

static int refuse_header(struct plan_source *source, const char *key, const char *what, bool from_defaults)
{
    rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA, "%s %s", rxp_show(key, strlen(key)).text, what);
    return from_defaults ? plan_source_blame_defaults(source) : -1;
}

static int check_header(struct plan_source *source, const char *key, const struct rxp_http_header *header)
{
    if (!token_is(header->name, NAME_MAX_BYTES))
        return refuse_header(source, key, "names no header", header->from_defaults);
    if (is_refused(header->name))
        return refuse_header(source, key, "is a header that only the worker sets", header->from_defaults);
    if (strlen(header->value) > VALUE_MAX_BYTES)
        return refuse_header(source, key, "has a value of more than 8192 bytes", header->from_defaults);
    for (const char *at = header->value; *at != '\0'; at++) {
        if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7F)
            return refuse_header(source, key, "has a value with a control character in it", header->from_defaults);
    }
    return 0;
}

/* Adds one behind those of the same maker, and over one of the defaults: of equal names, whatever their case, the
 * message's is sent. */
static int add_header(struct plan_source *source, const char *key, struct rxp_http_header header,
                      struct rxp_http_header *list, size_t *n)
{
    if (!source->is_later && check_header(source, key, &header) < 0)
        return -1;
    for (size_t i = 0; i < *n; i++) {
        if (strcasecmp(list[i].name, header.name) != 0)
            continue;
        if (list[i].from_defaults == header.from_defaults)
            return refuse_header(source, key, "is there twice: names of headers are alike in either case",
                                 header.from_defaults);
        list[i] = header;
        return 0;
    }
    if (*n == MAX_HEADERS)
        return refuse_header(source, key, "is one header too many: 64 may be set", header.from_defaults);
    list[(*n)++] = header;
    return 0;
}

static int add_headers(struct plan_source *source, const struct rxp_pair *pairs, size_t n_pairs, bool from_defaults,
                       struct rxp_http_header *list, size_t *n)
{
    for (size_t i = 0; i < n_pairs; i++) {
        enum plan_key key;
        const char *name;
        if (strncmp(pairs[i].key, "http.header.", 12) != 0 || !plan_key_find(pairs[i].key, &key, &name))
            continue;
        struct rxp_http_header header = {.name = name, .value = pairs[i].value, .from_defaults = from_defaults};
        if (add_header(source, pairs[i].key, header, list, n) < 0)
            return -1;
    }
    return 0;
}

/* The invocation_id as the header's value: visible ASCII as it stands, the rest and '%' percent-encoded. */
static int check_idempotency_key(struct plan_source *source, const char *name)
{
    const char *id = source->invocation->invocation_id;
    size_t bytes = strlen(id);
    size_t sent_bytes = 0;

    for (size_t i = 0; i < bytes; i++)
        sent_bytes += id[i] > 0x20 && id[i] < 0x7F && id[i] != '%' ? 1 : 3;
    if (sent_bytes > ID_MAX_BYTES)
        return rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA,
                          "invocation_id needs %zu bytes, percent-encoded, more than the %d that may be sent in the "
                          "header %s: shorten it, or set http.idempotency_header to \"\"",
                          sent_bytes, ID_MAX_BYTES, name);
    for (size_t i = 0; i < bytes; i++) {
        if ((unsigned char)id[i] < 0x20 || id[i] == 0x7F)
            return rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA,
                              "invocation_id '%s' holds a control character, so it can't be sent in the header %s: "
                              "change it, or set http.idempotency_header to \"\"",
                              rxp_show(id, bytes).text, name);
    }
    return 0;
}

static int read_idempotency_header(struct plan_source *source, struct rxp_http_plan *out)
{
    const char *name = source->value[KEY_IDEMPOTENCY_HEADER].text;

    if (name != NULL && name[0] == '\0')
        return 0;
    out->idempotency_header = name == NULL ? RXP_IDEMPOTENCY_HEADER : name;
    if (name != NULL && !token_is(name, NAME_MAX_BYTES))
        return plan_source_refuse(source, KEY_IDEMPOTENCY_HEADER, "is no header name");
    if (name != NULL &&
        (is_refused(name) || strcasecmp(name, "Content-Type") == 0 || strcasecmp(name, "User-Agent") == 0))
        return plan_source_refuse(source, KEY_IDEMPOTENCY_HEADER, "is a header that a message may not set");
    return check_idempotency_key(source, out->idempotency_header);
}

int plan_headers_read(struct plan_source *source, struct rxp_http_plan *out)
{
    const struct rxp_invocation *invocation = source->invocation;
    const struct rxp_defaults *defaults = source->defaults;
    struct rxp_http_header list[MAX_HEADERS];
    size_t n = 0;
    size_t n_sent = 0;

    if (!source->is_later && read_idempotency_header(source, out) < 0)
        return -1;
    if (!source->has_headers)
        return 0;
    if (defaults != NULL && add_headers(source, defaults->metadata, defaults->n_metadata, true, list, &n) < 0)
        return -1;
    if (add_headers(source, invocation->metadata, invocation->n_metadata, false, list, &n) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        /* An empty one is not sent: so a message can do without one of its profile. */
        if (is_blank(list[i].value))
            continue;
        if (out->idempotency_header != NULL && strcasecmp(list[i].name, out->idempotency_header) == 0) {
            rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA,
                       "http.header.%s is the header that carries the invocation_id: leave it out, or set "
                       "http.idempotency_header to \"\"",
                       list[i].name);
            return list[i].from_defaults ? plan_source_blame_defaults(source) : -1;
        }
        list[n_sent++] = list[i];
    }
    if (n_sent == 0)
        return 0;
    struct rxp_http_header *headers = arena_take(&source->arena, n_sent * sizeof(*headers));
    if (headers == NULL)
        return plan_source_no_memory(source);
    memcpy(headers, list, n_sent * sizeof(*headers));
    out->headers = headers;
    out->n_headers = n_sent;
    return 0;
}
