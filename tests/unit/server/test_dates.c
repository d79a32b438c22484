/* What dates move without an event: periods, dates near and past, anniversaries, each to the microsecond and in the time zone. Time is given. */
#include "tests/unit/server/world.h"

START_TEST(calendar_periods_end)
{
    /* T0 is 14:13:20 of a Monday */
    segment("today", "{\"event\":\"Order Completed\",\"window\":{\"calendar\":\"today\"}}");
    segment("yesterday", "{\"event\":\"Order Completed\",\"window\":{\"calendar\":\"yesterday\"}}");
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 10});
    settle_at(20);
    expect_members("today", "ada");
    settle_at(35199); /* a second before midnight: over an hour, so all is rebuilt */
    expect_members("today", "ada");
    expect_members("yesterday", "");
    tick_at(35200);
    expect_members("today", "");
    expect_members("yesterday", "ada");
    expect_last_change("enter ada time");
    expect_right();
    settle_at(35200 + 86400);
    expect_members("yesterday", "");
    expect_right();
}
END_TEST

START_TEST(first_seen_within_last_ends)
{
    segment("new", "{\"profile\":\"first_seen\",\"within_last\":\"1m\"}");
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "Page Viewed", .at = 10});
    tick_at(11);
    expect_members("new", "ada");
    tick_at(69);
    expect_members("new", "ada");
    tick_at(70);
    expect_members("new", "");
    expect_right();
}
END_TEST

START_TEST(a_date_comes_near_and_passes)
{
    TELL(1, 0, {.user = "eve", .json = "{\"trial\":{\"ends\":\"2026-09-21T14:13:25Z\"}}", .at = 0});
    segment("ends", "{\"trait\":\"trial.ends\",\"within_next\":\"10s\"}");
    segment("ended", "{\"trait\":\"trial.ends\",\"within_last\":\"10s\"}");
    settle_at(0);
    expect_members("ends", "eve");
    TELL(1, 0, {.user = "ada", .json = "{\"trial\":{\"ends\":\"2026-09-21T14:14:20Z\"}}", .at = 1}); /* T0 + 60 */
    tick_at(2);
    expect_members("ends", "eve");
    tick_at(5);
    expect_members("ends", "");
    expect_members("ended", "eve");
    expect_right();
    tick_at(49);
    expect_members("ends", "");
    tick_at(50);
    expect_members("ends", "ada");
    expect_last_change("enter ada time");
    TELL(1, 0, {.user = "ada", .json = "{\"trial\":{\"ends\":\"2026-09-21T14:14:21Z\"}}", .at = 50}); /* a second later */
    tick_at(50);
    expect_members("ends", "");
    tick_at(51);
    expect_members("ends", "ada");
    tick_at(61);
    expect_members("ends", "");
    expect_members("ended", "ada");
    tick_at(71);
    expect_members("ended", "");
    expect_right();
}
END_TEST

/* Does the worker execute so by that index? */
static bool is_planned_by(const char *execute, const char *index)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    AUTO_BUF struct buf sql = BUF_INIT(300);
    bool found = false;

    buf_addf(&sql, "EXPLAIN EXECUTE %s", execute);
    ck_assert_int_eq(db_run_sql(world.db, buf_text(&sql), NULL, &rows), DB_OK);
    for (size_t i = 0; i < db_rows_count(&rows); i++)
        found |= strstr(db_text(&rows, i, 0), index) != NULL;
    return found;
}

/* Plans made while the table of dates was empty must not read a path's every date later on. */
START_TEST(plans_of_dates_stay_good)
{
    ck_assert(is_planned_by("date_due('a', 'UTC', now(), now(), 9)", "trait_date_at_idx"));
    store_run("INSERT INTO profile (profile_id, user_id, traits) SELECT gen_random_uuid(), i,"
              " jsonb_build_object('born', date '1960-01-01' + i) FROM generate_series(1, 9999) i");
    segment("soon", "{\"trait\":\"born\",\"anniversary_in\":\"2d\"}");
    settle_at(0);
    ck_assert(is_planned_by("date_due('born', 'UTC', now(), now(), 9)", "trait_date_at_idx"));
    ck_assert(is_planned_by("date_forget('born', 'UTC', '{}')", "trait_date_pkey"));
    ck_assert(is_planned_by("date_anniversary('born', 'UTC', now(), now(), 2, 9)", "trait_date_day_idx"));
}
END_TEST

START_TEST(an_anniversary_comes_and_goes)
{
    TELL(3, 0, {.user = "ada", .json = "{\"born\":\"1990-09-23\"}", .at = 0}, {.user = "bob", .json = "{\"born\":\"1990-09-24\"}", .at = 0},
         {.user = "cid", .json = "{\"born\":\"1990-09-21\"}", .at = 0});
    segment("soon", "{\"trait\":\"born\",\"anniversary_in\":\"2d\"}");
    settle_at(0);
    expect_members("soon", "ada cid");
    settle_at(35199);
    expect_members("soon", "ada cid");
    tick_at(35200); /* midnight */
    expect_members("soon", "ada bob");
    expect_right();
    settle_at(35200 + 2 * 86400 - 1);
    expect_members("soon", "ada bob");
    tick_at(35200 + 2 * 86400);
    expect_members("soon", "bob");
    expect_right();
    ck_assert_int_eq(ask("SELECT count(*) FROM trait_date"), 3);
    store_run("DELETE FROM segment_version; DELETE FROM segment; DELETE FROM membership; DELETE FROM change");
    roster_drop(&world.roster, world.db);
    tick_at(35200 + 2 * 86400);
    ck_assert_int_eq(ask("SELECT (SELECT count(*) FROM trait_date) + (SELECT count(*) FROM trait_date_path)"), 0);
}
END_TEST

START_TEST(a_day_ends_in_the_segment_s_time_zone)
{
    TELL(3, 0, {.user = "ada", .json = "{\"born\":\"1990-09-23\"}", .at = 0},
         {.user = "bob", .json = "{\"born\":\"1990-09-22T20:00:00Z\"}", .at = 0},
         {.user = "cid", .json = "{\"born\":\"1990-09-21\"}", .at = 0});
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 0});
    segment("today", "{\"event\":\"Order Completed\",\"window\":{\"calendar\":\"today\"}}");
    segment("soon", "{\"trait\":\"born\",\"anniversary_in\":\"1d\"}");
    store_run("UPDATE segment_version SET timezone = 'Asia/Kolkata'"); /* midnight is at 18:30 UTC */
    settle_at(15399);
    expect_members("today", "ada");
    expect_members("soon", "cid");
    tick_at(15400);
    expect_members("today", "");
    expect_members("soon", "ada bob");
    expect_right();
}
END_TEST

START_TEST(a_leap_day_returns_on_the_28th)
{
    const int64_t day_before = 35200 + 158 * 86400; /* 2027-02-27 */

    TELL(1, 0, {.user = "eve", .json = "{\"born\":\"2000-02-29\"}", .at = 0});
    segment("soon", "{\"trait\":\"born\",\"anniversary_in\":\"1d\"}");
    settle_at(day_before - 1);
    expect_members("soon", "");
    tick_at(day_before);
    expect_members("soon", "eve");
    settle_at(day_before + 2 * 86400 - 1);
    expect_members("soon", "eve");
    tick_at(day_before + 2 * 86400);
    expect_members("soon", "");
    expect_right();
}
END_TEST

RUN_TESTS_WITH(world_begin, world_end, "dates", calendar_periods_end, first_seen_within_last_ends, a_date_comes_near_and_passes,
               plans_of_dates_stay_good, an_anniversary_comes_and_goes, a_day_ends_in_the_segment_s_time_zone,
               a_leap_day_returns_on_the_28th)
