#include "protocol/date.h"

/* Days from 0000-03-01, the start of a year that ends with its leap day. */
#define DAYS_TO_1970 INT64_C(719468)
#define DAYS_IN_400_YEARS INT64_C(146097)

struct date date_of(int64_t days)
{
    int64_t shifted = days + DAYS_TO_1970 + DAYS_IN_400_YEARS; /* January and February of 0000 lie before the origin */
    int64_t era = shifted / DAYS_IN_400_YEARS;
    int64_t of_era = shifted % DAYS_IN_400_YEARS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t march_month = (5 * of_year + 2) / 153; /* 0: March */
    struct date date = {
        .year = (int)(year + (era - 1) * 400 + (march_month >= 10)),
        .month = (int)(march_month < 10 ? march_month + 3 : march_month - 9),
        .day = (int)(of_year - (153 * march_month + 2) / 5 + 1),
    };
    return date;
}

int64_t date_days(struct date date)
{
    int64_t year = date.year + 400 - (date.month <= 2);
    int64_t march_month = (date.month + 9) % 12;
    int64_t of_year = (153 * march_month + 2) / 5 + date.day - 1;

    return year * 365 + year / 4 - year / 100 + year / 400 + of_year - DAYS_IN_400_YEARS - DAYS_TO_1970;
}

bool date_exists(struct date date)
{
    if (date.year < 0 || date.year > 9999 || date.month < 1 || date.month > 12 || date.day < 1 || date.day > 31)
        return false;
    /* A 30th of February comes back as another day. */
    struct date again = date_of(date_days(date));
    return again.year == date.year && again.month == date.month && again.day == date.day;
}
