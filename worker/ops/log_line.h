/* log_line: a log line in the making. For log.c alone. Pure but for the clock. */
#ifndef RXP_OPS_LOG_LINE_H
#define RXP_OPS_LOG_LINE_H

#include "ops/log.h"

#include <stdbool.h>
#include <stddef.h>

#define LOG_LINE_BYTES 4096

/* What does not fit is left out: of the message first, since fields are for programs. */
struct log_line {
    char at[LOG_LINE_BYTES];
    size_t bytes;
    bool full;
};

void log_line_make(struct log_line *line, enum log_format format, enum log_level level, const char *event,
                   const char *message, const struct log_field *fields, size_t n_fields);

#endif
