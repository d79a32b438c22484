/* Which ranges time makes due, and who watches what: pure. */
#include <string.h>

#include "server/base/clock.h"
#include "server/due.h"

#include "tests/unit/run.h"

static struct segment *parse(const char *definition, const char *timezone)
{
    struct segment *segment = NULL;
    struct err err = ERR_INIT;

    ck_assert_msg(segment_parse(definition, strlen(definition), timezone, &segment, &err), "%s", err.detail);
    return segment;
}

START_TEST(a_range_is_shifted_by_its_distance)
{
    struct due_range range = due_shift(1000, 1500, 300);

    ck_assert_int_eq(range.from_us, 700);
    ck_assert_int_eq(range.to_us, 1200);
    range = due_shift(1000, 1500, -300); /* within_next: what is 300 ahead */
    ck_assert_int_eq(range.from_us, 1300);
    ck_assert_int_eq(range.to_us, 1800);
}
END_TEST

START_TEST(equal_distances_share_a_scan)
{
    struct segment *a = parse("{\"event\":\"A\",\"window\":{\"last\":\"7d\"}}", "UTC");
    struct segment *b = parse("{\"event\":\"*\",\"window\":{\"last\":\"30d\",\"skip\":\"168h\"}}", "UTC");
    struct watch_names seven = {.ids = (int32_t[]){7}, .n = 1}, any[] = {{.any = true}, {.any = true}};
    struct due due = {.expiries = VEC_INIT};
    size_t n;

    ck_assert(due_any(segment_depends(a)));
    due_add(&due, &(struct due_version){.depends = segment_depends(a), .expiries = &seven, .timezone = "UTC", .version = 4});
    due_add(&due, &(struct due_version){.depends = segment_depends(b), .expiries = any, .timezone = "UTC", .version = 5});
    due_seal(&due);
    ck_assert_uint_eq(due.expiries.n, 2);
    ck_assert_int_eq(due.expiries.at[0].after_us, 7 * 86400 * US_PER_S);
    ck_assert_uint_eq(watch_find(&due.expiries.at[0].watch, 7, &n)->version, 4);
    ck_assert_uint_eq(n, 1);
    ck_assert_uint_eq(due.expiries.at[0].watch.any.n, 1);
    ck_assert_uint_eq(due.expiries.at[0].watch.any.at[0], 5);
    ck_assert_uint_eq(due.expiries.at[1].watch.entries.n, 0);
    due_clear(&due);
    segment_free(a);
    segment_free(b);
}
END_TEST

START_TEST(fixed_windows_and_ever_are_never_due)
{
    struct segment *fixed = parse("{\"event\":\"A\",\"window\":{\"from\":\"2026-01-01\",\"to\":\"2036-01-01\"}}", "UTC");
    struct segment *ever = parse("{\"event\":\"A\"}", "UTC");

    ck_assert(!due_any(segment_depends(fixed)));
    ck_assert(!due_any(segment_depends(ever)));
    segment_free(fixed);
    segment_free(ever);
}
END_TEST

START_TEST(calendars_are_kept_apart_by_zone_and_period)
{
    struct segment *a = parse("{\"event\":\"A\",\"window\":{\"calendar\":\"today\"}}", "UTC");
    struct segment *b = parse("{\"event\":\"A\",\"window\":{\"calendar\":\"today\"}}", "Europe/Berlin");
    struct segment *c = parse("{\"event\":\"A\",\"window\":{\"calendar\":\"yesterday\"}}", "UTC");
    struct segment *d = parse("{\"event\":\"A\",\"window\":{\"calendar\":\"this_month\"}}", "UTC");
    struct segment *segments[] = {a, b, c, d, a};
    struct watch_names names = {.ids = (int32_t[]){7}, .n = 1};
    struct due due = {.expiries = VEC_INIT};

    for (uint32_t i = 0; i < 5; i++)
        due_add(&due,
                &(struct due_version){
                    .depends = segment_depends(segments[i]), .calendars = &names, .timezone = segment_timezone(segments[i]), .version = i});
    due_seal(&due);
    ck_assert_uint_eq(due.calendars.n, 4);
    ck_assert_uint_eq(due.calendars.at[0].watch.entries.n, 2);
    due_clear(&due);
    segment_free(a);
    segment_free(b);
    segment_free(c);
    segment_free(d);
}
END_TEST

START_TEST(a_period_that_ends_concerns_both_periods)
{
    struct due_calendar calendar = {.period = PERIOD_DAY, .known = true, .before_us = 100, .start_us = 200, .end_us = 300};
    struct due_range range;

    ck_assert(!due_calendar_over(&calendar, 299));
    ck_assert(due_calendar_over(&calendar, 300));
    range = due_calendar_range(&calendar, 200, 300, 400);
    ck_assert_int_eq(range.from_us, 199); /* from the first instant of the old period, */
    ck_assert_int_eq(range.to_us, 399);   /* to the last of the new */
    calendar.last = true;
    range = due_calendar_range(&calendar, 200, 300, 400);
    ck_assert_int_eq(range.from_us, 99);
    ck_assert_int_eq(range.to_us, 299);
    range = due_calendar_range(&calendar, 500, 600, 700); /* several periods at once */
    ck_assert_int_eq(range.from_us, 99);
    ck_assert_int_eq(range.to_us, 599);
}
END_TEST

START_TEST(dates_are_kept_apart_by_path_and_zone)
{
    struct segment *a = parse("{\"trait\":\"a\\\\.b.c\",\"within_last\":\"1h\"}", "UTC");
    struct segment *b = parse("{\"trait\":\"d\",\"within_next\":\"1h\"}", "UTC");
    struct segment *c = parse("{\"trait\":\"d\",\"anniversary_in\":\"2w\"}", "Europe/Berlin");
    struct segment *segments[] = {a, b, c, b};
    struct due due = {.expiries = VEC_INIT};

    for (uint32_t i = 0; i < 4; i++)
        due_add(&due,
                &(struct due_version){.depends = segment_depends(segments[i]), .timezone = segment_timezone(segments[i]), .version = i});
    due_seal(&due);
    ck_assert_uint_eq(due.dates.n, 3);
    ck_assert_str_eq(due.dates.at[0].key, "a.b");
    ck_assert_str_eq(due.dates.at[1].key, "d");
    ck_assert_uint_eq(due.dates.at[0].offsets.all.n, 2);
    ck_assert_int_eq(due.dates.at[0].offsets.all.at[0].offset_us, 0);
    ck_assert_int_eq(due.dates.at[0].offsets.all.at[1].offset_us, 3600 * US_PER_S);
    ck_assert_int_eq(due.dates.at[1].offsets.all.at[0].offset_us, -3600 * US_PER_S);
    ck_assert_uint_eq(due.dates.at[1].offsets.all.at[0].versions.n, 2);
    ck_assert_uint_eq(due.dates.at[2].offsets.all.n, 0);
    ck_assert_int_eq(due.dates.at[2].anniversaries.all.at[0].offset_us, 14);
    due_clear(&due);
    segment_free(a);
    segment_free(b);
    segment_free(c);
}
END_TEST

START_TEST(a_midnight_of_any_zone)
{
    ck_assert(due_midnight(900 * US_PER_S - 1, 900 * US_PER_S));
    ck_assert(!due_midnight(900 * US_PER_S, 1800 * US_PER_S - 1));
}
END_TEST

START_TEST(watches_are_found_by_id)
{
    struct watch watch = {.entries = VEC_INIT};
    size_t n;

    watch_seal(&watch);
    (void)watch_find(&watch, 1, &n);
    ck_assert_uint_eq(n, 0);
    watch_add_id(&watch, 9, 1);
    watch_add_id(&watch, 3, 2);
    watch_add_id(&watch, 9, 0);
    watch_add(&watch, &(struct watch_names){.any = true}, 5);
    watch_seal(&watch);
    ck_assert_uint_eq(watch.ids.n, 2);
    ck_assert_uint_eq(watch_find(&watch, 9, &n)[0].version, 0);
    ck_assert_uint_eq(n, 2);
    (void)watch_find(&watch, 4, &n);
    ck_assert_uint_eq(n, 0);
    (void)watch_find(&watch, 10, &n);
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(watch.any.n, 1);
    watch_clear(&watch);
}
END_TEST

RUN_TESTS("due", a_range_is_shifted_by_its_distance, equal_distances_share_a_scan, fixed_windows_and_ever_are_never_due,
          calendars_are_kept_apart_by_zone_and_period, a_period_that_ends_concerns_both_periods, dates_are_kept_apart_by_path_and_zone,
          a_midnight_of_any_zone, watches_are_found_by_id)
