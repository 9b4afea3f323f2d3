#include "base/hash.h"

#define PRIME UINT64_C(0x100000001b3)

uint64_t hash_put(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++) {
        hash = (hash ^ at[i]) * PRIME;
    }
    return hash;
}

uint64_t hash_put_int(uint64_t hash, int64_t number)
{
    uint64_t rest = (uint64_t)number;
    for (int i = 0; i < 8; i++) {
        hash = (hash ^ (rest & 0xff)) * PRIME;
        rest >>= 8;
    }
    return hash;
}
