/* Instants and durations by the grammar of language.md ("Values"). The instants were computed by PostgreSQL 15. */
#include "server/base/instant.h"

#include <string.h>

#include "tests/unit/run.h"

START_TEST(test_reads)
{
    static const struct {
        const char *text;
        int64_t us;
        enum instant_form form;
    } cases[] = {
        {"1970-01-01", 0, INSTANT_DATE},
        {"2000-02-29", INT64_C(951782400000000), INSTANT_DATE},
        {"0001-01-01", INT64_C(-62135596800000000), INSTANT_DATE},
        {"9999-12-31", INT64_C(253402214400000000), INSTANT_DATE},
        {"2026-11-21T17:37:01", INT64_C(1795282621000000), INSTANT_LOCAL},
        {"2026-11-21 17:37:01.5", INT64_C(1795282621500000), INSTANT_LOCAL},
        {"2026-11-21T17:37:01.516Z", INT64_C(1795282621516000), INSTANT_EXACT},
        {"2026-11-21T17:37:01.516+00:00", INT64_C(1795282621516000), INSTANT_EXACT},
        {"2026-11-21 19:37:01+02:00", INT64_C(1795282621000000), INSTANT_EXACT},
        {"2026-11-21T01:52:01-15:45", INT64_C(1795282621000000), INSTANT_EXACT},
        {"2026-11-22T09:36:01+15:59", INT64_C(1795282621000000), INSTANT_EXACT},
        {"2026-11-21T17:37:01.462324999Z", INT64_C(1795282621462325), INSTANT_EXACT},
        {"1969-12-31T23:59:59.999999Z", -1, INSTANT_EXACT},
        {"1900-03-01", INT64_C(-2203891200000000), INSTANT_DATE},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum instant_form form;
        int64_t us;

        ck_assert_msg(instant_read(cases[i].text, strlen(cases[i].text), &us, &form), "%s", cases[i].text);
        ck_assert_msg(us == cases[i].us, "%s: %lld", cases[i].text, (long long)us);
        ck_assert_int_eq(form, cases[i].form);
    }
}
END_TEST

START_TEST(test_refuses)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-1-01",
        "0000-01-01",
        "2026-00-01",
        "2026-13-01",
        "2026-01-00",
        "2026-02-29",
        "2100-02-29",
        "2026-02-30",
        "2026-04-31",
        "26-01-01",
        "2026-01-01T",
        "2026-01-01t00:00:00",
        "2026-01-01T00:00",
        "2026-01-01T24:00:00",
        "2026-01-01T00:60:00",
        "2026-01-01T23:59:60",
        "2026-01-01T00:00:00.",
        "2026-01-01T00:00:00.0123456789",
        "2026-01-01T00:00:00z",
        "2026-01-01T00:00:00+0200",
        "2026-01-01T00:00:00+02",
        "2026-01-01T00:00:00+16:00",
        "2026-01-01T00:00:00+01:60",
        "2026-01-01T00:00:00Z ",
        " 2026-01-01",
        "2026-01-01T00:00:00 Z",
        "+2026-01-01",
        "2026-01-01T00:00:00,5Z",
        "1795282621000",
        "2026-01-01T-1:00:00",
    };
    enum instant_form form;
    int64_t us;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!instant_read(bad[i], strlen(bad[i]), &us, &form), "%s", bad[i]);
    ck_assert(!instant_read("2026-01-01", 9, &us, &form)); /* the length counts, not what follows */
}
END_TEST

/* Halves go where PostgreSQL's cast puts them. */
START_TEST(test_fractions_round_like_postgresql)
{
    static const struct {
        const char *fraction;
        int64_t us;
    } cases[] = {{"0000005", 0},       {"0000015", 2},       {"0000025", 2},        {"0000035", 4},        {"1234565", 123456},
                 {"1234575", 123458},  {"12345650", 123456}, {"123456500", 123456}, {"123456501", 123457}, {"9999985", 999998},
                 {"9999995", 1000000}, {"4999995", 500000},  {"000000499", 0},      {"999999499", 999999}, {"1", 100000},
                 {"000001", 1},        {"123", 123000},      {"999999500", 1000000}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[40] = "1970-01-01T00:00:00.";
        enum instant_form form;
        int64_t us;

        memcpy(text + 20, cases[i].fraction, strlen(cases[i].fraction) + 1);
        ck_assert(instant_read(text, strlen(text), &us, &form));
        ck_assert_msg(us == cases[i].us, "%s: %lld", text, (long long)us);
    }
}
END_TEST

START_TEST(test_print_is_the_inverse_of_read)
{
    static const char *const texts[] = {"1970-01-01T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000001Z",
                                        "2000-02-29T12:34:56.700000Z", "2400-12-31T23:59:59.000000Z", "9999-12-31T23:59:59.999999Z",
                                        "1999-03-01T00:00:00.000000Z", "2026-11-21T17:37:01.516000Z"};
    char printed[INSTANT_TEXT];
    enum instant_form form;
    int64_t us;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        ck_assert(instant_read(texts[i], strlen(texts[i]), &us, &form));
        instant_print(us, printed);
        ck_assert_str_eq(printed, texts[i]);
    }
    instant_print(INT64_C(253402300800000000), printed);
    ck_assert_str_eq(printed, "10000-01-01T00:00:00.000000Z");
    ck_assert(instant_read("0001-01-01T00:00:00+01:00", 25, &us, &form));
    instant_print(us, printed);
    ck_assert_str_eq(printed, "0000-12-31T23:00:00.000000Z");
}
END_TEST

/* Each day of 800 years follows the one before. */
START_TEST(test_days_are_consecutive)
{
    int64_t day_us = INT64_C(86400000000), us = INT64_C(-37241337600000000) / day_us * day_us;

    for (int i = 0; i < 292200; i++, us += day_us) {
        char text[INSTANT_TEXT];
        enum instant_form form;
        int64_t back;

        instant_print(us, text);
        ck_assert(instant_read(text, 10, &back, &form));
        ck_assert_int_eq(back, us);
    }
}
END_TEST

/* Each day of 800 years, at its first and last instant: the month that follows has another number and begins at midnight of a first. */
START_TEST(test_next_month)
{
    int64_t day_us = INT64_C(86400000000), us = INT64_C(-37241337600000000) / day_us * day_us, next = 0;

    for (int i = 0; i < 292200; i++, us += day_us) {
        char text[INSTANT_TEXT], after[INSTANT_TEXT];

        instant_print(us, text);
        if (i == 0 || strncmp(text + 7, "-01T00:00:00.000000Z", 20) == 0) {
            ck_assert(i == 0 || us == next);
            next = instant_next_month(us);
            instant_print(next, after);
            ck_assert_str_eq(after + 7, "-01T00:00:00.000000Z");
            ck_assert(next - us <= 31 * day_us);
        }
        ck_assert_int_eq(instant_next_month(us), next);
        ck_assert_int_eq(instant_next_month(us + day_us - 1), next);
    }
}
END_TEST

START_TEST(test_durations)
{
    static const struct {
        const char *text;
        int64_t s;
    } good[] = {{"1s", 1},        {"90s", 90},     {"5m", 300},          {"12h", 43200},
                {"30d", 2592000}, {"2w", 1209600}, {"3650d", 315360000}, {"315360000s", 315360000}};
    static const char *const bad[] = {
        "",    "s",     "0s",         "01d",  "1",   "-1d", "+1d", "1.5d", "1D",          "1y",     "1 d",
        " 1d", "3651d", "315360001s", "522w", "1dd", "d1",  "00d", "1ms",  "9999999999s", "87601h", "99999999999999999999d"};
    int64_t us;

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        ck_assert_msg(duration_read(good[i].text, strlen(good[i].text), &us), "%s", good[i].text);
        ck_assert_int_eq(us, good[i].s * 1000000);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!duration_read(bad[i], strlen(bad[i]), &us), "%s", bad[i]);
    ck_assert(duration_read("521w", 4, &us));
}
END_TEST

RUN_TESTS("instant", test_reads, test_refuses, test_fractions_round_like_postgresql, test_print_is_the_inverse_of_read,
          test_days_are_consecutive, test_next_month, test_durations)
