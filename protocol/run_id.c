#include "protocol/http_plan.h"

#include <stdlib.h>
#include <string.h>

static enum rxp_id_fault fault_of_type(struct json_slice value)
{
    switch (json_type_of(value)) {
    case JSON_NULL:
        return RXP_ID_NULL;
    case JSON_ARRAY:
        return RXP_ID_ARRAY;
    case JSON_OBJECT:
        return RXP_ID_OBJECT;
    case JSON_BOOL:
    case JSON_NUMBER:
    case JSON_STRING:
        return RXP_ID_FIT;
    }
    return RXP_ID_FIT;
}

static enum rxp_id_fault fault_of_text(const char *id, size_t bytes)
{
    return bytes == 0                       ? RXP_ID_EMPTY
           : bytes > RXP_RUN_ID_MAX_BYTES ? RXP_ID_LONG
           : strcmp(id, ".") == 0         ? RXP_ID_DOT
           : strcmp(id, "..") == 0        ? RXP_ID_DOTS
                                          : RXP_ID_FIT;
}

bool rxp_http_plan_wants_run_id(const struct rxp_http_plan *plan)
{
    const struct rxp_http_call *const calls[] = {&plan->poll, &plan->result, &plan->cancel, &plan->after};

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (calls[i]->url_has_run_id || calls[i]->body_has_run_id)
            return true;
    }
    return false;
}

enum rxp_id_fault rxp_id_find(struct json_slice document, const char *path, char **out)
{
    struct json_slice value;
    size_t bytes;

    *out = NULL;
    if (!json_find(document, path, &value))
        return RXP_ID_MISSING;
    enum rxp_id_fault fault = fault_of_type(value);
    if (fault != RXP_ID_FIT)
        return fault;
    char *id = json_text(value, &bytes);
    if (id == NULL)
        return RXP_ID_NO_MEMORY;
    fault = fault_of_text(id, bytes);
    if (fault == RXP_ID_FIT)
        *out = id;
    else
        free(id);
    return fault;
}

int rxp_id_refuse(const struct rxp_id_source *source, enum rxp_id_fault fault, struct rxp_refusal *why)
{
    static const char *const there[] = {
        [RXP_ID_FIT] = "",
        [RXP_ID_MISSING] = "",
        [RXP_ID_NULL] = "null",
        [RXP_ID_ARRAY] = "an array",
        [RXP_ID_OBJECT] = "an object",
        [RXP_ID_EMPTY] = "an empty string",
        [RXP_ID_LONG] = "",
        [RXP_ID_DOT] = "'.'",
        [RXP_ID_DOTS] = "'..'",
        [RXP_ID_NO_MEMORY] = "",
    };
    const struct rxp_shown path = rxp_show(source->path, strlen(source->path));

    if (fault == RXP_ID_NO_MEMORY)
        return rxp_refuse(why, RXP_OK, "no memory for the %s of the %s response", source->noun, source->phase);
    if (fault == RXP_ID_MISSING)
        return rxp_refuse(why, RXP_ERROR_RUN_ID_MISSING, "%s response has no field at path '%s'", source->phase,
                          path.text);
    if (fault == RXP_ID_LONG)
        return rxp_refuse(why, RXP_ERROR_RUN_ID_INVALID,
                          "%s response has more bytes at path '%s' than the %d that a %s may have", source->phase,
                          path.text, RXP_RUN_ID_MAX_BYTES, source->noun);
    if (fault == RXP_ID_DOT || fault == RXP_ID_DOTS)
        return rxp_refuse(why, RXP_ERROR_RUN_ID_INVALID,
                          "%s response has %s at path '%s', which is a step in a path and no %s", source->phase,
                          there[fault], path.text, source->noun);
    return rxp_refuse(why, RXP_ERROR_RUN_ID_INVALID, "%s response has %s at path '%s', where a %s is due",
                      source->phase, there[fault], path.text, source->noun);
}

int rxp_id_take(struct json_slice document, const struct rxp_id_source *source, char **out, struct rxp_refusal *why)
{
    enum rxp_id_fault fault = rxp_id_find(document, source->path, out);

    return fault == RXP_ID_FIT ? 0 : rxp_id_refuse(source, fault, why);
}
