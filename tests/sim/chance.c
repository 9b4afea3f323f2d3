#include "sim/chance.h"

#include <assert.h>

static uint64_t split(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

void chance_init(struct chance *chance, uint64_t seed)
{
    for (size_t i = 0; i < 4; i++)
        chance->state[i] = split(&seed);
}

uint64_t chance_draw(struct chance *chance)
{
    uint64_t *s = chance->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

int64_t chance_between(struct chance *chance, int64_t least, int64_t most)
{
    assert(least <= most);
    return least + (int64_t)(chance_draw(chance) % (uint64_t)(most - least + 1));
}

bool chance_of(struct chance *chance, int percent)
{
    return (int)(chance_draw(chance) % 100) < percent;
}
