/* chance: the one source of everything that is random in a simulated world, made from its seed (xoshiro256**, seeded by
 * splitmix64; both are by Blackman and Vigna and in the public domain). */
#ifndef RXP_SIM_CHANCE_H
#define RXP_SIM_CHANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chance {
    uint64_t state[4];
};

void chance_init(struct chance *chance, uint64_t seed);
uint64_t chance_draw(struct chance *chance);
/* least to most, both included. */
int64_t chance_between(struct chance *chance, int64_t least, int64_t most);
bool chance_of(struct chance *chance, int percent);

#endif
