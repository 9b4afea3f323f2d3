/* life: a world from its beginning to its end: inputs come, faults strike, are healed, and at last everything has to be in order. */
#ifndef RXP_SIM_LIFE_H
#define RXP_SIM_LIFE_H

#include <stdbool.h>
#include <stdint.h>

struct life {
    char failure[1024]; /* "": none */
    int failed_input;   /* -1: none in particular */
    uint64_t fingerprint;
    uint64_t events;
    int64_t lasted_ms;
};

/* traced: prints its record; traced_input: of this input only; -1: of all. */
struct life life_of(uint64_t seed, bool traced, int traced_input);

#endif
