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

bool decimal_all_hold(const struct tests *comparators, int64_t n)
{
    bool holds = true;

    for (size_t i = 0; i < comparators->n; i++)
        holds &= decimal_holds(&comparators->items[i], n);
    return holds;
}

static int64_t round_down(struct decimal decimal)
{
    return decimal.negative ? -decimal.whole - decimal.fraction : decimal.whole;
}

static int64_t round_up(struct decimal decimal)
{
    return decimal.negative ? -decimal.whole : decimal.whole + decimal.fraction;
}

static void accept_from(struct accepted *accepted, int64_t least)
{
    if (least > accepted->least)
        accepted->least = least;
}

static void accept_to(struct accepted *accepted, int64_t most)
{
    if (most < accepted->most)
        accepted->most = most;
}

struct accepted decimal_accepted(const struct tests *comparators, int shift)
{
    struct accepted accepted = {.least = INT64_MIN + 1, .most = INT64_MAX, .except = INT64_MIN};

    for (size_t i = 0; i < comparators->n; i++) {
        const struct test *test = &comparators->items[i];
        struct decimal low = decimal_read(test->operands[0].text, shift);
        struct decimal high = decimal_read(test->operands[test->n - 1].text, shift);

        if (test->op == OP_EQ || test->op == OP_GTE || test->op == OP_BETWEEN)
            accept_from(&accepted, round_up(low));
        if (test->op == OP_EQ || test->op == OP_LTE || test->op == OP_BETWEEN)
            accept_to(&accepted, round_down(high));
        if (test->op == OP_GT)
            accept_from(&accepted, round_down(low) + 1);
        if (test->op == OP_LT)
            accept_to(&accepted, round_up(low) - 1);
        if (test->op == OP_NEQ && !low.fraction)
            accepted.except = round_down(low);
    }
    return accepted;
}

int accepted_holds(const struct accepted *accepted, int64_t low, int64_t high)
{
    bool excepted = accepted->except >= low && accepted->except <= high;

    if (low >= accepted->least && high <= accepted->most && !excepted)
        return 1;
    low = low > accepted->least ? low : accepted->least;
    high = high < accepted->most ? high : accepted->most;
    return low > high || (low == high && low == accepted->except) ? 0 : -1;
}

int64_t accepted_enough(const struct accepted *accepted)
{
    int64_t enough = accepted->least > 0 ? accepted->least : 0;

    if (accepted->most >= enough && accepted->most < INT64_MAX)
        enough = accepted->most + 1;
    return accepted->except >= enough ? accepted->except + 1 : enough;
}
