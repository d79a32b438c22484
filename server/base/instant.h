/* Instants and durations as texts, to the letter of language.md ("Values"). Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/attr.h"

#define INSTANT_NONE INT64_MIN /* no instant */
enum { INSTANT_TEXT = 33 };

enum instant_form {
    INSTANT_DATE,  /* YYYY-MM-DD: the first instant of its day in a time zone */
    INSTANT_LOCAL, /* date and time without an offset: in a time zone */
    INSTANT_EXACT  /* with Z or ±hh:mm */
};

/* Reads `YYYY-MM-DD`, or that and `T` or a space, `hh:mm:ss`, optionally 1–9 digits of fraction, optionally `Z` or `±hh:mm`: a real date
 * of year 1–9999, second <= 59, offset <= 15:59. *ret_us is the instant; for the two local forms as if the zone were UTC. Fractions are
 * rounded to the microsecond by the same steps as PostgreSQL's cast (halves mostly to even), so one text is one instant here and in SQL.
 * False when the text is none. */
bool instant_read(const char *text, size_t len, int64_t *ret_us, enum instant_form *ret_form) MUST_CHECK;

/* Prints as RFC 3339 in UTC with six fraction digits and Z. Years 0 to 99999. */
void instant_print(int64_t us, char ret_text[INSTANT_TEXT]);

/* The first instant of the calendar month after that of the instant, in UTC. Any instant of the years −200,000 to 200,000. */
int64_t instant_next_month(int64_t us);

/* Reads a duration: digits without sign or leading zero and one of s m h d w, above 0 and up to 3650 d. */
bool duration_read(const char *text, size_t len, int64_t *ret_us) MUST_CHECK;
