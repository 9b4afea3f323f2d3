#include "cli/letter.h"

#include "protocol/json.h"
#include "protocol/json_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNREADABLE_BYTES 320

static const char *const added[] = {"rxp-source-topic", "rxp-source-partition", "rxp-source-offset", "rxp-error-code",
                                    "rxp-error-summary"};

/* Librdkafka ends every value with a NUL of its own. */
static const char *find_header(const rd_kafka_headers_t *headers, const char *name)
{
    const void *value = NULL;
    size_t bytes = 0;
    if (headers == NULL || rd_kafka_header_get_last(headers, name, &value, &bytes) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return NULL;
    }
    return value;
}

/* Where the invocation was read that far; else what its result has in that place. */
static char *find_id(const struct letter *letter)
{
    const rd_kafka_message_t *message = letter->message;
    struct json_fault fault;
    struct json_slice id;
    size_t bytes;
    if (message->payload != NULL && json_check(message->payload, message->len, JSON_KEYS_ANY, &fault) == 0 &&
        json_find(json_document(message->payload, message->len), "invocation_id", &id) && json_type_of(id) == JSON_STRING &&
        id.bytes > 2) {
        return json_text(id, &bytes);
    }
    char *text = malloc(UNREADABLE_BYTES);
    if (text != NULL) {
        snprintf(text, UNREADABLE_BYTES, "unreadable:%s/%s/%s", letter->topic != NULL ? letter->topic : "?",
                 letter->partition != NULL ? letter->partition : "?", letter->offset != NULL ? letter->offset : "?");
    }
    return text;
}

void letter_read(const rd_kafka_message_t *message, struct letter *out)
{
    *out = (struct letter){.message = message};
    if (rd_kafka_message_headers(message, &out->headers) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        out->headers = NULL;
    }
    out->topic = find_header(out->headers, added[0]);
    out->partition = find_header(out->headers, added[1]);
    out->offset = find_header(out->headers, added[2]);
    out->code = find_header(out->headers, added[3]);
    out->summary = find_header(out->headers, added[4]);
    out->invocation_id = find_id(out);
}

void letter_deinit(struct letter *letter)
{
    free(letter->invocation_id);
    letter->invocation_id = NULL;
}

rd_kafka_headers_t *letter_headers(const struct letter *letter)
{
    rd_kafka_headers_t *headers = letter->headers != NULL ? rd_kafka_headers_copy(letter->headers) : rd_kafka_headers_new(1);
    for (size_t i = 0; headers != NULL && i < sizeof added / sizeof added[0]; i++) {
        rd_kafka_header_remove(headers, added[i]);
    }
    return headers;
}

char *letter_describe(const struct letter *letter, const char *to)
{
    struct json_writer writer;
    size_t bytes;
    json_writer_init(&writer, 512);
    json_put(&writer, "{\"partition\":");
    json_put_int(&writer, letter->message->partition);
    json_put(&writer, ",\"offset\":");
    json_put_int(&writer, letter->message->offset);
    json_put(&writer, ",\"invocation_id\":");
    json_put_string(&writer, letter->invocation_id);
    json_put(&writer, ",\"from\":");
    json_put_string(&writer, letter->topic);
    json_put(&writer, ",\"to\":");
    json_put_string(&writer, to);
    json_put(&writer, ",\"code\":");
    json_put_string(&writer, letter->code);
    json_put(&writer, ",\"summary\":");
    json_put_string(&writer, letter->summary);
    json_put(&writer, "}");
    return json_writer_take(&writer, &bytes);
}
