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
/* Do all comparators hold of n? */
bool decimal_all_hold(const struct tests *comparators, int64_t n);

/* The whole numbers of which all comparators hold: those of [least, most] but one. What lies beyond ±DECIMAL_HUGE is cut there. */
struct accepted {
    int64_t least;
    int64_t most;
    int64_t except; /* INT64_MIN: none */
};

/* Of n, where n is a sum × 10^shift and the comparators speak of the sum. */
struct accepted decimal_accepted(const struct tests *comparators, int shift);
/* 1 when they hold of each number in [low, high] (low <= high, within ±DECIMAL_HUGE), 0 when of none, -1 when of some. */
int accepted_holds(const struct accepted *accepted, int64_t low, int64_t high);
/* The number from 0 on that changes nothing when it grows. */
int64_t accepted_enough(const struct accepted *accepted);
