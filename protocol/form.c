#include "protocol/form.h"

#include "protocol/json_string.h"

#include <string.h>

static int check_scalar(const char *metadata_key, struct json_slice key, struct json_slice value, bool in_array,
                        struct rxp_refusal *why)
{
    enum json_type type = json_type_of(value);

    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return 0;
    return rxp_refuse(why, RXP_ERROR_INVALID_METADATA,
                      "%s is to be sent as a form, but '%s' in it holds %s%s: a form is flat", metadata_key,
                      rxp_show(key.at + 1, key.bytes - 2).text, type == JSON_OBJECT ? "an object" : "an array",
                      in_array ? " in an array" : "");
}

int form_check(const char *metadata_key, struct json_slice object, struct rxp_refusal *why)
{
    struct json_slice key;
    struct json_slice value;
    size_t cursor = 0;

    if (json_type_of(object) != JSON_OBJECT)
        return rxp_refuse(why, RXP_ERROR_INVALID_METADATA,
                          "%s is to be sent as a form, so it must be a JSON object, not '%s'", metadata_key,
                          rxp_show(object.at, object.bytes).text);
    while (json_next(object, &cursor, &key, &value)) {
        struct json_slice none;
        struct json_slice item;
        size_t at = 0;
        if (json_type_of(value) != JSON_ARRAY) {
            if (check_scalar(metadata_key, key, value, false, why) < 0)
                return -1;
            continue;
        }
        while (json_next(value, &at, &none, &item)) {
            if (check_scalar(metadata_key, key, item, true, why) < 0)
                return -1;
        }
    }
    return 0;
}

struct sink {
    char *out; /* NULL: count */
    size_t n;
};

static void put_raw(struct sink *sink, char c)
{
    if (sink->out != NULL)
        sink->out[sink->n] = c;
    sink->n++;
}

static void put_byte(struct sink *sink, unsigned char c)
{
    static const char hex[] = "0123456789ABCDEF";

    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*' || c == '-' ||
        c == '.' || c == '_') {
        put_raw(sink, (char)c);
    } else if (c == ' ') {
        put_raw(sink, '+');
    } else {
        put_raw(sink, '%');
        put_raw(sink, hex[c >> 4]);
        put_raw(sink, hex[c & 15]);
    }
}

static void put_string(struct sink *sink, struct json_slice string)
{
    struct json_bytes bytes = json_bytes_of(string);

    for (int c = json_bytes_next(&bytes); c >= 0; c = json_bytes_next(&bytes))
        put_byte(sink, (unsigned char)c);
}

static void put_pair(struct sink *sink, struct json_slice key, struct json_slice value)
{
    enum json_type type = json_type_of(value);

    if (sink->n > 0)
        put_raw(sink, '&');
    put_string(sink, key);
    put_raw(sink, '=');
    if (type == JSON_STRING) {
        put_string(sink, value);
    } else if (type != JSON_NULL) {
        for (size_t i = 0; i < value.bytes; i++)
            put_byte(sink, (unsigned char)value.at[i]);
    }
}

size_t form_write(struct json_slice object, char *out)
{
    struct sink sink = {.out = out};
    struct json_slice key;
    struct json_slice value;
    size_t cursor = 0;

    while (json_next(object, &cursor, &key, &value)) {
        struct json_slice none;
        struct json_slice item;
        size_t at = 0;
        if (json_type_of(value) != JSON_ARRAY) {
            put_pair(&sink, key, value);
            continue;
        }
        while (json_next(value, &at, &none, &item))
            put_pair(&sink, key, item);
    }
    return sink.n;
}
