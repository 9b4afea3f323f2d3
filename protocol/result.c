#include "protocol/result.h"

#include "protocol/contract.h"
#include "protocol/decimal.h"
#include "protocol/json_writer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum field {
    FIELD_SCHEMA_VERSION,
    FIELD_CONTRACT_KIND,
    FIELD_INVOCATION_ID,
    FIELD_RUNTIME_NAME,
    FIELD_RUNTIME_KIND,
    FIELD_STATUS,
    FIELD_EXIT_CODE,
    FIELD_STARTED_AT,
    FIELD_FINISHED_AT,
    FIELD_STDOUT_PATH,
    FIELD_STDERR_PATH,
    FIELD_ARTIFACTS,
    FIELD_ERROR_SUMMARY,
    FIELD_METADATA,
    FIELDS,
};

static const struct contract_field fields[FIELDS] = {
    [FIELD_SCHEMA_VERSION] = {"schema_version", CONTRACT_WORD, true, RXP_SCHEMA_VERSION},
    [FIELD_CONTRACT_KIND] = {"contract_kind", CONTRACT_WORD, true, "runtime_result"},
    [FIELD_INVOCATION_ID] = {"invocation_id", CONTRACT_TEXT, true, NULL},
    [FIELD_RUNTIME_NAME] = {"runtime_name", CONTRACT_TEXT, true, NULL},
    [FIELD_RUNTIME_KIND] = {"runtime_kind", CONTRACT_KIND, true, NULL},
    [FIELD_STATUS] = {"status", CONTRACT_STATUS, true, NULL},
    [FIELD_EXIT_CODE] = {"exit_code", CONTRACT_INT_OR_NULL, true, NULL},
    [FIELD_STARTED_AT] = {"started_at", CONTRACT_STAMP, true, NULL},
    [FIELD_FINISHED_AT] = {"finished_at", CONTRACT_STAMP, true, NULL},
    [FIELD_STDOUT_PATH] = {"stdout_path", CONTRACT_NULL, true, NULL},
    [FIELD_STDERR_PATH] = {"stderr_path", CONTRACT_NULL, true, NULL},
    [FIELD_ARTIFACTS] = {"artifacts", CONTRACT_EMPTY_ARRAY, true, NULL},
    [FIELD_ERROR_SUMMARY] = {"error_summary", CONTRACT_TEXT_OR_NULL, true, NULL},
    [FIELD_METADATA] = {"metadata", CONTRACT_PAIRS, true, NULL},
};

static const struct contract contract = {.name = "a result", .field = fields, .n = FIELDS};

/* What a result comes to without its strings. */
#define FRAME_BYTES 512

static size_t guess_bytes(const struct rxp_result *result)
{
    size_t bytes = FRAME_BYTES;

    if (result->invocation_id != NULL)
        bytes += strlen(result->invocation_id);
    if (result->runtime_name != NULL)
        bytes += strlen(result->runtime_name);
    if (result->error_summary != NULL)
        bytes += strlen(result->error_summary);
    for (size_t i = 0; i < result->n_metadata; i++)
        bytes += strlen(result->metadata[i].key) + strlen(result->metadata[i].value) + sizeof("\"\":\"\",");
    return bytes;
}

char *rxp_result_write(const struct rxp_result *result, size_t *bytes)
{
    struct json_writer writer;
    char started_at[RXP_STAMP_BYTES];
    char finished_at[RXP_STAMP_BYTES];

    rxp_stamp_write(result->started_at_ms, started_at);
    rxp_stamp_write(result->finished_at_ms, finished_at);
    json_writer_init(&writer, guess_bytes(result));
    json_put(&writer, "{\"schema_version\":\"" RXP_SCHEMA_VERSION "\",\"contract_kind\":\"runtime_result\"");
    json_put(&writer, ",\"invocation_id\":");
    json_put_string(&writer, result->invocation_id);
    json_put(&writer, ",\"runtime_name\":");
    json_put_string(&writer, result->runtime_name);
    json_put(&writer, ",\"runtime_kind\":");
    json_put_string(&writer, rxp_kind_name(result->kind));
    json_put(&writer, ",\"status\":");
    json_put_string(&writer, rxp_status_name(result->status));
    json_put(&writer, ",\"exit_code\":");
    if (result->has_exit_code)
        json_put_int(&writer, result->exit_code);
    else
        json_put(&writer, "null");
    json_put(&writer, ",\"started_at\":");
    json_put_string(&writer, started_at);
    json_put(&writer, ",\"finished_at\":");
    json_put_string(&writer, finished_at);
    json_put(&writer, ",\"stdout_path\":null,\"stderr_path\":null,\"artifacts\":[],\"error_summary\":");
    json_put_string(&writer, result->error_summary);
    json_put(&writer, ",\"metadata\":");
    contract_put_pairs(&writer, result->metadata, result->n_metadata);
    json_put(&writer, "}");
    return json_writer_take(&writer, bytes);
}

static int64_t take_stamp(struct json_slice slot)
{
    char word[CONTRACT_WORD_ROOM];
    int64_t unix_ms = 0;

    if (contract_take_word(slot, word))
        (void)rxp_stamp_parse(word, &unix_ms);
    return unix_ms;
}

/* One block: the struct, the pairs, the text. All slots have passed. */
static struct rxp_result *build(const struct contract_slot slot[FIELDS])
{
    size_t text_bytes = slot[FIELD_INVOCATION_ID].value.bytes + slot[FIELD_RUNTIME_NAME].value.bytes +
                        slot[FIELD_ERROR_SUMMARY].value.bytes + slot[FIELD_METADATA].text_bytes;
    const size_t n_metadata = slot[FIELD_METADATA].n;
    const struct json_slice exit_code_slot = slot[FIELD_EXIT_CODE].value;
    struct rxp_result *result = malloc(sizeof(*result) + n_metadata * sizeof(struct rxp_pair) + text_bytes);
    char word[CONTRACT_WORD_ROOM];
    struct decimal number;
    int64_t exit_code;

    if (result == NULL)
        return NULL;
    struct rxp_pair *pairs = (struct rxp_pair *)(void *)(result + 1);
    char *text = (char *)(pairs + n_metadata);

    *result = (struct rxp_result){.kind = RXP_KIND_UNKNOWN, .metadata = pairs, .n_metadata = n_metadata};
    result->invocation_id = contract_take_text(&slot[FIELD_INVOCATION_ID], &text);
    result->runtime_name = contract_take_text(&slot[FIELD_RUNTIME_NAME], &text);
    result->error_summary = contract_take_text(&slot[FIELD_ERROR_SUMMARY], &text);
    contract_take_pairs(&slot[FIELD_METADATA], pairs, &text);
    if (contract_take_word(slot[FIELD_RUNTIME_KIND].value, word))
        (void)rxp_kind_parse(word, &result->kind);
    if (contract_take_word(slot[FIELD_STATUS].value, word))
        (void)rxp_status_parse(word, &result->status);
    if (decimal_parse(exit_code_slot.at, exit_code_slot.bytes, &number) &&
        decimal_to_int(&number, INT_MIN, INT_MAX, &exit_code)) {
        result->has_exit_code = true;
        result->exit_code = (int)exit_code;
    }
    result->started_at_ms = take_stamp(slot[FIELD_STARTED_AT].value);
    result->finished_at_ms = take_stamp(slot[FIELD_FINISHED_AT].value);
    return result;
}

int rxp_result_parse(const char *text, size_t bytes, struct rxp_result **out, struct rxp_refusal *why)
{
    struct json_slice document;
    struct contract_slot slot[FIELDS];

    if (out != NULL)
        *out = NULL;
    if (contract_open(&contract, text, bytes, &document, why) < 0 ||
        contract_read(&contract, document, slot, why) < 0)
        return -1;
    if (out == NULL)
        return 0;
    *out = build(slot);
    if (*out == NULL)
        return rxp_refuse(why, RXP_OK, "no memory for a result of %zu bytes", bytes);
    return 0;
}

void rxp_result_free(struct rxp_result *result)
{
    free(result);
}
