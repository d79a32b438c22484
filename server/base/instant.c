/* Instants and durations. The one idea: a strict reader of one grammar (language.md, "Values") that walks the text once, and day
 * arithmetic on the proleptic Gregorian calendar that needs no time zone database. A fraction is rounded by the very floating-point
 * steps of PostgreSQL's cast, so that one text is one instant in C and in SQL. Knows no zone: the two local forms are given as if in
 * UTC. */
#include "server/base/instant.h"

#include <math.h>

#include "server/base/clock.h"

enum { FRACTION_MAX = 9, DURATION_DIGITS_MAX = 9, DURATION_DAYS_MAX = 3650, S_PER_DAY = 86400 };

struct reader {
    const char *at;
    const char *end;
};

/* Exactly `digits` digits with a value in [low, high]. */
static bool read_field(struct reader *in, int digits, int low, int high, int *ret_value)
{
    int value = 0;

    if (in->end - in->at < digits)
        return false;
    for (; digits; digits--) {
        char c = *in->at++;

        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *ret_value = value;
    return value >= low && value <= high;
}

static bool read_char(struct reader *in, char c)
{
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01 to a date, after Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms": years begin in March. */
static int64_t days_from_date(int year, int month, int day)
{
    int y = year - (month <= 2) + 400; /* + 400: no negative years here */
    int era = y / 400;
    int in_era = y % 400;
    int in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

    return (int64_t)(era - 1) * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static void date_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t in_era = z - era * 146097;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * in_year + 2) / 153; /* 0 is March */

    *ret_day = (int)(in_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = (int)(year + era * 400 + (*ret_month <= 2));
}

/* The digits after the point, as PostgreSQL's ParseFractionalSecond reads them: strtod (which n / 10^k is), × 10^6, rint. */
static bool read_fraction(struct reader *in, int64_t *ret_us)
{
    double digits = 0, scale = 1;
    int n = 0;

    while (in->at < in->end && *in->at >= '0' && *in->at <= '9') {
        if (++n > FRACTION_MAX)
            return false;
        digits = digits * 10 + (*in->at++ - '0');
        scale *= 10;
    }
    *ret_us = (int64_t)rint(digits / scale * 1e6);
    return n > 0;
}

static bool read_offset(struct reader *in, int64_t *ret_offset_s, enum instant_form *ret_form)
{
    int hours, minutes;
    bool west;

    *ret_offset_s = 0;
    *ret_form = INSTANT_LOCAL;
    if (in->at == in->end)
        return true;
    *ret_form = INSTANT_EXACT;
    if (read_char(in, 'Z'))
        return true;
    west = *in->at == '-';
    if (!west && *in->at != '+')
        return false;
    in->at++;
    if (!read_field(in, 2, 0, 15, &hours) || !read_char(in, ':') || !read_field(in, 2, 0, 59, &minutes))
        return false;
    *ret_offset_s = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

bool instant_read(const char *text, size_t len, int64_t *ret_us, enum instant_form *ret_form)
{
    struct reader in = {.at = text, .end = text + len};
    int year, month, day, hour, minute, second;
    int64_t fraction_us = 0, offset_s, days;
    enum instant_form form;

    if (!read_field(&in, 4, 1, 9999, &year) || !read_char(&in, '-') || !read_field(&in, 2, 1, 12, &month) || !read_char(&in, '-') ||
        !read_field(&in, 2, 1, days_in_month(year, month), &day))
        return false;
    days = days_from_date(year, month, day);
    if (in.at == in.end) {
        *ret_us = days * S_PER_DAY * US_PER_S;
        *ret_form = INSTANT_DATE;
        return true;
    }
    if (!read_char(&in, 'T') && !read_char(&in, ' '))
        return false;
    if (!read_field(&in, 2, 0, 23, &hour) || !read_char(&in, ':') || !read_field(&in, 2, 0, 59, &minute) || !read_char(&in, ':') ||
        !read_field(&in, 2, 0, 59, &second))
        return false;
    if (read_char(&in, '.') && !read_fraction(&in, &fraction_us))
        return false;
    if (!read_offset(&in, &offset_s, &form) || in.at != in.end)
        return false;
    *ret_us = (days * S_PER_DAY + hour * 3600 + minute * 60 + second - offset_s) * US_PER_S + fraction_us;
    *ret_form = form;
    return true;
}

/* The last `digits` digits of value, and then the character. */
static char *put_field(char *at, int digits, int value, char after)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        at[i] = (char)('0' + value % 10);
    at[digits] = after;
    return at + digits + 1;
}

void instant_print(int64_t us, char ret_text[INSTANT_TEXT])
{
    int64_t seconds = us / US_PER_S - (us % US_PER_S < 0);
    int64_t days = seconds / S_PER_DAY - (seconds % S_PER_DAY < 0);
    int in_day = (int)(seconds - days * S_PER_DAY);
    int year, month, day;
    char *at = ret_text;

    date_from_days(days, &year, &month, &day);
    at = put_field(at, year > 9999 ? 5 : 4, year, '-');
    at = put_field(at, 2, month, '-');
    at = put_field(at, 2, day, 'T');
    at = put_field(at, 2, in_day / 3600, ':');
    at = put_field(at, 2, in_day / 60 % 60, ':');
    at = put_field(at, 2, in_day % 60, '.');
    at = put_field(at, 6, (int)(us - seconds * US_PER_S), 'Z');
    *at = '\0';
}

int64_t instant_next_month(int64_t us)
{
    const int64_t us_per_day = S_PER_DAY * US_PER_S;
    int64_t days = us / us_per_day - (us % us_per_day < 0);
    int year, month, day;

    date_from_days(days, &year, &month, &day);
    days += 32 - day; /* 31 days after the first: within the next month */
    date_from_days(days, &year, &month, &day);
    return (days - day + 1) * us_per_day;
}

static int64_t unit_s(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return S_PER_DAY;
    case 'w':
        return 7 * S_PER_DAY;
    default:
        return 0;
    }
}

bool duration_read(const char *text, size_t len, int64_t *ret_us)
{
    int64_t count = 0, seconds;

    if (len < 2 || len > DURATION_DIGITS_MAX + 1 || text[0] == '0')
        return false;
    for (size_t i = 0; i < len - 1; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        count = count * 10 + (text[i] - '0');
    }
    seconds = count * unit_s(text[len - 1]);
    if (seconds == 0 || seconds > (int64_t)DURATION_DAYS_MAX * S_PER_DAY)
        return false;
    *ret_us = seconds * US_PER_S;
    return true;
}
