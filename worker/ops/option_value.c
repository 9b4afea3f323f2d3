#include "ops/option_value.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int option_refuse(char *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, OPTIONS_WHY_BYTES, format, arguments);
    va_end(arguments);
    for (char *at = why; *at != '\0'; at++) {
        if (iscntrl((unsigned char)*at))
            *at = '?';
    }
    return -1;
}

void option_number_write(double number, char out[OPTION_NUMBER_BYTES])
{
    snprintf(out, OPTION_NUMBER_BYTES, number == (double)(long long)number ? "%.0f" : "%g", number);
}

/* -12, or with a fraction -12.5: no exponent, no hexadecimal, no "inf", nothing after it. */
static bool looks_like_number(const char *text, bool fraction_allowed)
{
    text += *text == '-';
    size_t whole = strspn(text, "0123456789");
    if (whole == 0)
        return false;
    text += whole;
    if (fraction_allowed && *text == '.') {
        size_t fraction = strspn(text + 1, "0123456789");
        if (fraction == 0)
            return false;
        text += 1 + fraction;
    }
    return *text == '\0';
}

static int number_parse(const struct option_spec *spec, const char *text, const char *subject,
                        struct option_value *out, char *why)
{
    bool whole = spec->type == OPTION_INT;
    bool good = looks_like_number(text, !whole);
    if (good && whole) {
        out->integer = strtoll(text, NULL, 10); /* too long a number is cut to one beyond any maximum */
        out->decimal = (double)out->integer;
    } else if (good) {
        out->decimal = strtod(text, NULL);
    }
    if (good && out->decimal >= spec->min && out->decimal <= spec->max)
        return 0;
    char min[OPTION_NUMBER_BYTES];
    char max[OPTION_NUMBER_BYTES];
    option_number_write(spec->min, min);
    option_number_write(spec->max, max);
    return option_refuse(why, "%s wants a %s from %s to %s%s, not '%.80s'", subject,
                         whole ? "whole number" : "decimal number", min, max,
                         spec->may_be_empty ? " (or nothing: off)" : "", text);
}

static int choice_check(const struct option_spec *spec, const char *text, const char *subject, char *why)
{
    char choices[160];
    snprintf(choices, sizeof choices, "%s", spec->choices);
    char *rest = choices;
    for (char *choice = strsep(&rest, "|"); choice != NULL; choice = strsep(&rest, "|")) {
        if (strcmp(choice, text) == 0)
            return 0;
    }
    /* "a|b|c" as "a, b or c" */
    char list[240] = "";
    size_t bytes = 0;
    for (const char *at = spec->choices; *at != '\0' && bytes < sizeof list - 5; at++) {
        const char *piece = *at != '|' ? NULL : strchr(at + 1, '|') != NULL ? ", " : " or ";
        if (piece == NULL)
            list[bytes++] = *at;
        else
            bytes += (size_t)snprintf(list + bytes, sizeof list - bytes, "%s", piece);
        list[bytes] = '\0';
    }
    return option_refuse(why, "%s wants %s, not '%.80s'", subject, list, text);
}

static int text_check(const char *text, const char *subject, char *why)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (iscntrl((unsigned char)*at))
            return option_refuse(why, "%s has a control character in its value '%.80s'", subject, text);
    }
    return 0;
}

static int flag_parse(const char *text, const char *subject, struct option_value *out, char *why)
{
    out->flag = strcmp(text, "true") == 0;
    if (out->flag || strcmp(text, "false") == 0)
        return 0;
    return option_refuse(why, "%s is a switch: it wants no value, or true or false, not '%.80s'", subject, text);
}

int option_value_parse(const struct option_spec *spec, const char *text, const char *subject, struct option_value *out,
                       char *why)
{
    memset(out, 0, sizeof *out);
    if (*text == '\0' && spec->type != OPTION_FLAG) {
        if (spec->may_be_empty)
            return 0;
        if (spec->value == NULL)
            return option_refuse(why, "%s can't be empty", subject);
        return option_refuse(why, "%s can't be empty; leave it out for the default, %s", subject, spec->value);
    }
    switch (spec->type) {
    case OPTION_TEXT:
        return text_check(text, subject, why);
    case OPTION_INT:
    case OPTION_DECIMAL:
        return number_parse(spec, text, subject, out, why);
    case OPTION_FLAG:
        return flag_parse(text, subject, out, why);
    case OPTION_CHOICE:
        return choice_check(spec, text, subject, why);
    }
    return option_refuse(why, "%s is of no known type", subject);
}
