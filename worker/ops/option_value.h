/* option_value: one option's value, from text to number, checked against the option table.
 *
 * Pure. Internal to options.c; tests go through options_read. */
#ifndef RXP_OPS_OPTION_VALUE_H
#define RXP_OPS_OPTION_VALUE_H

#include "ops/options.h"

#include <stdbool.h>
#include <stdint.h>

struct option_value {
    int64_t integer; /* OPTION_INT; 0 where empty */
    double decimal;  /* OPTION_INT and OPTION_DECIMAL; 0 where empty */
    bool flag;       /* OPTION_FLAG */
};

/* subject names the place in a sentence: "option '--threads'", "RXP_THREADS", "worker.conf:3: 'threads'".
 * 0, or -1 with a sentence in why[OPTIONS_WHY_BYTES]. */
int option_value_parse(const struct option_spec *spec, const char *text, const char *subject, struct option_value *out,
                       char *why);

/* Fills why[OPTIONS_WHY_BYTES], control characters replaced, and returns -1. */
int option_refuse(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "1", "0.001", "10000000": for sentences and pages. */
#define OPTION_NUMBER_BYTES 32
void option_number_write(double number, char out[OPTION_NUMBER_BYTES]);

#endif
