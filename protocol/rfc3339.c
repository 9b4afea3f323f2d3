#include "protocol/rfc3339.h"

#include "protocol/date.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* 'd' stands for a digit, 'T' for either case. */
static bool has_form(const char *text, const char *form)
{
    for (; *form != '\0'; form++, text++) {
        bool fits = *form == 'd' ? is_digit(*text) : *form == 'T' ? *text == 'T' || *text == 't' : *text == *form;
        if (!fits)
            return false;
    }
    return true;
}

static int number(const char *at, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++)
        value = value * 10 + (at[i] - '0');
    return value;
}

/* ".5" as milliseconds; moves on. */
static bool read_fraction(const char **at, int *ms)
{
    *ms = 0;
    if (**at != '.')
        return true;
    (*at)++;
    if (!is_digit(**at))
        return false;
    for (int unit = 100; is_digit(**at); (*at)++, unit /= 10)
        *ms += (**at - '0') * unit;
    return true;
}

static bool read_offset(const char *at, int *minutes)
{
    *minutes = 0;
    if (strcmp(at, "Z") == 0 || strcmp(at, "z") == 0)
        return true;
    if ((*at != '+' && *at != '-') || !has_form(at + 1, "dd:dd") || at[6] != '\0')
        return false;
    int hour = number(at + 1, 2);
    int minute = number(at + 4, 2);
    *minutes = (hour * 60 + minute) * (*at == '-' ? -1 : 1);
    return hour <= 23 && minute <= 59;
}

bool rfc3339_parse(const char *text, int64_t *unix_ms)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    int ms;
    int offset;

    if (!has_form(text, form))
        return false;
    struct date date = {number(text, 4), number(text + 5, 2), number(text + 8, 2)};
    int hour = number(text + 11, 2);
    int minute = number(text + 14, 2);
    int second = number(text + 17, 2);
    const char *at = text + sizeof(form) - 1;
    if (!date_exists(date) || hour > 23 || minute > 59 || second > 60 || !read_fraction(&at, &ms) ||
        !read_offset(at, &offset))
        return false;
    int64_t minutes = date_days(date) * 1440 + (int64_t)hour * 60 + minute - offset;
    *unix_ms = (minutes * 60 + second) * 1000 + ms;
    return true;
}
