#include "engine/aim.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HOST_AND_PORT_MAX_BYTES 300

void aims_init(struct aims *aims, const struct egress *egress, const struct outlet *outlet)
{
    aims->egress = egress;
    aims->outlet = outlet;
    list_init(&aims->uses);
    (void)key_table_init(&aims->table);
}

static void forget(struct aims *aims, struct aim *aim)
{
    key_table_remove(&aims->table, &aim->node);
    list_remove(&aim->use_node);
    target_deinit(&aim->target);
    free(aim);
}

void aims_deinit(struct aims *aims)
{
    while (!list_is_empty(&aims->uses)) {
        struct aim *aim = list_entry(aims->uses.next, struct aim, use_node);
        assert(aim->n_targets == 0);
        forget(aims, aim);
    }
    key_table_deinit(&aims->table);
}

/* ---- plain URLs ---- */

enum { IN_HOST = 1, IN_PATH = 2 };

/* Letters, digits, and "-._~" may stand in both; of the other marks of RFC 3986 (2.2) all but "#" and "%" in a path or query, where
 * "?" separates them, and those of a port or an IPv6 address in a host. */
static uint8_t kind_of(unsigned char c)
{
    static const uint8_t kinds[256] = {
        ['a' ... 'z'] = IN_HOST | IN_PATH, ['A' ... 'Z'] = IN_HOST | IN_PATH, ['0' ... '9'] = IN_HOST | IN_PATH,
        ['-'] = IN_HOST | IN_PATH, ['.'] = IN_HOST | IN_PATH, ['_'] = IN_HOST | IN_PATH, ['~'] = IN_PATH,
        [':'] = IN_HOST | IN_PATH, ['['] = IN_HOST, [']'] = IN_HOST,
        ['/'] = IN_PATH, ['?'] = IN_PATH, ['@'] = IN_PATH, ['!'] = IN_PATH, ['$'] = IN_PATH, ['&'] = IN_PATH, ['\''] = IN_PATH,
        ['('] = IN_PATH, [')'] = IN_PATH, ['*'] = IN_PATH, ['+'] = IN_PATH, [','] = IN_PATH, [';'] = IN_PATH, ['='] = IN_PATH,
    };
    return kinds[c];
}

/* Where the path begins, of a URL whose path and query go on the wire as they stand; 0: it is not such a one. */
static size_t plain_path(const char *url)
{
    if (strncmp(url, "http", 4) != 0) {
        return 0;
    }
    size_t at = url[4] == 's' ? 5 : 4;
    if (strncmp(url + at, "://", 3) != 0) {
        return 0;
    }
    at += 3;
    size_t host = at;
    while ((kind_of((unsigned char)url[at]) & IN_HOST) != 0) {
        at++;
    }
    if (at == host || at - host > HOST_AND_PORT_MAX_BYTES || url[at] != '/') {
        return 0;
    }
    size_t path = at;
    while ((kind_of((unsigned char)url[at]) & IN_PATH) != 0) {
        if (url[at] == '/' && url[at + 1] == '.') {
            return 0; /* dot segments are taken out */
        }
        at++;
    }
    bool has_empty_query = url[at - 1] == '?'; /* which may go, or stay, by the version of libcurl */
    return url[at] == '\0' && !has_empty_query && at <= TARGET_URL_MAX_BYTES ? path : 0;
}

/* ---- what is kept ---- */

static bool make_room(struct aims *aims)
{
    for (struct list *node = aims->uses.next; aims->table.n >= AIMS_MAX && node != &aims->uses;) {
        struct aim *aim = list_entry(node, struct aim, use_node);
        node = node->next;
        if (aim->n_targets == 0) {
            forget(aims, aim);
        }
    }
    return aims->table.n < AIMS_MAX;
}

/* NULL where there is no memory or room, or nothing that can be requested. */
static struct aim *make(struct aims *aims, const char *key)
{
    size_t bytes = strlen(key);
    char url[HOST_AND_PORT_MAX_BYTES + 16];
    char why[128];
    assert(bytes + 2 <= sizeof url);
    struct aim *aim = make_room(aims) ? calloc(1, sizeof *aim + bytes + 1) : NULL;
    if (aim == NULL) {
        return NULL;
    }
    memcpy(aim->key, key, bytes + 1);
    stpcpy(stpcpy(url, key), "/");
    if (target_parse(&aim->target, url, why, sizeof why) != TARGET_OK) {
        free(aim);
        return NULL;
    }
    aim->is_proxied = outlet_is_proxied(aims->outlet, &aim->target);
    list_push(&aims->uses, &aim->use_node);
    key_table_add(&aims->table, &aim->node, aim->key);
    return aim;
}

static struct aim *find_or_make(struct aims *aims, const char *url, size_t path)
{
    char key[HOST_AND_PORT_MAX_BYTES + 16];
    memcpy(key, url, path);
    key[path] = '\0';
    struct key_node *node = key_table_find(&aims->table, key);
    if (node == NULL) {
        return make(aims, key);
    }
    struct aim *aim = list_entry(node, struct aim, node);
    list_remove(&aim->use_node);
    list_push(&aims->uses, &aim->use_node);
    return aim;
}

enum target_error aims_take(struct aims *aims, const char *url, struct target *out, char *why, size_t why_bytes)
{
    bool keeps = aims->table.bucket != NULL;
    size_t path = keeps ? plain_path(url) : 0;
    struct aim *aim = path > 0 ? find_or_make(aims, url, path) : NULL;
    if (aim == NULL || aim->is_proxied) {
        return target_parse(out, url, why, why_bytes);
    }
    aim->n_targets++;
    *out = aim->target;
    out->aim = aim;
    out->text = url;
    out->path = url + path;
    return TARGET_OK;
}

bool aims_allow(const struct aims *aims, const struct target *target, char *why)
{
    if (target->aim != NULL && target->aim->is_allowed) {
        return true;
    }
    enum egress_way way = outlet_is_proxied(aims->outlet, target) ? EGRESS_BY_PROXY : EGRESS_DIRECT;
    bool is_allowed = egress_check_host(aims->egress, target->host, target->port, way, why);
    if (target->aim != NULL) {
        target->aim->is_allowed = is_allowed;
    }
    return is_allowed;
}

void aim_give_back(struct aim *aim)
{
    assert(aim->n_targets > 0);
    aim->n_targets--;
}
