#include "core/envelope.h"

#include <stdint.h>
#include <string.h>

/* SIZE key { NAME NUL SIZE value NUL }. A SIZE is that of what follows and one more, 0 standing for null, in groups of seven bits
 * from the lowest on, each but the last with the eighth bit. */

struct writer {
    unsigned char *out; /* NULL: it only counts */
    size_t n;
};

static void put(struct writer *writer, const void *bytes, size_t n)
{
    if (writer->out != NULL && n > 0)
        memcpy(writer->out + writer->n, bytes, n);
    writer->n += n;
}

static void put_size(struct writer *writer, uint64_t size)
{
    do {
        unsigned char group = (unsigned char)((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
        put(writer, &group, 1);
        size >>= 7;
    } while (size > 0);
}

static void put_all(struct writer *writer, const void *key, size_t key_bytes, const rd_kafka_headers_t *headers)
{
    const char *name;
    const void *value;
    size_t value_bytes;
    bool has_headers = headers != NULL && rd_kafka_header_get_all(headers, 0, &name, &value, &value_bytes) ==
                                               RD_KAFKA_RESP_ERR_NO_ERROR;
    if (key == NULL && !has_headers)
        return;
    put_size(writer, key != NULL ? (uint64_t)key_bytes + 1 : 0);
    put(writer, key, key != NULL ? key_bytes : 0);
    for (size_t i = 0;
         has_headers && rd_kafka_header_get_all(headers, i, &name, &value, &value_bytes) == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        put(writer, name, strlen(name) + 1);
        put_size(writer, value != NULL ? (uint64_t)value_bytes + 1 : 0);
        if (value != NULL) {
            put(writer, value, value_bytes);
            put(writer, "", 1);
        }
    }
}

size_t envelope_measure(const void *key, size_t key_bytes, const rd_kafka_headers_t *headers)
{
    struct writer writer = {NULL, 0};
    put_all(&writer, key, key_bytes, headers);
    return writer.n;
}

void envelope_write(unsigned char *out, const void *key, size_t key_bytes, const rd_kafka_headers_t *headers)
{
    struct writer writer = {out, 0};
    put_all(&writer, key, key_bytes, headers);
}

static uint64_t read_size(struct envelope envelope, size_t *at)
{
    uint64_t size = 0;
    unsigned char group;
    int shift = 0;
    do {
        group = envelope.bytes[(*at)++];
        size |= (uint64_t)(group & 0x7f) << shift;
        shift += 7;
    } while ((group & 0x80) != 0);
    return size;
}

const void *envelope_key(struct envelope envelope, size_t *bytes)
{
    size_t at = 0;
    uint64_t size = envelope.n_bytes > 0 ? read_size(envelope, &at) : 0;
    *bytes = size > 0 ? (size_t)size - 1 : 0;
    return size > 0 ? envelope.bytes + at : NULL;
}

/* Where the first header is. */
static size_t skip_key(struct envelope envelope)
{
    size_t at = 0;
    uint64_t size = read_size(envelope, &at);
    return at + (size > 0 ? (size_t)size - 1 : 0);
}

bool envelope_has_headers(struct envelope envelope)
{
    return envelope.n_bytes > 0 && skip_key(envelope) < envelope.n_bytes;
}

bool envelope_next(struct envelope envelope, size_t *at, struct envelope_header *out)
{
    if (envelope.n_bytes == 0)
        return false;
    if (*at == 0)
        *at = skip_key(envelope);
    if (*at >= envelope.n_bytes)
        return false;
    out->name = (const char *)envelope.bytes + *at;
    *at += strlen(out->name) + 1;
    uint64_t size = read_size(envelope, at);
    out->value = size > 0 ? (const char *)envelope.bytes + *at : NULL;
    out->value_bytes = size > 0 ? (size_t)size - 1 : 0;
    *at += (size_t)size; /* with the NUL behind it */
    return true;
}

bool envelope_find_last(struct envelope envelope, const char *name, struct envelope_header *out)
{
    struct envelope_header header;
    bool is_there = false;
    for (size_t at = 0; envelope_next(envelope, &at, &header);) {
        if (strcmp(header.name, name) == 0) {
            *out = header;
            is_there = true;
        }
    }
    return is_there;
}
