/* History: the feed counted, folded into hours and days, and the past of a rule computed. */
#include "server/history.h"

#include "db/history.h"
#include "tests/unit/server/world.h"

#define DAY 86400

static struct history history;

static void note(void)
{
    history.noted_us = 0;
    ck_assert_int_eq(history_chore(&history), DB_OK);
}

static void begin(void)
{
    world_begin();
    history_init(&history, world.db, &world.roster, world.epoch);
    history.folded_us = clock_mono_us();
}

/* Rows as MINUTE:SIZE:IDENTIFIED:+ENTERED:-LEFT, minutes since T0's. */
static void expect_rows(const char *table, const char *key, const char *expected)
{
    AUTO_BUF struct buf sql = BUF_INIT(2000);

    buf_addf(
        &sql,
        "SELECT coalesce(string_agg((extract(epoch FROM at)::bigint / 60 - 1790000000 / 60) || ':' || size || ':' ||"
        " coalesce(identified::text, '') || ':+' || coalesce(entered::text, '') || ':-' || coalesce(left_count::text, ''), ' ' ORDER BY at),"
        " '') FROM %s JOIN segment s USING (segment_id) WHERE s.key = '%s'",
        table, key);
    expect_text(buf_text(&sql), expected);
}

START_TEST(the_feed_is_counted)
{
    segment("late", "{\"event\":\"Order Completed\",\"window\":{\"last\":\"90s\"}}");
    settle_at(0);
    TELL(2, 0, {.user = "ada", .event = "Order Completed", .at = 1}, {.anonymous = "x", .event = "Order Completed", .at = 1});
    tick_at(2);
    expect_rows("segment_size_news", "late", "0:2:1:+2:-0");
    TELL(1, 0, {.user = "bob", .event = "Order Completed", .at = 62});
    tick_at(63);
    expect_rows("segment_size_news", "late", "0:2:1:+2:-0 1:3:2:+1:-0");
    note();
    expect_rows("segment_size_news", "late", "");
    expect_rows("segment_size", "late", "0:2:1:+2:-0 1:3:2:+1:-0");
    tick_at(95);
    TELL(1, 0, {.user = "eve", .event = "Order Completed", .at = 96});
    tick_at(97);
    expect_rows("segment_size_news", "late", "1:2:2:+1:-2");
    note();
    note();
    expect_rows("segment_size", "late", "0:2:1:+2:-0 1:2:2:+2:-2");
}
END_TEST

START_TEST(many_changes_are_counted_at_once)
{
    segment("bought", BOUGHT);
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 1});
    settle_at(2);
    note();
    store_run(
        "INSERT INTO change (segment_id, segment_key, op, at, cause) SELECT segment_id, segment_key, 'enter', at, cause FROM change, generate_series(1, 49999)");
    ck_assert_int_eq(history_chore(&history), DB_OK);
    expect_rows("segment_size_news", "bought", "0:1:1:+49999:-0");
    store_run(
        "INSERT INTO change (segment_id, segment_key, op, at, cause) SELECT segment_id, segment_key, 'exit', at, cause FROM change LIMIT 1");
    ck_assert_int_eq(history_chore(&history), DB_OK);
    expect_rows("segment_size_news", "bought", "");
    expect_rows("segment_size", "bought", "0:1:1:+50000:-1");
}
END_TEST

START_TEST(a_new_definition_is_counted_too)
{
    segment("bought", BOUGHT);
    TELL(2, 0, {.user = "ada", .event = "Order Completed", .at = 1}, {.user = "bob", .event = "Page Viewed", .at = 1});
    settle_at(2);
    segment("bought", NOT_BOUGHT);
    settle_at(130);
    note();
    expect_rows("segment_size", "bought", "0:1:1:+1:-0 2:1:1:+1:-1");
    store_run("UPDATE segment SET deleted_at = now()");
    history.folded_us = clock_mono_us() - 7200 * US_PER_S;
    store_run("DELETE FROM segment_version");
    store_run("DELETE FROM segment");
    note();
    ck_assert_int_eq(ask("SELECT count(*) FROM segment_size"), 0);
}
END_TEST

static void fold(void)
{
    struct db_frame frame;

    ck_assert_int_eq(db_frame_begin(world.db, world.epoch, &frame), DB_OK);
    ck_assert_int_eq(db_history_fold(world.db), DB_OK);
    ck_assert_int_eq(db_commit(world.db), DB_OK);
}

#define OLD "current_setting('test.day')::timestamptz + "
#define GRAINS                                                                                                                             \
    "SELECT string_agg(grain || ' ' || to_char(at AT TIME ZONE 'UTC', 'HH24:MI') || ' ' || size || ' ' || coalesce(entered::text, '-')"    \
    " || ' ' || coalesce(left_count::text, '-') || CASE WHEN computed THEN 'c' ELSE '' END, ', ' ORDER BY at) FROM segment_size"

START_TEST(old_minutes_become_hours_and_days)
{
    segment("x", BOUGHT);
    settle_at(0);
    store_run("SELECT set_config('test.day', (date_trunc('day', now()) - interval '5 days')::text, false)"); /* midnight may pass */
    store_run("INSERT INTO segment_size (segment_id, at, size, identified, entered, left_count) VALUES"
              " (1, " OLD "'10:00', 5, 5, 5, 0), (1, " OLD "'10:59', 6, 5, 2, 1), (1, " OLD "'11:30', 7, 5, 1, 0)");
    store_run("INSERT INTO segment_size (segment_id, at, size, computed) VALUES (1, " OLD "'09:59', 4, true)");
    fold();
    expect_text(GRAINS, "1 09:00 4 - -c, 1 10:00 6 7 1, 1 11:00 7 1 0");
    fold();
    expect_text(GRAINS, "1 09:00 4 - -c, 1 10:00 6 7 1, 1 11:00 7 1 0");
    store_run("INSERT INTO segment_size (segment_id, at, size, identified, entered, left_count) VALUES (1, " OLD "'10:20', 9, 5, 3, 0)");
    fold();
    expect_text(GRAINS, "1 09:00 4 - -c, 1 10:00 9 10 1, 1 11:00 7 1 0");
    store_run("UPDATE segment_size SET at = at - interval '100 days'");
    fold();
    expect_text(GRAINS, "2 00:00 7 11 1");
}
END_TEST

/* Its size at the ends of days, newest first, up to 31 days back. */
static char *past(void)
{
    return ask_text("SELECT string_agg(size::text, ' ' ORDER BY at DESC) FROM segment_size WHERE computed");
}

#define PAST "2 2 1 3 3 2 2 2 2 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
#define PASTS_ARE                                                                                                                          \
    "SELECT count(*) FROM (SELECT string_agg(size::text, ' ' ORDER BY at DESC) AS sizes FROM segment_size WHERE computed"                  \
    " GROUP BY segment_id) s WHERE sizes = '" PAST "'"

static void compute_pasts(int n)
{
    for (int i = 0; i < n; i++) {
        note();
        ck_assert(history_wants(&history, true, 0));
        for (int k = 0; k < HISTORY_DAYS; k++)
            ck_assert_int_eq(history_step(&history, T0 + 10 * DAY * US_PER_S), DB_OK);
        ck_assert(!history_wants(&history, true, 0));
    }
}

START_TEST(the_past_is_computed)
{
    TELL(3, 0, {.user = "ada", .event = "Order Completed", .at = 1}, {.user = "bob", .event = "Order Completed", .at = 1},
         {.user = "eve", .event = "Order Completed", .at = 5 * DAY});
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 8 * DAY});
    segment("week", "{\"event\":\"Order Completed\",\"window\":{\"last\":\"7d\"}}");
    segment("same", "{\"segment\":\"week\"}");
    settle_at(10 * DAY);
    compute_pasts(2);
    for (int try = 0; try < 10 && ask(PASTS_ARE) != 2; try++) { /* a day has 30 ms, and on a busy machine is guessed */
        store_run("DELETE FROM segment_size WHERE computed; UPDATE segment SET backfilled_at = NULL");
        note();
        compute_pasts(2);
    }
    ck_assert_int_eq(ask(PASTS_ARE), 2); /* T0 is 13:33, so the first midnight is half a day after it */
    expect_text("SELECT to_char(max(at) AT TIME ZONE 'UTC', 'HH24:MI') FROM segment_size WHERE computed", "23:59");
    note();
    ck_assert(!history_wants(&history, true, 0));
    ck_assert_int_eq(ask("SELECT count(*) FROM segment WHERE backfilled_at IS NULL"), 0);
}
END_TEST

START_TEST(a_past_that_takes_too_long_is_left_out)
{
    char *sizes;

    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 1});
    segment("bought", BOUGHT);
    settle_at(2);
    note();
    store_run("CREATE OR REPLACE FUNCTION slow() RETURNS timestamptz LANGUAGE sql AS 'SELECT pg_sleep(3); SELECT now()'");
    store_run("ALTER TABLE retention RENAME TO kept; CREATE VIEW retention AS SELECT one, CASE WHEN slow() < now() THEN floor_at ELSE"
              " floor_at END AS floor_at FROM kept");
    ck_assert_int_eq(history_step(&history, T0 + DAY * US_PER_S), DB_OK);
    store_run("DROP VIEW retention; ALTER TABLE kept RENAME TO retention");
    ck_assert_int_eq(history_step(&history, T0 + DAY * US_PER_S), DB_OK);
    ck_assert(!history_wants(&history, true, 0));
    sizes = past();
    ck_assert_str_eq(sizes, "(null)");
    free(sizes);
    tick_at(3); /* the time-out did not stay */
    ck_assert_int_eq(db_run_sql(world.db, "SELECT pg_sleep(1.2)", NULL, NULL), DB_OK);
}
END_TEST

/* A step takes at least 20 ms here: it rests for nineteen times as long as it took. */
START_TEST(it_rests_while_events_come)
{
    int64_t began_us, ended_us, rest_us;

    segment("bought", BOUGHT);
    settle_at(2);
    note();
    store_run("CREATE FUNCTION nap() RETURNS boolean LANGUAGE sql AS 'SELECT pg_sleep(0.02); SELECT true'");
    store_run(
        "ALTER TABLE retention RENAME TO kept; CREATE VIEW retention AS SELECT one, CASE WHEN nap() THEN floor_at END AS floor_at FROM kept");
    for (int i = 0; i < 3; i++) {
        began_us = clock_mono_us();
        ck_assert_int_eq(history_step(&history, T0 + DAY * US_PER_S), DB_OK);
        ended_us = clock_mono_us();
        rest_us = history.rest_until_us;
        ck_assert_int_ge(rest_us - began_us, 400 * 1000);
        ck_assert_int_le(rest_us - ended_us, 19 * (ended_us - began_us));
        ck_assert(!history_wants(&history, false, rest_us - 1));
        ck_assert(history_wants(&history, false, rest_us));
        ck_assert(history_wants(&history, true, ended_us));
    }
}
END_TEST

RUN_TESTS_WITH(begin, world_end, "history", the_feed_is_counted, many_changes_are_counted_at_once, a_new_definition_is_counted_too,
               old_minutes_become_hours_and_days, the_past_is_computed, a_past_that_takes_too_long_is_left_out, it_rests_while_events_come)
