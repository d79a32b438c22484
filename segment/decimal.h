/* Exact decimals as texts, compared with whole numbers. The form is that of language.md ("Values"): see json_number_ok. Pure. */
#pragma once

#include "segment/ast.h"

#define DECIMAL_HUGE INT64_C(1000000000000000000)

/* A decimal split at its point; whole is cut at DECIMAL_HUGE. */
struct decimal {
    bool negative;
    int64_t whole; /* of the absolute value */
    bool fraction; /* something other than 0 stands behind the point */
};

/* Reads text × 10^shift. */
struct decimal decimal_read(const char *text, int shift);
/* -1, 0 or 1 as the decimal is below, equal to or above n (|n| < DECIMAL_HUGE). */
int decimal_compare(struct decimal decimal, int64_t n);
/* Does the comparator hold of n? */
bool decimal_holds(const struct test *comparator, int64_t n);
