#include "protocol/invocation.h"

#include "protocol/contract.h"
#include "protocol/decimal.h"
#include "protocol/json_writer.h"

#include <stdlib.h>
#include <string.h>

enum field {
    FIELD_SCHEMA_VERSION,
    FIELD_CONTRACT_KIND,
    FIELD_INVOCATION_ID,
    FIELD_RUNTIME_NAME,
    FIELD_RUNTIME_KIND,
    FIELD_WORKING_DIRECTORY,
    FIELD_COMMAND,
    FIELD_ENVIRONMENT,
    FIELD_TIMEOUT_SECONDS,
    FIELD_INPUT_PAYLOAD_PATH,
    FIELD_OUTPUT_RESULT_PATH,
    FIELD_ARTIFACT_DIRECTORY,
    FIELD_METADATA,
    FIELDS,
};

static const struct contract_field fields[FIELDS] = {
    [FIELD_SCHEMA_VERSION] = {"schema_version", CONTRACT_WORD, false, RXP_SCHEMA_VERSION},
    [FIELD_CONTRACT_KIND] = {"contract_kind", CONTRACT_WORD, false, "runtime_invocation"},
    [FIELD_INVOCATION_ID] = {"invocation_id", CONTRACT_TEXT, true, NULL},
    [FIELD_RUNTIME_NAME] = {"runtime_name", CONTRACT_TEXT, true, NULL},
    [FIELD_RUNTIME_KIND] = {"runtime_kind", CONTRACT_KIND, true, NULL},
    [FIELD_WORKING_DIRECTORY] = {"working_directory", CONTRACT_TEXT, true, NULL},
    [FIELD_COMMAND] = {"command", CONTRACT_TEXTS, true, NULL},
    [FIELD_ENVIRONMENT] = {"environment", CONTRACT_PAIRS, false, NULL},
    [FIELD_TIMEOUT_SECONDS] = {"timeout_seconds", CONTRACT_SECONDS, false, NULL},
    [FIELD_INPUT_PAYLOAD_PATH] = {"input_payload_path", CONTRACT_TEXT_OR_NULL, false, NULL},
    [FIELD_OUTPUT_RESULT_PATH] = {"output_result_path", CONTRACT_TEXT_OR_NULL, false, NULL},
    [FIELD_ARTIFACT_DIRECTORY] = {"artifact_directory", CONTRACT_TEXT_OR_NULL, false, NULL},
    [FIELD_METADATA] = {"metadata", CONTRACT_PAIRS, false, NULL},
};

static const struct contract contract = {.name = "an invocation", .field = fields, .n = FIELDS};

static enum rxp_kind read_kind(struct json_slice slot)
{
    char word[CONTRACT_WORD_ROOM];
    enum rxp_kind kind = RXP_KIND_UNKNOWN;

    if (contract_take_word(slot, word))
        rxp_kind_parse(word, &kind);
    return kind;
}

static int64_t read_timeout_ms(struct json_slice slot)
{
    struct decimal seconds;

    if (json_type_of(slot) != JSON_NUMBER || !decimal_parse(slot.at, slot.bytes, &seconds))
        return 0;
    return decimal_to_ms(&seconds, RXP_MAX_MS);
}

/* One block: the struct, the tables of pairs and pointers, the text. */
static struct rxp_invocation *build(const struct contract_slot slot[FIELDS])
{
    static const enum field texts[] = {FIELD_INVOCATION_ID,      FIELD_RUNTIME_NAME,       FIELD_WORKING_DIRECTORY,
                                       FIELD_INPUT_PAYLOAD_PATH, FIELD_OUTPUT_RESULT_PATH, FIELD_ARTIFACT_DIRECTORY};
    const size_t n_command = slot[FIELD_COMMAND].n;
    const size_t n_environment = slot[FIELD_ENVIRONMENT].n;
    const size_t n_metadata = slot[FIELD_METADATA].n;
    size_t text_bytes =
        slot[FIELD_COMMAND].text_bytes + slot[FIELD_ENVIRONMENT].text_bytes + slot[FIELD_METADATA].text_bytes;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        text_bytes += slot[texts[i]].value.bytes;
    struct rxp_invocation *invocation =
        malloc(sizeof(*invocation) + (n_environment + n_metadata) * sizeof(struct rxp_pair) +
               n_command * sizeof(char *) + text_bytes);
    if (invocation == NULL)
        return NULL;
    struct rxp_pair *pairs = (struct rxp_pair *)(void *)(invocation + 1);
    const char **command = (const char **)(void *)(pairs + n_environment + n_metadata);
    char *text = (char *)(command + n_command);

    *invocation = (struct rxp_invocation){
        .invocation_id = contract_take_text(&slot[FIELD_INVOCATION_ID], &text),
        .kind = read_kind(slot[FIELD_RUNTIME_KIND].value),
        .command = command,
        .n_command = n_command,
        .environment = pairs,
        .n_environment = n_environment,
        .timeout_ms = read_timeout_ms(slot[FIELD_TIMEOUT_SECONDS].value),
        .metadata = pairs + n_environment,
        .n_metadata = n_metadata,
    };
    invocation->runtime_name = contract_take_text(&slot[FIELD_RUNTIME_NAME], &text);
    invocation->working_directory = contract_take_text(&slot[FIELD_WORKING_DIRECTORY], &text);
    invocation->input_payload_path = contract_take_text(&slot[FIELD_INPUT_PAYLOAD_PATH], &text);
    invocation->output_result_path = contract_take_text(&slot[FIELD_OUTPUT_RESULT_PATH], &text);
    invocation->artifact_directory = contract_take_text(&slot[FIELD_ARTIFACT_DIRECTORY], &text);
    contract_take_texts(&slot[FIELD_COMMAND], command, &text);
    contract_take_pairs(&slot[FIELD_ENVIRONMENT], pairs, &text);
    contract_take_pairs(&slot[FIELD_METADATA], pairs + n_environment, &text);
    return invocation;
}

static int check_payload(const char *text, size_t bytes, size_t max_bytes, struct rxp_refusal *why)
{
    if (bytes == 0)
        return rxp_refuse(why, RXP_ERROR_INVALID_JSON,
                          "the message has no payload (a tombstone, or an empty value); "
                          "an invocation is a JSON object");
    if (bytes > max_bytes)
        return rxp_refuse(why, RXP_ERROR_INVALID_INVOCATION,
                          "the message has %zu bytes, more than the %zu that max-message-bytes allows", bytes,
                          max_bytes);
    if (text[0] == '\0')
        return rxp_refuse(why, RXP_ERROR_INVALID_JSON,
                          "the payload begins with a zero byte, as a schema registry's serializer frames it; "
                          "produce plain JSON text, without that serializer");
    return 0;
}

static int read_slots(const char *text, size_t bytes, size_t max_bytes, struct contract_slot slot[FIELDS],
                      struct rxp_refusal *why)
{
    struct json_slice document;
    struct rxp_refusal later;
    struct json_fault fault;

    if (check_payload(text, bytes, max_bytes, why) < 0)
        return -1;
    int status = contract_open(&contract, text, bytes, &document, why);
    if (document.bytes == 0 || (status < 0 && rxp_lacked_memory(why)))
        return -1;
    if (status == 0)
        return contract_read(&contract, document, slot, why);
    /* A key occurs twice. What is told twice is not told; the rest is. */
    (void)contract_read(&contract, document, slot, &later);
    const struct json_slice metadata = slot[FIELD_METADATA].value;
    if (json_check(metadata.at, metadata.bytes, JSON_KEYS_UNIQUE, &fault) < 0) {
        slot[FIELD_METADATA] = (struct contract_slot){.value = {.at = "", .bytes = 0}};
        if (fault.lacks_memory)
            return rxp_refuse(why, RXP_OK, "no memory to tell the keys of an invocation apart");
    }
    return -1;
}

int rxp_invocation_parse(const char *text, size_t bytes, size_t max_bytes, struct rxp_invocation **out,
                         struct rxp_refusal *why)
{
    struct contract_slot slot[FIELDS];

    for (size_t i = 0; i < FIELDS; i++)
        slot[i] = (struct contract_slot){.value = {.at = "", .bytes = 0}};
    int status = read_slots(text, bytes, max_bytes, slot, why);
    *out = build(slot);
    if (*out == NULL)
        return rxp_refuse(why, RXP_OK, "no memory for an invocation of %zu bytes", bytes);
    return status;
}

void rxp_invocation_free(struct rxp_invocation *invocation)
{
    free(invocation);
}

const char *rxp_invocation_metadata(const struct rxp_invocation *invocation, const char *key)
{
    for (size_t i = 0; i < invocation->n_metadata; i++) {
        if (strcmp(invocation->metadata[i].key, key) == 0)
            return invocation->metadata[i].value;
    }
    return NULL;
}

static void put_name(struct json_writer *writer, enum field field)
{
    json_put(writer, field == 0 ? "{\"" : ",\"");
    json_put(writer, fields[field].name);
    json_put(writer, "\":");
}

static void put_text(struct json_writer *writer, enum field field, const char *text)
{
    put_name(writer, field);
    json_put_string(writer, text);
}

char *rxp_invocation_write(const struct rxp_invocation *invocation, size_t *bytes)
{
    struct json_writer writer;

    json_writer_init(&writer, 1024);
    put_text(&writer, FIELD_SCHEMA_VERSION, RXP_SCHEMA_VERSION);
    put_text(&writer, FIELD_CONTRACT_KIND, "runtime_invocation");
    put_text(&writer, FIELD_INVOCATION_ID, invocation->invocation_id);
    put_text(&writer, FIELD_RUNTIME_NAME, invocation->runtime_name);
    put_text(&writer, FIELD_RUNTIME_KIND, rxp_kind_name(invocation->kind));
    put_text(&writer, FIELD_WORKING_DIRECTORY, invocation->working_directory);
    put_name(&writer, FIELD_COMMAND);
    json_put(&writer, "[");
    for (size_t i = 0; i < invocation->n_command; i++) {
        json_put(&writer, i == 0 ? "" : ",");
        json_put_string(&writer, invocation->command[i]);
    }
    json_put(&writer, "]");
    put_name(&writer, FIELD_ENVIRONMENT);
    contract_put_pairs(&writer, invocation->environment, invocation->n_environment);
    put_name(&writer, FIELD_TIMEOUT_SECONDS);
    if (invocation->timeout_ms > 0)
        json_put_int(&writer, (invocation->timeout_ms + 999) / 1000);
    else
        json_put(&writer, "null");
    put_text(&writer, FIELD_INPUT_PAYLOAD_PATH, invocation->input_payload_path);
    put_text(&writer, FIELD_OUTPUT_RESULT_PATH, invocation->output_result_path);
    put_text(&writer, FIELD_ARTIFACT_DIRECTORY, invocation->artifact_directory);
    put_name(&writer, FIELD_METADATA);
    contract_put_pairs(&writer, invocation->metadata, invocation->n_metadata);
    json_put(&writer, "}");
    return json_writer_take(&writer, bytes);
}
