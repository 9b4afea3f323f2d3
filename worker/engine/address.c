#include "engine/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

bool address_from_socket(const struct sockaddr *socket_address, struct address *out)
{
    *out = (struct address){.family = socket_address->sa_family};
    if (socket_address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, socket_address, sizeof v4);
        memcpy(out->byte, &v4.sin_addr, 4);
        return true;
    }
    if (socket_address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, socket_address, sizeof v6);
        memcpy(out->byte, &v6.sin6_addr, 16);
        return true;
    }
    return false;
}

bool address_parse(const char *text, struct address *out)
{
    char cut[ADDRESS_TEXT_BYTES];
    size_t bytes = strcspn(text, "%");
    if (bytes >= sizeof cut) {
        return false;
    }
    memcpy(cut, text, bytes);
    cut[bytes] = '\0';
    *out = (struct address){.family = AF_INET6};
    if (inet_pton(AF_INET6, cut, out->byte) == 1) {
        return true;
    }
    *out = (struct address){.family = AF_INET};
    return text[bytes] == '\0' && inet_pton(AF_INET, cut, out->byte) == 1;
}

bool address_parse_loose(const char *text, struct address *out)
{
    if (address_parse(text, out)) {
        return true;
    }
    struct in_addr v4;
    if (inet_aton(text, &v4) == 0) {
        return false;
    }
    *out = (struct address){.family = AF_INET};
    memcpy(out->byte, &v4, 4);
    return true;
}

void address_write(const struct address *address, char out[ADDRESS_TEXT_BYTES])
{
    const char *written = inet_ntop(address->family, address->byte, out, ADDRESS_TEXT_BYTES);
    assert(written != NULL);
}

static int family_bits(int family)
{
    return family == AF_INET ? 32 : 128;
}

static bool same_prefix(const unsigned char *a, const unsigned char *b, int bits)
{
    size_t whole = (size_t)bits / 8;
    if (memcmp(a, b, whole) != 0) {
        return false;
    }
    int rest = bits % 8;
    return rest == 0 || (unsigned)(a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

bool address_range_make(const struct address *base, int prefix_bits, struct address_range *out)
{
    static const unsigned char mapped[16] = {[10] = 0xff, [11] = 0xff};
    if (prefix_bits < 0 || prefix_bits > family_bits(base->family)) {
        return false;
    }
    *out = (struct address_range){.base = *base, .prefix_bits = prefix_bits};
    for (int bit = prefix_bits; bit < family_bits(base->family); bit++) {
        if (base->byte[bit / 8] & (0x80 >> bit % 8)) {
            return false;
        }
    }
    if (base->family == AF_INET6 && prefix_bits >= 96 && same_prefix(base->byte, mapped, 96)) {
        out->base = (struct address){.family = AF_INET};
        memcpy(out->base.byte, base->byte + 12, 4);
        out->prefix_bits = prefix_bits - 96;
    }
    return true;
}

void address_mask(struct address *address, int prefix_bits)
{
    for (int bit = prefix_bits; bit < family_bits(address->family); bit++) {
        address->byte[bit / 8] &= (unsigned char)~(0x80 >> bit % 8);
    }
}

bool address_range_has(const struct address_range *range, const struct address *address)
{
    return range->base.family == address->family && same_prefix(range->base.byte, address->byte, range->prefix_bits);
}

bool address_range_within(const struct address_range *inner, const struct address_range *outer)
{
    return inner->prefix_bits >= outer->prefix_bits && address_range_has(outer, &inner->base);
}

#define V6(bits, ...) {{AF_INET6, {__VA_ARGS__}}, bits}

enum wrap_kind {
    WRAP_SPELLING, /* the same host in other letters */
    WRAP_TUNNEL,
    WRAP_GUESS, /* one of several places; a candidate in 0.0.0.0/8 is only the padding of another */
};

struct wrap {
    struct address_range range;
    unsigned char place[4]; /* of the bytes of the inner address */
    unsigned char mask;     /* each inner byte is xored with it */
    enum wrap_kind kind;
};

static const struct wrap wraps[] = {
    {V6(96, [10] = 0xff, [11] = 0xff), {12, 13, 14, 15}, 0, WRAP_SPELLING},
    {V6(96, 0), {12, 13, 14, 15}, 0, WRAP_SPELLING},
    {V6(96, [8] = 0xff, [9] = 0xff), {12, 13, 14, 15}, 0, WRAP_SPELLING},
    {V6(96, 0x00, 0x64, 0xff, 0x9b), {12, 13, 14, 15}, 0, WRAP_SPELLING},
    {V6(48, 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01), {6, 7, 9, 10}, 0, WRAP_GUESS},
    {V6(48, 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01), {7, 9, 10, 11}, 0, WRAP_GUESS},
    {V6(48, 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01), {9, 10, 11, 12}, 0, WRAP_GUESS},
    {V6(48, 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01), {12, 13, 14, 15}, 0, WRAP_GUESS},
    {V6(16, 0x20, 0x02), {2, 3, 4, 5}, 0, WRAP_TUNNEL},
    {V6(32, 0x20, 0x01, 0x00, 0x00), {4, 5, 6, 7}, 0, WRAP_TUNNEL},
    {V6(32, 0x20, 0x01, 0x00, 0x00), {12, 13, 14, 15}, 0xff, WRAP_TUNNEL},
};

#define N_WRAPS (sizeof wraps / sizeof wraps[0])

size_t address_unwrap(const struct address *address, struct address_form forms[ADDRESS_MAX_FORMS])
{
    size_t n = 0;
    forms[n++] = (struct address_form){.address = *address, .same_host = true};
    /* :: and ::1 lie in the range of the IPv4-compatible ones, but mean something of their own. */
    static const unsigned char zeros[15];
    if (address->family != AF_INET6 || (memcmp(address->byte, zeros, 15) == 0 && address->byte[15] <= 1)) {
        return n;
    }
    for (size_t i = 0; i < N_WRAPS; i++) {
        const struct wrap *wrap = &wraps[i];
        if (!address_range_has(&wrap->range, address)) {
            continue;
        }
        struct address inner = {.family = AF_INET};
        for (size_t k = 0; k < 4; k++) {
            inner.byte[k] = address->byte[wrap->place[k]] ^ wrap->mask;
        }
        if (wrap->kind == WRAP_GUESS && inner.byte[0] == 0) {
            continue;
        }
        assert(n < ADDRESS_MAX_FORMS);
        forms[n++] = (struct address_form){.address = inner, .same_host = wrap->kind == WRAP_SPELLING};
    }
    return n;
}
