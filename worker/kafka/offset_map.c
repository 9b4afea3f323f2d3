#include "kafka/offset_map.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* Text -> bytes: version, form, payload.
 *
 *   bitmap: bit i of the payload (the lowest bit of a byte first) says that base + i is done; ends with the last done one.
 *   runs:   lengths as varints (seven bits a byte, the lowest first, bit 7 = more follows): not done, done, not done,
 *           done, … The first may be 0, the last is a run of done ones: what follows it is not done.
 *
 * The version byte is a number that other programs' metadata hardly begins with. */
enum { MAP_VERSION = 0xa1, FORM_BITMAP = 1, FORM_RUNS = 2 };
enum { HEAD_BYTES = 2, RAW_MAX_BYTES = OFFSET_MAP_TEXT_MAX / 4 * 3, PAYLOAD_MAX_BYTES = RAW_MAX_BYTES - HEAD_BYTES };
enum { WORD_BITS = 64, VARINT_MAX_BYTES = 4 };

_Static_assert(OFFSET_MAP_SAFE_SPAN <= PAYLOAD_MAX_BYTES * 8, "a bitmap over the safe span must fit");
_Static_assert(OFFSET_MAP_SPAN_MAX <= 1 << 7 * VARINT_MAX_BYTES, "a run's length must fit its varint");

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
enum { PAD = 64 };

/* The first i in [from, span) whose bit is not `done`; span where there is none. */
static size_t run_end(const struct offset_bits *bits, size_t from, bool done)
{
    size_t i = from;
    while (i < bits->span) {
        size_t at = (bits->first + i) & (bits->room_bits - 1);
        uint64_t word = bits->word[at / WORD_BITS];
        uint64_t other = (done ? ~word : word) >> at % WORD_BITS;
        if (other != 0) {
            i += (size_t)__builtin_ctzll(other);
            return i < bits->span ? i : bits->span;
        }
        i += WORD_BITS - at % WORD_BITS;
    }
    return bits->span;
}

static size_t varint_write(size_t value, uint8_t out[VARINT_MAX_BYTES])
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        out[n++] = (uint8_t)(0x80 | (value & 0x7f));
    out[n++] = (uint8_t)value;
    return n;
}

/* The payload's bytes, 0 where nothing is done, or -1 where it does not fit. *end is one beyond the last done offset. */
static int runs_write(const struct offset_bits *bits, uint8_t out[PAYLOAD_MAX_BYTES], size_t *end)
{
    size_t n = 0;
    bool fits = true;
    *end = 0;
    for (size_t i = 0; i < bits->span;) {
        size_t done_from = run_end(bits, i, false);
        if (done_from == bits->span)
            break;
        size_t done_end = run_end(bits, done_from, true);
        if (fits && n <= PAYLOAD_MAX_BYTES - 2 * VARINT_MAX_BYTES) {
            n += varint_write(done_from - i, out + n);
            n += varint_write(done_end - done_from, out + n);
        } else if (fits) {
            uint8_t pair[2 * VARINT_MAX_BYTES];
            size_t pair_bytes = varint_write(done_from - i, pair);
            pair_bytes += varint_write(done_end - done_from, pair + pair_bytes);
            fits = n + pair_bytes <= PAYLOAD_MAX_BYTES;
            if (fits) {
                memcpy(out + n, pair, pair_bytes);
                n += pair_bytes;
            }
        }
        *end = done_end;
        i = done_end;
    }
    return fits ? (int)n : -1;
}

static void bitmap_write(const struct offset_bits *bits, size_t end, uint8_t *out)
{
    memset(out, 0, (end + 7) / 8);
    for (size_t i = run_end(bits, 0, false); i < end; i = run_end(bits, i, false)) {
        size_t done_end = run_end(bits, i, true);
        for (; i < done_end; i++)
            out[i / 8] |= (uint8_t)(1U << i % 8);
    }
}

static int base64_write(const uint8_t *raw, size_t bytes, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i += 3) {
        uint32_t three = (uint32_t)raw[i] << 16;
        if (i + 1 < bytes)
            three |= (uint32_t)raw[i + 1] << 8;
        if (i + 2 < bytes)
            three |= raw[i + 2];
        out[n++] = digits[three >> 18];
        out[n++] = digits[three >> 12 & 63];
        out[n++] = digits[i + 1 < bytes ? three >> 6 & 63 : PAD];
        out[n++] = digits[i + 2 < bytes ? three & 63 : PAD];
    }
    out[n] = '\0';
    return (int)n;
}

int offset_map_write(const struct offset_bits *bits, char out[OFFSET_MAP_TEXT_MAX + 1])
{
    uint8_t raw[RAW_MAX_BYTES];
    size_t end;

    out[0] = '\0';
    if (bits->span == 0)
        return 0;
    assert(bits->room_bits >= WORD_BITS && (bits->room_bits & (bits->room_bits - 1)) == 0);
    assert(bits->span <= bits->room_bits && bits->first < bits->room_bits);
    if (bits->span > OFFSET_MAP_SPAN_MAX)
        return -1;

    int payload_bytes = runs_write(bits, raw + HEAD_BYTES, &end);
    if (end == 0)
        return 0;
    raw[0] = MAP_VERSION;
    raw[1] = FORM_RUNS;
    size_t bitmap_bytes = (end + 7) / 8;
    if (bitmap_bytes <= PAYLOAD_MAX_BYTES && (payload_bytes < 0 || bitmap_bytes < (size_t)payload_bytes)) {
        raw[1] = FORM_BITMAP;
        bitmap_write(bits, end, raw + HEAD_BYTES);
        payload_bytes = (int)bitmap_bytes;
    }
    return payload_bytes < 0 ? -1 : base64_write(raw, HEAD_BYTES + (size_t)payload_bytes, out);
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The number of bytes, or -1. Strict: whole groups, padding at the very end only and over zero bits. */
static int base64_read(const char *text, size_t bytes, uint8_t raw[RAW_MAX_BYTES])
{
    size_t n = 0;
    if (bytes == 0 || bytes % 4 != 0 || bytes > OFFSET_MAP_TEXT_MAX)
        return -1;
    for (size_t i = 0; i < bytes; i += 4) {
        int pad = i + 4 < bytes ? 0 : (text[i + 3] == '=') + (text[i + 3] == '=' && text[i + 2] == '=');
        uint32_t four = 0;
        for (size_t k = 0; k < 4; k++) {
            int value = k + (size_t)pad >= 4 ? 0 : digit_value(text[i + k]);
            if (value < 0)
                return -1;
            four = four << 6 | (uint32_t)value;
        }
        if ((four & ((1U << 8 * pad) - 1)) != 0)
            return -1;
        for (int k = 0; k < 3 - pad; k++)
            raw[n++] = (uint8_t)(four >> (16 - 8 * k));
    }
    return (int)n;
}

/* The varint at *at, which moves behind it; or -1. */
static int32_t varint_read(const uint8_t *payload, size_t bytes, size_t *at)
{
    uint32_t value = 0;
    for (int k = 0; k < VARINT_MAX_BYTES && *at < bytes; k++) {
        uint8_t byte = payload[(*at)++];
        value |= (uint32_t)(byte & 0x7f) << 7 * k;
        if ((byte & 0x80) == 0)
            return k > 0 && byte == 0 ? -1 : (int32_t)value;
    }
    return -1;
}

/* 0 or -1. With done == NULL only checks. */
static int runs_read(const uint8_t *payload, size_t bytes, offset_map_fn done, void *opaque)
{
    int64_t i = 0;
    for (size_t at = 0; at < bytes;) {
        bool is_first = at == 0;
        int32_t skipped = varint_read(payload, bytes, &at);
        int32_t n = varint_read(payload, bytes, &at);
        if (skipped < 0 || n <= 0 || (skipped == 0 && !is_first))
            return -1;
        i += skipped;
        if (i + n > OFFSET_MAP_SPAN_MAX)
            return -1;
        if (done != NULL)
            done(i, n, opaque);
        i += n;
    }
    return 0;
}

static void bitmap_read(const uint8_t *payload, size_t bytes, offset_map_fn done, void *opaque)
{
    size_t n_bits = bytes * 8;
    for (size_t i = 0; i < n_bits;) {
        size_t end = i;
        while (end < n_bits && (payload[end / 8] >> end % 8 & 1) != 0)
            end++;
        if (end > i)
            done((int64_t)i, (int64_t)(end - i), opaque);
        i = end + 1;
    }
}

int offset_map_read(const char *text, size_t bytes, offset_map_fn done, void *opaque)
{
    uint8_t raw[RAW_MAX_BYTES];

    if (text == NULL || bytes == 0)
        return 0;
    int n = base64_read(text, bytes, raw);
    if (n <= HEAD_BYTES || raw[0] != MAP_VERSION)
        return -1;
    const uint8_t *payload = raw + HEAD_BYTES;
    size_t payload_bytes = (size_t)n - HEAD_BYTES;
    if (raw[1] == FORM_BITMAP && payload[payload_bytes - 1] != 0) {
        bitmap_read(payload, payload_bytes, done, opaque);
        return 0;
    }
    if (raw[1] == FORM_RUNS && runs_read(payload, payload_bytes, NULL, NULL) == 0)
        return runs_read(payload, payload_bytes, done, opaque);
    return -1;
}

/* Why a yes is sound. Let u offsets be undone within a span of s.
 *
 * Up to the safe span the bitmap fits whatever its bits are. Beyond it, count the bytes of the run form:
 * - Each run of undone offsets but an empty first one has at least one of the u, so there are at most u of those, and at
 *   most n = u + 1 runs of done ones (one before, between and after each).
 * - A varint of v >= 1 takes no more than v bytes, so the undone runs take at most u bytes, and 1 for an empty first.
 * - A varint takes 1 byte, 1 more where v >= 2^7, 1 more where v >= 2^14, and so on. Done runs add up to at most s, so at
 *   most s / 2^7 of them reach 2^7, and at most n do. Hence n + min(n, s/2^7) + min(n, s/2^14) + … bytes.
 *
 * The sum grows with u and with s, and as runs end both can only fall (the frontier moves up, u counts down): what fits
 * now fits in every future until another offset is admitted. */
bool offset_map_fits(size_t span, size_t undone)
{
    if (span <= OFFSET_MAP_SAFE_SPAN)
        return true;
    if (span > OFFSET_MAP_SPAN_MAX || undone >= PAYLOAD_MAX_BYTES)
        return false;
    size_t done_runs = undone + 1;
    size_t bytes = undone + 1 + done_runs;
    for (int bit = 7; bit < 7 * VARINT_MAX_BYTES; bit += 7)
        bytes += done_runs < span >> bit ? done_runs : span >> bit;
    return bytes <= PAYLOAD_MAX_BYTES;
}
