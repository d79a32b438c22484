/* The clock rule of api.md, case by case. */
#include "api/collect/when.h"

#include "tests/unit/run.h"

#define S   INT64_C(1000000)
#define MIN (60 * S)
#define T   INT64_C(1800000000000000) /* arrival */

START_TEST(test_trusted_without_sent_at)
{
    ck_assert_int_eq(when_stored(T - 5 * S, INSTANT_NONE, T, T + 9), T - 5 * S);
    ck_assert_int_eq(when_stored(T - 900 * 86400 * S, INSTANT_NONE, T, T + 9), T - 900 * 86400 * S);
}
END_TEST

START_TEST(test_trusted_within_a_minute)
{
    ck_assert_int_eq(when_stored(T - 100, T - 60 * S, T, T), T - 100);
    ck_assert_int_eq(when_stored(T - 100, T + 60 * S, T, T), T - 100);
    ck_assert_int_eq(when_stored(T - 90 * S, T - 30 * S, T, T), T - 90 * S);
}
END_TEST

START_TEST(test_shifted_by_whole_minutes)
{
    ck_assert_int_eq(when_stored(T - 10 * MIN - 7, T - 60 * S - 1, T, T), T - 9 * MIN - 7);
    ck_assert_int_eq(when_stored(T - 10 * MIN, T - 5 * MIN - 10 * S, T, T), T - 5 * MIN);
    ck_assert_int_eq(when_stored(T - 10 * MIN, T - 5 * MIN - 30 * S, T, T), T - 4 * MIN);
    ck_assert_int_eq(when_stored(T - 10 * MIN, T - 5 * MIN - 29 * S, T, T), T - 5 * MIN);
    ck_assert_int_eq(when_stored(T + 9 * MIN, T + 10 * MIN + 29 * S, T, T), T - MIN);
    ck_assert_int_eq(when_stored(T + 9 * MIN, T + 10 * MIN + 30 * S, T, T), T - 2 * MIN);
    ck_assert_int_eq(when_stored(T - 3 * S + 400 * 86400 * S, T + 400 * 86400 * S, T, T), T - 3 * S);
}
END_TEST

START_TEST(test_never_later_than_received)
{
    ck_assert_int_eq(when_stored(T + 1, INSTANT_NONE, T, T), T);
    ck_assert_int_eq(when_stored(T + 30 * S, T + 30 * S, T, T + 3), T + 3);
    ck_assert_int_eq(when_stored(T + 10 * MIN, T + 5 * MIN, T, T + 3), T + 3);
    ck_assert_int_eq(when_stored(T + 2, INSTANT_NONE, T, T + 3), T + 2);
}
END_TEST

START_TEST(test_without_timestamp_it_is_received)
{
    ck_assert_int_eq(when_stored(INSTANT_NONE, INSTANT_NONE, T, T + 3), T + 3);
    ck_assert_int_eq(when_stored(INSTANT_NONE, T - 50 * MIN, T, T + 3), T + 3);
}
END_TEST

/* Two events of one device keep their distance whatever its clock says. */
START_TEST(test_order_survives_a_shift)
{
    for (int64_t off = -200 * S; off <= 200 * S; off += 7 * S)
        ck_assert_int_eq(when_stored(T - 20 * MIN + 1, T + off, T, T) - when_stored(T - 20 * MIN, T + off, T, T), 1);
}
END_TEST

RUN_TESTS("when", test_trusted_without_sent_at, test_trusted_within_a_minute, test_shifted_by_whole_minutes, test_never_later_than_received,
          test_without_timestamp_it_is_received, test_order_survives_a_shift)
