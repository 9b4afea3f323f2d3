#include "protocol/http_plan.h"

#include <stdlib.h>
#include <string.h>

static int refuse(struct rxp_refusal *why, const char *path, const char *what)
{
    return rxp_refuse(why, RXP_ERROR_RUN_ID_INVALID, "kickoff response has %s at path '%s', where a run id is due",
                      what, rxp_show(path, strlen(path)).text);
}

static int check_type(struct json_slice value, const char *path, struct rxp_refusal *why)
{
    switch (json_type_of(value)) {
    case JSON_NULL:
        return refuse(why, path, "null");
    case JSON_ARRAY:
        return refuse(why, path, "an array");
    case JSON_OBJECT:
        return refuse(why, path, "an object");
    case JSON_BOOL:
    case JSON_NUMBER:
    case JSON_STRING:
        return 0;
    }
    return -1;
}

int rxp_run_id_take(struct json_slice document, const char *path, char **out, struct rxp_refusal *why)
{
    struct json_slice value;
    size_t bytes;

    *out = NULL;
    if (!json_find(document, path, &value))
        return rxp_refuse(why, RXP_ERROR_RUN_ID_MISSING, "kickoff response has no field at path '%s'",
                          rxp_show(path, strlen(path)).text);
    if (check_type(value, path, why) < 0)
        return -1;
    char *id = json_text(value, &bytes);
    if (id == NULL)
        return refuse(why, path, "more than there is memory for");
    const struct rxp_shown shown = rxp_show(path, strlen(path));
    if (bytes == 0) {
        refuse(why, path, "an empty string");
    } else if (bytes > RXP_RUN_ID_MAX_BYTES) {
        rxp_refuse(why, RXP_ERROR_RUN_ID_INVALID,
                   "kickoff response has %zu bytes at path '%s', where a run id has at most %d", bytes, shown.text,
                   RXP_RUN_ID_MAX_BYTES);
    } else if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0) {
        /* As a path segment these would name another resource. */
        rxp_refuse(why, RXP_ERROR_RUN_ID_INVALID,
                   "kickoff response has '%s' at path '%s', which is a step in a path and no run id", id, shown.text);
    } else {
        *out = id;
        return 0;
    }
    free(id);
    return -1;
}
