#include "protocol/http_plan.h"

#include <stdlib.h>
#include <string.h>

static int refuse(struct rxp_refusal *why, const struct rxp_id_source *source, const char *what)
{
    return rxp_refuse(why, RXP_ERROR_RUN_ID_INVALID, "%s response has %s at path '%s', where a %s is due",
                      source->phase, what, rxp_show(source->path, strlen(source->path)).text, source->noun);
}

static int check_type(struct json_slice value, const struct rxp_id_source *source, struct rxp_refusal *why)
{
    switch (json_type_of(value)) {
    case JSON_NULL:
        return refuse(why, source, "null");
    case JSON_ARRAY:
        return refuse(why, source, "an array");
    case JSON_OBJECT:
        return refuse(why, source, "an object");
    case JSON_BOOL:
    case JSON_NUMBER:
    case JSON_STRING:
        return 0;
    }
    return -1;
}

int rxp_id_take(struct json_slice document, const struct rxp_id_source *source, char **out, struct rxp_refusal *why)
{
    struct json_slice value;
    size_t bytes;

    *out = NULL;
    const struct rxp_shown shown = rxp_show(source->path, strlen(source->path));
    if (!json_find(document, source->path, &value))
        return rxp_refuse(why, RXP_ERROR_RUN_ID_MISSING, "%s response has no field at path '%s'", source->phase,
                          shown.text);
    if (check_type(value, source, why) < 0)
        return -1;
    char *id = json_text(value, &bytes);
    if (id == NULL)
        return refuse(why, source, "more than there is memory for");
    if (bytes == 0) {
        refuse(why, source, "an empty string");
    } else if (bytes > RXP_RUN_ID_MAX_BYTES) {
        rxp_refuse(why, RXP_ERROR_RUN_ID_INVALID, "%s response has %zu bytes at path '%s', where a %s has at most %d",
                   source->phase, bytes, shown.text, source->noun, RXP_RUN_ID_MAX_BYTES);
    } else if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0) {
        /* As a path segment these would name another resource. */
        rxp_refuse(why, RXP_ERROR_RUN_ID_INVALID,
                   "%s response has '%s' at path '%s', which is a step in a path and no %s", source->phase, id,
                   shown.text, source->noun);
    } else {
        *out = id;
        return 0;
    }
    free(id);
    return -1;
}
