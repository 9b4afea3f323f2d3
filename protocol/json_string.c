#include "protocol/json_string.h"

#include "protocol/utf8.h"

#include <string.h>

struct json_bytes json_bytes_of(struct json_slice string)
{
    if (string.bytes < 2)
        return (struct json_bytes){.at = string.at, .end = string.at};
    return (struct json_bytes){.at = string.at + 1, .end = string.at + string.bytes - 1};
}

int json_hex4(const char *at)
{
    int value = 0;

    for (int i = 0; i < 4; i++) {
        char c = at[i];
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value * 16 + (c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            value = value * 16 + (c - 'A' + 10);
        else
            return -1;
    }
    return value;
}

static size_t put_unicode(struct json_bytes *bytes)
{
    if (bytes->end - bytes->at < 4)
        return 0;
    int high = json_hex4(bytes->at);
    bytes->at += 4;
    if (high < 0)
        return 0;
    if (high < 0xD800 || high > 0xDBFF)
        return utf8_put((uint32_t)high, bytes->unit);
    if (bytes->end - bytes->at < 6)
        return 0;
    int low = json_hex4(bytes->at + 2);
    bytes->at += 6;
    if (low < 0xDC00)
        return 0;
    return utf8_put(0x10000 + (((uint32_t)high - 0xD800) << 10) + ((uint32_t)low - 0xDC00), bytes->unit);
}

static void decode_escape(struct json_bytes *bytes)
{
    char c = *bytes->at++;

    bytes->unit_at = 0;
    bytes->unit_end = 1;
    switch (c) {
    case 'b':
        bytes->unit[0] = '\b';
        break;
    case 'f':
        bytes->unit[0] = '\f';
        break;
    case 'n':
        bytes->unit[0] = '\n';
        break;
    case 'r':
        bytes->unit[0] = '\r';
        break;
    case 't':
        bytes->unit[0] = '\t';
        break;
    case 'u':
        bytes->unit_end = put_unicode(bytes);
        break;
    default:
        bytes->unit[0] = c;
        break;
    }
}

int json_bytes_next(struct json_bytes *bytes)
{
    for (;;) {
        if (bytes->unit_at < bytes->unit_end)
            return (unsigned char)bytes->unit[bytes->unit_at++];
        if (bytes->at == bytes->end)
            return -1;
        if (*bytes->at != '\\')
            return (unsigned char)*bytes->at++;
        bytes->at++;
        if (bytes->at == bytes->end)
            return -1;
        decode_escape(bytes);
    }
}

static bool is_plain(struct json_slice string)
{
    return memchr(string.at, '\\', string.bytes) == NULL;
}

size_t json_string_decode(struct json_slice string, char *out)
{
    struct json_bytes bytes = json_bytes_of(string);
    size_t n = 0;

    /* From escape to escape. */
    while (bytes.at < bytes.end) {
        const char *escape = memchr(bytes.at, '\\', (size_t)(bytes.end - bytes.at));
        size_t plain = (size_t)((escape == NULL ? bytes.end : escape) - bytes.at);
        memcpy(out + n, bytes.at, plain);
        n += plain;
        bytes.at += plain + 1;
        if (bytes.at >= bytes.end)
            break;
        decode_escape(&bytes);
        memcpy(out + n, bytes.unit, bytes.unit_end);
        n += bytes.unit_end;
    }
    out[n] = '\0';
    return n;
}

bool json_string_is(struct json_slice string, const char *word, size_t word_bytes)
{
    /* What is decoded is never longer; and few words have the same first byte. */
    if (string.bytes < word_bytes + 2 || (word_bytes > 0 && string.at[1] != word[0] && string.at[1] != '\\'))
        return false;
    if (is_plain(string))
        return string.bytes == word_bytes + 2 && memcmp(string.at + 1, word, word_bytes) == 0;

    struct json_bytes bytes = json_bytes_of(string);
    for (size_t i = 0; i < word_bytes; i++) {
        if (json_bytes_next(&bytes) != (unsigned char)word[i])
            return false;
    }
    return json_bytes_next(&bytes) < 0;
}

static uint64_t hash_word(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static uint64_t hash_plain(const char *at, const char *end)
{
    uint64_t hash = 0;
    uint64_t word = 0;

    for (; end - at >= 8; at += 8) {
        memcpy(&word, at, 8);
        hash = hash_word(hash, le64toh(word));
    }
    word = 0;
    memcpy(&word, at, (size_t)(end - at));
    return hash_word(hash, le64toh(word));
}

/* Eight decoded bytes at a time, zeros behind the last. Collisions that a peer contrives cost comparisons, n log n of them. */
uint64_t json_string_hash(struct json_slice string)
{
    struct json_bytes bytes = json_bytes_of(string);
    uint64_t hash = 0;
    uint64_t word = 0;
    size_t n = 0;

    if (is_plain(string))
        return hash_plain(bytes.at, bytes.end);
    for (int c = json_bytes_next(&bytes); c >= 0; c = json_bytes_next(&bytes)) {
        word |= (uint64_t)c << 8 * n;
        n = (n + 1) % 8;
        if (n != 0)
            continue;
        hash = hash_word(hash, word);
        word = 0;
    }
    return hash_word(hash, word);
}

int json_string_compare(struct json_slice a, struct json_slice b)
{
    struct json_bytes left = json_bytes_of(a);
    struct json_bytes right = json_bytes_of(b);
    int x;
    int y;

    do {
        x = json_bytes_next(&left);
        y = json_bytes_next(&right);
    } while (x == y && x >= 0);
    return x - y;
}
