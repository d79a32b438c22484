/* Exact decimals against whole numbers. The one idea: a number of at most 50 characters is a row of digits and a place for the point,
 * so nothing needs arithmetic. What is larger than any count is cut at DECIMAL_HUGE, which compares as it should. Sums are
 * PostgreSQL's business. */
#include "segment/decimal.h"

#include <stdlib.h>
#include <string.h>

/* How many of the digits stand before the point, after the exponent and shift; may be negative or beyond the digits. */
static long point_at(const char *text, int shift)
{
    size_t digits = strspn(text, "0123456789");
    const char *exponent = strpbrk(text, "eE");

    return (long)digits + (exponent ? strtol(exponent + 1, NULL, 10) : 0) + shift;
}

struct decimal decimal_read(const char *text, int shift)
{
    struct decimal result = {.negative = *text == '-'};
    long point, place = 0;

    text += result.negative;
    point = point_at(text, shift);
    for (; *text && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.')
            continue;
        if (place++ < point)
            result.whole = result.whole >= DECIMAL_HUGE / 10 ? DECIMAL_HUGE : result.whole * 10 + (*text - '0');
        else if (*text != '0')
            result.fraction = true;
    }
    for (; place < point && result.whole && result.whole < DECIMAL_HUGE; place++)
        result.whole = result.whole >= DECIMAL_HUGE / 10 ? DECIMAL_HUGE : result.whole * 10;
    result.negative &= result.whole || result.fraction; /* no minus zero */
    return result;
}

int decimal_compare(struct decimal decimal, int64_t n)
{
    int64_t whole = decimal.negative ? -decimal.whole : decimal.whole;

    if (whole != n)
        return whole < n ? -1 : 1;
    if (!decimal.fraction)
        return 0;
    return decimal.negative ? -1 : 1;
}

bool decimal_holds(const struct test *comparator, int64_t n)
{
    int side = decimal_compare(decimal_read(comparator->operands[0].text, 0), n); /* of the operand, seen from n */

    switch ((int)comparator->op) {
    case OP_EQ:
        return side == 0;
    case OP_NEQ:
        return side != 0;
    case OP_GT:
        return side < 0;
    case OP_GTE:
        return side <= 0;
    case OP_LT:
        return side > 0;
    case OP_LTE:
        return side >= 0;
    case OP_BETWEEN:
        return side <= 0 && decimal_compare(decimal_read(comparator->operands[1].text, 0), n) >= 0;
    default:
        BUG("no comparator");
    }
}
