/* Exact decimals against whole numbers: signs, exponents, fractions, minus zero, and what is larger than any count. */
#include "segment/decimal.h"

#include "tests/unit/run.h"

static const struct {
    const char *text;
    int shift;
    int64_t n;
    int side; /* of the decimal, seen from n */
} CASES[] = {
    {"0", 0, 0, 0},
    {"-0", 0, 0, 0},
    {"-0.0", 0, 0, 0},
    {"1", 0, 1, 0},
    {"1.0", 0, 1, 0},
    {"1.5", 0, 1, 1},
    {"1.5", 0, 2, -1},
    {"-1.5", 0, -1, -1},
    {"-1.5", 0, -2, 1},
    {"-0.5", 0, 0, -1},
    {"0.5", 0, 0, 1},
    {"1e2", 0, 100, 0},
    {"1E+02", 0, 100, 0},
    {"1.23e1", 0, 12, 1},
    {"120e-1", 0, 12, 0},
    {"1e-9", 0, 0, 1},
    {"0e99", 0, 0, 0},
    {"0.001e5", 0, 100, 0},
    {"100e-2", 0, 1, 0},
    {"12.34", 2, 1234, 0},
    {"12.345", 2, 1234, 1},
    {"12.5", 2, 1250, 0},
    {"0.07", 2, 7, 0},
    {"1e-3", 2, 0, 1},
    {"1e99", 0, 1000000, 1},
    {"-1e99", 0, 0, -1},
    {"99999999999999999999999999999999999999999999999999", 0, 1000000000, 1},
    {"1e17", 0, INT64_C(100000000000000000), 0},
};

START_TEST(compared)
{
    ck_assert_msg(decimal_compare(decimal_read(CASES[_i].text, CASES[_i].shift), CASES[_i].n) == CASES[_i].side, "%s × 10^%d against %lld",
                  CASES[_i].text, CASES[_i].shift, (long long)CASES[_i].n);
}
END_TEST

static bool holds(enum op op, const char *low, const char *high, int64_t n)
{
    struct operand operands[] = {{.type = OPERAND_NUMBER, .text = low}, {.type = OPERAND_NUMBER, .text = high}};
    struct test test = {.op = op, .operands = operands, .n = high ? 2 : 1};

    return decimal_holds(&test, n);
}

START_TEST(comparators)
{
    ck_assert(holds(OP_EQ, "2", NULL, 2) && !holds(OP_EQ, "2", NULL, 3) && !holds(OP_EQ, "2.5", NULL, 2));
    ck_assert(!holds(OP_NEQ, "2", NULL, 2) && holds(OP_NEQ, "2", NULL, 3));
    ck_assert(holds(OP_GT, "1.5", NULL, 2) && !holds(OP_GT, "2", NULL, 2));
    ck_assert(holds(OP_GTE, "2", NULL, 2) && !holds(OP_GTE, "2.1", NULL, 2));
    ck_assert(holds(OP_LT, "2.1", NULL, 2) && !holds(OP_LT, "2", NULL, 2));
    ck_assert(holds(OP_LTE, "2", NULL, 2) && !holds(OP_LTE, "1.9", NULL, 2));
    ck_assert(holds(OP_BETWEEN, "1", "2", 1) && holds(OP_BETWEEN, "1", "2", 2) && !holds(OP_BETWEEN, "1", "2", 3) &&
              !holds(OP_BETWEEN, "1", "2", 0));
}
END_TEST

/* Against decimal_holds, number by number. */
START_TEST(accepted_numbers)
{
    static const char *const texts[] = {"-3",  "-2.5", "-0.5",  "-0", "0",    "0.5",   "1",    "2",
                                        "2.0", "2.5",  "25e-1", "3",  "1e30", "-1e30", "1e-30"};
    static const enum op ops[] = {OP_EQ, OP_NEQ, OP_GT, OP_GTE, OP_LT, OP_LTE, OP_BETWEEN};

    for (size_t i = 0; i < ARRAY_LEN(texts) * ARRAY_LEN(texts) * ARRAY_LEN(ops) * ARRAY_LEN(ops); i++) {
        const char *one = texts[i % ARRAY_LEN(texts)], *other = texts[i / ARRAY_LEN(texts) % ARRAY_LEN(texts)];
        size_t pair = i / (ARRAY_LEN(texts) * ARRAY_LEN(texts));
        struct operand operands[] = {{.type = OPERAND_NUMBER, .text = one}, {.type = OPERAND_NUMBER, .text = other}};
        struct test tests[] = {{.op = ops[pair % ARRAY_LEN(ops)], .operands = operands, .n = 1},
                               {.op = ops[pair / ARRAY_LEN(ops)], .operands = operands + 1, .n = 1}};
        struct tests all = {.items = tests, .n = tests[0].op == OP_BETWEEN ? 1 : 2};
        struct accepted accepted;

        if (tests[1].op == OP_BETWEEN || (tests[0].op == tests[1].op && tests[0].op == OP_NEQ)) /* one of each stands in a leaf */
            continue;
        tests[0].n = tests[0].op == OP_BETWEEN ? 2 : 1;
        accepted = decimal_accepted(&all, 0);
        for (int64_t low = -5; low <= 5; low++) {
            size_t n = 0;

            for (int64_t high = low; high <= 5; high++) {
                n += decimal_all_hold(&all, high);
                ck_assert_int_eq(accepted_holds(&accepted, low, high), n == 0 ? 0 : n == (size_t)(high - low + 1) ? 1 : -1);
            }
            if (low >= accepted_enough(&accepted))
                ck_assert_int_eq(accepted_holds(&accepted, low, low), accepted_holds(&accepted, low + 1, low + 1));
        }
    }
}
END_TEST

START_TEST(accepted_shifted)
{
    struct operand operand = {.type = OPERAND_NUMBER, .text = "-1.25"};
    struct test test = {.op = OP_GT, .operands = &operand, .n = 1};
    struct tests tests = {.items = &test, .n = 1};
    struct accepted tenths = decimal_accepted(&tests, 1), hundredths = decimal_accepted(&tests, 2);

    ck_assert(accepted_holds(&tenths, -12, -12) == 1 && accepted_holds(&tenths, -13, -13) == 0);
    ck_assert(accepted_holds(&hundredths, -124, -124) == 1 && accepted_holds(&hundredths, -125, -125) == 0);
    ck_assert_int_eq(accepted_enough(&tenths), 0);
}
END_TEST

RUN_CASES("segment decimal", {compared, ARRAY_LEN(CASES)}, {comparators, 1}, {accepted_numbers, 1}, {accepted_shifted, 1})
