#include "protocol/date.h"
#include "protocol/result.h"

#include <string.h>

#define DAY_MS INT64_C(86400000)
#define MIN_MS INT64_C(-62167219200000) /* 0000-01-01T00:00:00.000Z */
#define MAX_MS INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static void put_digits(char *at, int n, int64_t value)
{
    for (int i = n - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

void rxp_stamp_write(int64_t unix_ms, char out[RXP_STAMP_BYTES])
{
    if (unix_ms < MIN_MS)
        unix_ms = MIN_MS;
    if (unix_ms > MAX_MS)
        unix_ms = MAX_MS;
    int64_t of_day = unix_ms % DAY_MS;
    if (of_day < 0)
        of_day += DAY_MS;
    struct date date = date_of((unix_ms - of_day) / DAY_MS);

    memcpy(out, "0000-00-00T00:00:00.000Z", RXP_STAMP_BYTES);
    put_digits(out, 4, date.year);
    put_digits(out + 5, 2, date.month);
    put_digits(out + 8, 2, date.day);
    put_digits(out + 11, 2, of_day / 3600000);
    put_digits(out + 14, 2, of_day / 60000 % 60);
    put_digits(out + 17, 2, of_day / 1000 % 60);
    put_digits(out + 20, 3, of_day % 1000);
}

static int take_digits(const char *at, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++)
        value = value * 10 + (at[i] - '0');
    return value;
}

bool rxp_stamp_parse(const char *text, int64_t *unix_ms)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    char again[RXP_STAMP_BYTES];

    if (strlen(text) != sizeof(form) - 1)
        return false;
    for (size_t i = 0; form[i] != '\0'; i++) {
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    }
    struct date date = {take_digits(text, 4), take_digits(text + 5, 2), take_digits(text + 8, 2)};
    int64_t ms = date_days(date) * DAY_MS + take_digits(text + 11, 2) * INT64_C(3600000) +
                 take_digits(text + 14, 2) * INT64_C(60000) + take_digits(text + 17, 2) * INT64_C(1000) +
                 take_digits(text + 20, 3);
    /* A month 13, a 30th of February, an hour 24 or a second 60 comes back as another stamp. */
    rxp_stamp_write(ms, again);
    if (memcmp(again, text, sizeof(again)) != 0)
        return false;
    *unix_ms = ms;
    return true;
}
