#include "protocol/plan_source.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int plan_source_blame_defaults(struct plan_source *source)
{
    struct rxp_refusal plain = *source->why;

    return rxp_refuse(source->why, plain.error, "profile '%s': %s", source->defaults->name, plain.text);
}

int plan_source_blame(struct plan_source *source, enum plan_key key, enum plan_key other)
{
    const struct plan_value *value = &source->value[key];
    bool is_of_defaults = value->text != NULL && value->from_defaults;

    if (other != PLAN_KEYS && source->value[other].text != NULL)
        is_of_defaults = source->value[other].from_defaults && (is_of_defaults || value->text == NULL);
    return is_of_defaults ? plan_source_blame_defaults(source) : -1;
}

int plan_source_refuse(struct plan_source *source, enum plan_key key, const char *what)
{
    const char *text = source->value[key].text;

    rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA, "%s '%s' %s", plan_key_name(key),
               rxp_show(text, strlen(text)).text, what);
    return plan_source_blame(source, key, PLAN_KEYS);
}

int plan_source_refuse_missing(struct plan_source *source, enum plan_key key, const char *what_for)
{
    rxp_refuse(source->why, RXP_ERROR_MISSING_METADATA, "missing metadata '%s'%s%s", plan_key_name(key),
               what_for == NULL ? "" : ", ", what_for == NULL ? "" : what_for);
    /* Nobody else may say it. */
    if (source->defaults != NULL && source->defaults->only && !plan_key_is(key, PLAN_OWN))
        return plan_source_blame_defaults(source);
    return -1;
}

int plan_source_no_memory(struct plan_source *source)
{
    return rxp_refuse(source->why, RXP_OK, "no memory for the plan of a run");
}

static int add_variable(struct plan_source *source, const struct rxp_pair *pair, const char *name, bool from_defaults)
{
    if (!template_name_is(name, strlen(name)))
        return rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA,
                          "metadata key '%s' names no variable: a name is 1 to %d letters, digits, '_', '-' and '.'",
                          rxp_show(pair->key, strlen(pair->key)).text, TEMPLATE_NAME_MAX_BYTES);
    source->variables[source->n_variables++] =
        (struct plan_variable){.name = name, .value = pair->value, .from_defaults = from_defaults};
    return 0;
}

/* A profile holds nothing but defaults; a message holds what it wants, and must spell right what begins as ours do. */
static int read_pair(struct plan_source *source, const struct rxp_pair *pair, bool from_defaults)
{
    enum plan_key key;
    const char *name;

    if (!plan_key_find(pair->key, &key, &name)) {
        if (!plan_key_is_ours(pair->key) && !from_defaults)
            return 0;
        return rxp_refuse_unknown(source->why, RXP_ERROR_INVALID_METADATA, "metadata key", pair->key, plan_key_names(),
                                  PLAN_KEYS);
    }
    if (source->is_later && plan_key_is(key, PLAN_START))
        return 0;
    if (from_defaults && plan_key_is(key, PLAN_NO_DEFAULT))
        return rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA, "%s is for a message to say, and no default",
                          pair->key);
    if (!from_defaults && source->defaults != NULL && source->defaults->only && !plan_key_is(key, PLAN_OWN))
        return rxp_refuse(source->why, RXP_ERROR_INVALID_METADATA,
                          "metadata key '%s' is not for a message to set: profile '%s' owns it, and with profiles=only "
                          "a message sets nothing but http.body, var.*, rxp.* and keys of its own",
                          rxp_show(pair->key, strlen(pair->key)).text, source->defaults->name);
    if (key == KEY_VAR)
        return add_variable(source, pair, name, from_defaults);
    source->has_headers = source->has_headers || key == KEY_HEADER;
    if (plan_key_is(key, PLAN_FAMILY))
        return 0;
    source->value[key].text = pair->value;
    source->value[key].from_defaults = from_defaults;
    if (from_defaults)
        source->value[key].of_defaults = pair->value;
    return 0;
}

static int compare_variables(const void *left, const void *right)
{
    const struct plan_variable *a = left;
    const struct plan_variable *b = right;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : (int)a->from_defaults - (int)b->from_defaults;
}

static size_t count_variables(const struct rxp_pair *pairs, size_t n_pairs)
{
    size_t n = 0;

    for (size_t i = 0; i < n_pairs; i++)
        n += pairs[i].key[0] == 'v' && strncmp(pairs[i].key, "var.", 4) == 0;
    return n;
}

static int read_defaults(struct plan_source *source)
{
    const struct rxp_defaults *defaults = source->defaults;

    for (size_t i = 0; i < defaults->n_metadata; i++) {
        if (read_pair(source, &defaults->metadata[i], true) < 0)
            return plan_source_blame_defaults(source);
    }
    if (defaults->has_kind && defaults->kind != source->invocation->kind)
        return rxp_refuse(source->why, RXP_ERROR_UNSUPPORTED_KIND,
                          "profile '%s' is for runtime_kind '%s', and the invocation is of '%s'", defaults->name,
                          rxp_kind_name(defaults->kind), rxp_kind_name(source->invocation->kind));
    return 0;
}

static int read_all(struct plan_source *source, const struct rxp_invocation *invocation,
                    const struct rxp_defaults *defaults, struct rxp_refusal *why)
{
    size_t n = count_variables(invocation->metadata, invocation->n_metadata);

    source->invocation = invocation;
    source->defaults = defaults;
    source->why = why;
    if (defaults != NULL)
        n += count_variables(defaults->metadata, defaults->n_metadata);
    source->variables = n <= PLAN_SOURCE_FEW ? source->few : malloc(n * sizeof(*source->variables));
    if (source->variables == NULL)
        return plan_source_no_memory(source);
    /* First the defaults: the message's word is the last. */
    if (defaults != NULL && read_defaults(source) < 0)
        return -1;
    for (size_t i = 0; i < invocation->n_metadata; i++) {
        if (read_pair(source, &invocation->metadata[i], false) < 0)
            return -1;
    }
    if (n > 1)
        qsort(source->variables, source->n_variables, sizeof(*source->variables), compare_variables);
    return 0;
}

/* All but the room for variables, which is written before it is read. */
static void clear(struct plan_source *source)
{
    memset(source, 0, offsetof(struct plan_source, few));
}

int plan_source_init(struct plan_source *source, const struct rxp_invocation *invocation,
                     const struct rxp_defaults *defaults, struct rxp_refusal *why)
{
    clear(source);
    return read_all(source, invocation, defaults, why);
}

int plan_source_init_later(struct plan_source *source, const struct rxp_invocation *invocation,
                           const struct rxp_defaults *defaults, void *room, size_t room_bytes, struct rxp_refusal *why)
{
    clear(source);
    source->is_later = true;
    arena_init(&source->arena, room, room_bytes);
    return read_all(source, invocation, defaults, why);
}

void plan_source_deinit(struct plan_source *source)
{
    if (source->variables != source->few)
        free(source->variables);
    source->variables = NULL;
}

const struct plan_variable *plan_source_variable(const struct plan_source *source, const char *name, size_t bytes)
{
    size_t low = 0;
    size_t high = source->n_variables;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *other = source->variables[middle].name;
        int order = strncmp(other, name, bytes);
        if (order < 0)
            low = middle + 1;
        else
            high = middle; /* equal so far, and perhaps longer: what is sought is here or before */
    }
    if (low == source->n_variables || strncmp(source->variables[low].name, name, bytes) != 0 ||
        source->variables[low].name[bytes] != '\0')
        return NULL;
    return &source->variables[low];
}

static size_t count_bytes(const struct rxp_pair *pairs, size_t n_pairs)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n_pairs; i++)
        bytes += strlen(pairs[i].key) + strlen(pairs[i].value);
    return bytes;
}

size_t plan_source_said_bytes(const struct plan_source *source)
{
    const struct rxp_invocation *invocation = source->invocation;
    const struct rxp_defaults *defaults = source->defaults;
    size_t bytes = count_bytes(invocation->metadata, invocation->n_metadata);

    return defaults == NULL ? bytes : bytes + count_bytes(defaults->metadata, defaults->n_metadata);
}

static const char *variable_value(const void *vars, const char *name, size_t bytes)
{
    const struct plan_variable *variable = plan_source_variable(vars, name, bytes);

    return variable == NULL ? NULL : variable->value;
}

struct template_fills plan_source_fills(const struct plan_source *source)
{
    return (struct template_fills){
        .invocation_id = source->invocation->invocation_id, .var = variable_value, .vars = source};
}
