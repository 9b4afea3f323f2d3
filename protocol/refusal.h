/* refusal: why something was refused, as a cause and a sentence for people.
 *
 * Pure and thread-safe. */
#ifndef RXP_PROTOCOL_REFUSAL_H
#define RXP_PROTOCOL_REFUSAL_H

#include "protocol/vocab.h"

#include <stdbool.h>
#include <stddef.h>

#define RXP_REFUSAL_TEXT_BYTES 512

/* The cause, and a sentence that names the value and the way out. Always UTF-8 without control characters. The cause RXP_OK
 * is a want of memory: nothing is wrong with what was looked at, and it may be looked at again. Never to be published. */
struct rxp_refusal {
    enum rxp_error error;
    char text[RXP_REFUSAL_TEXT_BYTES];
};

static inline bool rxp_lacked_memory(const struct rxp_refusal *why)
{
    return why->error == RXP_OK;
}

/* Fills *why and returns -1. */
int rxp_refuse(struct rxp_refusal *why, enum rxp_error error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "unknown <what> '<word>'", with the nearest of words[0..n) where one is near, else with all where they are few.
 * Returns -1. */
int rxp_refuse_unknown(struct rxp_refusal *why, enum rxp_error error, const char *what, const char *word,
                       const char *const *words, size_t n);

/* A peer's text as it may stand in a sentence: control characters and bytes that are not UTF-8 as \xNN, cut to fit
 * with an ellipsis. By value, so that rxp_show(…).text can be an argument. */
#define RXP_SHOWN_BYTES 112
struct rxp_shown {
    char text[RXP_SHOWN_BYTES];
};
struct rxp_shown rxp_show(const char *text, size_t bytes);

#endif
