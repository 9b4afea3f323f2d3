#include "protocol/control.h"

#include "protocol/contract.h"
#include "protocol/json_writer.h"

#include <stdlib.h>
#include <string.h>

enum field {
    FIELD_SCHEMA_VERSION,
    FIELD_CONTRACT_KIND,
    FIELD_ACTION,
    FIELD_INVOCATION_ID,
    FIELDS,
};

static const struct contract_field fields[FIELDS] = {
    [FIELD_SCHEMA_VERSION] = {"schema_version", CONTRACT_WORD, false, RXP_SCHEMA_VERSION},
    [FIELD_CONTRACT_KIND] = {"contract_kind", CONTRACT_WORD, true, "runtime_control"},
    [FIELD_ACTION] = {"action", CONTRACT_WORD, true, "cancel"},
    [FIELD_INVOCATION_ID] = {"invocation_id", CONTRACT_TEXT, true, NULL},
};

static const struct contract contract = {.name = "a control message", .field = fields, .n = FIELDS};

int rxp_control_parse(const char *text, size_t bytes, struct rxp_control **out, struct rxp_refusal *why)
{
    struct json_slice document;
    struct contract_slot slot[FIELDS];

    *out = NULL;
    if (bytes > RXP_CONTROL_MAX_BYTES)
        return rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION, "a control message has at most %zu bytes, and this one %zu",
                          RXP_CONTROL_MAX_BYTES, bytes);
    if (contract_open(&contract, text, bytes, &document, why) < 0 || contract_read(&contract, document, slot, why) < 0)
        return -1;
    struct rxp_control *control = malloc(sizeof(*control) + slot[FIELD_INVOCATION_ID].value.bytes + 1);
    if (control == NULL)
        return rxp_refuse(why, RXP_OK, "no memory for a control message of %zu bytes", bytes);
    char *room = (char *)(control + 1);
    control->invocation_id = contract_take_text(&slot[FIELD_INVOCATION_ID], &room);
    *out = control;
    return 0;
}

void rxp_control_free(struct rxp_control *control)
{
    free(control);
}

char *rxp_control_write_cancel(const char *invocation_id, size_t *bytes)
{
    struct json_writer writer;

    json_writer_init(&writer, strlen(invocation_id) + 128);
    json_put(&writer, "{\"schema_version\":\"" RXP_SCHEMA_VERSION
                      "\",\"contract_kind\":\"runtime_control\",\"action\":\"cancel\",\"invocation_id\":");
    json_put_string(&writer, invocation_id);
    json_put(&writer, "}");
    return json_writer_take(&writer, bytes);
}
