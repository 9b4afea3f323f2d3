/* date: days as year, month and day of the proleptic Gregorian calendar, whatever time_t and the time zone are.
 *
 * Pure and thread-safe. Not for use outside protocol/. */
#ifndef RXP_PROTOCOL_DATE_H
#define RXP_PROTOCOL_DATE_H

#include <stdbool.h>
#include <stdint.h>

struct date {
    int year;
    int month; /* from 1 */
    int day;   /* from 1 */
};

/* A day of the years 0000 to 9999 that there is? */
bool date_exists(struct date date);

/* Days since 1970-01-01, and back; for the years 0000 to 9999. */
int64_t date_days(struct date date);
struct date date_of(int64_t days);

#endif
