#include "protocol/retry_after.h"

#include "protocol/date.h"
#include "protocol/invocation.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const long_days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};

/* What is left to read; NULL once something did not fit. */
struct reading {
    const char *at;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void expect(struct reading *reading, const char *text)
{
    size_t bytes = strlen(text);

    if (reading->at != NULL)
        reading->at = strncmp(reading->at, text, bytes) == 0 ? reading->at + bytes : NULL;
}

/* Exactly n digits. */
static int read_number(struct reading *reading, int n)
{
    int value = 0;

    for (; n > 0 && reading->at != NULL; n--) {
        if (!is_digit(*reading->at)) {
            reading->at = NULL;
            return 0;
        }
        value = value * 10 + (*reading->at++ - '0');
    }
    return value;
}

/* Which of the words stands there; a longer word counts only with what must follow it. */
static int read_word(struct reading *reading, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n && reading->at != NULL; i++) {
        size_t bytes = strlen(words[i]);
        if (strncmp(reading->at, words[i], bytes) == 0) {
            reading->at += bytes;
            return (int)i;
        }
    }
    reading->at = NULL;
    return 0;
}

static int read_month(struct reading *reading)
{
    return read_word(reading, months, 12) + 1;
}

/* hh:mm:ss as seconds of the day; 60 is a leap second. */
static int read_time(struct reading *reading)
{
    int hour = read_number(reading, 2);
    expect(reading, ":");
    int minute = read_number(reading, 2);
    expect(reading, ":");
    int second = read_number(reading, 2);

    if (hour > 23 || minute > 59 || second > 60)
        reading->at = NULL;
    return hour * 3600 + minute * 60 + second;
}

/* Two digits: a year that seems more than 50 years in the future is the last one before that ends with them. */
static int full_year(int two_digits, int64_t wall_ms)
{
    int now = date_of(wall_ms / 86400000).year;
    int year = now - now % 100 + two_digits;

    if (year > now + 50)
        return year - 100;
    return year <= now - 50 ? year + 100 : year;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static struct date read_fixdate(struct reading *reading, int *seconds)
{
    struct date date = {0};

    read_word(reading, days, 7);
    expect(reading, ", ");
    date.day = read_number(reading, 2);
    expect(reading, " ");
    date.month = read_month(reading);
    expect(reading, " ");
    date.year = read_number(reading, 4);
    expect(reading, " ");
    *seconds = read_time(reading);
    expect(reading, " GMT");
    return date;
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static struct date read_rfc850(struct reading *reading, int *seconds, int64_t wall_ms)
{
    struct date date = {0};

    read_word(reading, long_days, 7);
    expect(reading, ", ");
    date.day = read_number(reading, 2);
    expect(reading, "-");
    date.month = read_month(reading);
    expect(reading, "-");
    date.year = full_year(read_number(reading, 2), wall_ms);
    expect(reading, " ");
    *seconds = read_time(reading);
    expect(reading, " GMT");
    return date;
}

/* Sun Nov  6 08:49:37 1994 */
static struct date read_asctime(struct reading *reading, int *seconds)
{
    struct date date = {0};

    read_word(reading, days, 7);
    expect(reading, " ");
    date.month = read_month(reading);
    expect(reading, " ");
    if (reading->at != NULL && *reading->at == ' ')
        reading->at++, date.day = read_number(reading, 1);
    else
        date.day = read_number(reading, 2);
    expect(reading, " ");
    *seconds = read_time(reading);
    expect(reading, " ");
    date.year = read_number(reading, 4);
    return date;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_at_end(const struct reading *reading)
{
    return reading->at != NULL && reading->at[strspn(reading->at, " \t")] == '\0';
}

/* A number of seconds; one of any length, since it is capped. */
static bool read_seconds(const char *at, int64_t *ms)
{
    int64_t seconds = 0;

    if (!is_digit(*at))
        return false;
    for (; is_digit(*at); at++) {
        if (seconds <= RXP_MAX_MS / 1000)
            seconds = seconds * 10 + (*at - '0');
    }
    *ms = seconds >= RXP_MAX_MS / 1000 ? RXP_MAX_MS : seconds * 1000;
    return is_at_end(&(struct reading){at});
}

/* Which day of the week it names is not looked at: the date says it. */
static bool read_date(const char *at, int64_t wall_ms, int64_t *unix_ms)
{
    for (int form = 0; form < 3; form++) {
        struct reading reading = {at};
        struct date date;
        int seconds = 0;
        if (form == 0)
            date = read_fixdate(&reading, &seconds);
        else if (form == 1)
            date = read_rfc850(&reading, &seconds, wall_ms);
        else
            date = read_asctime(&reading, &seconds);
        if (is_at_end(&reading) && date_exists(date)) {
            *unix_ms = (date_days(date) * 86400 + seconds) * 1000;
            return true;
        }
    }
    return false;
}

int64_t rxp_retry_after_ms(const char *value, int64_t wall_ms)
{
    int64_t ms;
    int64_t unix_ms;

    if (value == NULL)
        return -1;
    while (is_space(*value))
        value++;
    if (read_seconds(value, &ms))
        return ms;
    if (!read_date(value, wall_ms, &unix_ms))
        return -1;
    if (unix_ms <= wall_ms)
        return 0;
    ms = unix_ms - wall_ms;
    return ms > RXP_MAX_MS ? RXP_MAX_MS : ms;
}
