/* Ticks against a real store: what an event, time, a merge, another segment and a new version move; and that members always equal a fresh
 * evaluation and the replayed feed. Time is given. */
#include "tests/unit/server/world.h"

#include "tests/unit/run.h"

#define VIEWED_OR(condition) "{\"any\":[" condition ",{\"event\":\"View\",\"window\":{\"last\":\"1h\"}}]}"

START_TEST(an_event_brings_a_member_in)
{
    world_begin();
    segment("bought", BOUGHT);
    settle_at(0);
    expect_members("bought", "");
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 1});
    tick_at(2);
    expect_members("bought", "ada");
    expect_last_change("enter ada event");
    expect_right();
    TELL(1, 0, {.user = "ada", .event = "Page Viewed", .at = 3});
    tick_at(4);
    ck_assert_uint_eq(world.result.changes, 0);
    ck_assert_uint_eq(world.result.evaluated, 0);
    expect_right();
    world_end();
}
END_TEST

START_TEST(a_build_takes_what_was_there)
{
    world_begin();
    TELL(3, 0, {.user = "ada", .event = "Order Completed", .at = 1}, {.user = "bob", .event = "Page Viewed", .at = 1},
         {.anonymous = "x", .event = "Order Completed", .at = 1});
    segment("bought", BOUGHT);
    segment("not", NOT_BOUGHT);
    settle_at(5);
    expect_members("bought", "ada (x)");
    expect_members("not", "bob");
    expect_text("SELECT string_agg(DISTINCT cause, ' ') FROM change", "definition");
    expect_text("SELECT size || ' ' || identified FROM segment_version v JOIN segment s USING (segment_id) WHERE key = 'bought'", "2 1");
    expect_right();
    world_end();
}
END_TEST

START_TEST(a_new_profile_enters_equals_zero_at_once)
{
    world_begin();
    segment("not", NOT_BOUGHT);
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "Page Viewed", .at = 1});
    tick_at(2);
    expect_members("not", "ada");
    expect_right();
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 3});
    tick_at(3);
    expect_members("not", "");
    expect_last_change("exit ada event");
    expect_right();
    world_end();
}
END_TEST

START_TEST(a_window_loses_its_member_to_the_microsecond)
{
    world_begin();
    segment("late", LAST_10S);
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 100});
    tick_at(101);
    expect_members("late", "ada");
    tick_at_us(T0 + 110 * US_PER_S - 1);
    expect_members("late", "ada");
    expect_right();
    tick_at_us(T0 + 110 * US_PER_S);
    expect_members("late", "");
    expect_last_change("exit ada time");
    expect_right();
    world_end();
}
END_TEST

START_TEST(skip_brings_a_member_in_by_time)
{
    world_begin();
    segment("lapsed", "{\"event\":\"Order Completed\",\"window\":{\"last\":\"20s\",\"skip\":\"10s\"}}");
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 100});
    tick_at(109);
    expect_members("lapsed", "");
    tick_at(110);
    expect_members("lapsed", "ada");
    expect_last_change("enter ada time");
    tick_at(120);
    expect_members("lapsed", "");
    expect_right();
    world_end();
}
END_TEST

START_TEST(a_late_event_and_one_of_the_future)
{
    world_begin();
    segment("late", LAST_10S);
    settle_at(100);
    TELL(1, 0, {.user = "old", .event = "Order Completed", .at = 50});
    TELL(1, 0, {.user = "edge", .event = "Order Completed", .at = 91});
    TELL(1, 0, {.user = "new", .event = "Order Completed", .at = 140});
    tick_at(101); /* as_of is never below a ts that was read */
    ck_assert_int_eq(world.result.as_of_us, T0 + 140 * US_PER_S);
    expect_members("late", "new");
    expect_right();
    tick_at(102);
    ck_assert_int_eq(world.result.as_of_us, T0 + 140 * US_PER_S);
    tick_at(150);
    expect_members("late", "");
    expect_right();
    world_end();
}
END_TEST

START_TEST(calendar_periods_end)
{
    world_begin(); /* T0 is 14:13:20 of a Monday */
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
    world_end();
}
END_TEST

START_TEST(first_seen_within_last_ends)
{
    world_begin();
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
    world_end();
}
END_TEST

START_TEST(a_trait_moves)
{
    world_begin();
    segment("gold", "{\"trait\":\"plan\",\"eq\":\"gold\"}");
    settle_at(0);
    TELL(1, 0, {.user = "ada", .json = "{\"plan\":\"gold\"}", .at = 1});
    tick_at(2);
    expect_members("gold", "ada");
    expect_last_change("enter ada trait");
    TELL(1, 0, {.user = "ada", .json = "{\"plan\":\"tin\"}", .at = 3});
    tick_at(4);
    expect_members("gold", "");
    expect_right();
    world_end();
}
END_TEST

START_TEST(a_date_comes_near_and_passes)
{
    world_begin();
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
    world_end();
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
    world_begin();
    ck_assert(is_planned_by("date_due('a', 'UTC', now(), now(), 9)", "trait_date_at_idx"));
    store_run("INSERT INTO profile (profile_id, user_id, traits) SELECT gen_random_uuid(), i,"
              " jsonb_build_object('born', date '1960-01-01' + i) FROM generate_series(1, 9999) i");
    segment("soon", "{\"trait\":\"born\",\"anniversary_in\":\"2d\"}");
    settle_at(0);
    ck_assert(is_planned_by("date_due('born', 'UTC', now(), now(), 9)", "trait_date_at_idx"));
    ck_assert(is_planned_by("date_forget('born', 'UTC', '{}')", "trait_date_pkey"));
    ck_assert(is_planned_by("date_anniversary('born', 'UTC', now(), now(), 2, 9)", "trait_date_day_idx"));
    world_end();
}
END_TEST

START_TEST(an_anniversary_comes_and_goes)
{
    world_begin();
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
    world_end();
}
END_TEST

START_TEST(a_day_ends_in_the_segment_s_time_zone)
{
    world_begin();
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
    world_end();
}
END_TEST

START_TEST(a_leap_day_returns_on_the_28th)
{
    const int64_t day_before = 35200 + 158 * 86400; /* 2027-02-27 */

    world_begin();
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
    world_end();
}
END_TEST

START_TEST(a_merge_moves_the_membership)
{
    world_begin();
    segment("bought", BOUGHT);
    segment("not", NOT_BOUGHT);
    settle_at(0);
    TELL(2, 0, {.anonymous = "x", .event = "Order Completed", .at = 1}, {.user = "ada", .event = "Page Viewed", .at = 1});
    tick_at(2);
    expect_members("bought", "(x)");
    expect_members("not", "ada");
    TELL(1, 0, {.user = "ada", .anonymous = "x", .json = "{}", .at = 3});
    tick_at(10);
    expect_members("bought", "ada");
    expect_members("not", "");
    expect_text(
        "SELECT string_agg(op || ' ' || coalesce(user_id, '(' || anonymous_id || ')') || ' ' || cause, ', ' ORDER BY seq) FROM change"
        " JOIN segment USING (segment_id) WHERE key = 'bought'",
        "enter (x) event, exit (x) merge, enter ada merge");
    ck_assert_int_eq(ask("SELECT count(*) FROM membership WHERE entered_at = to_timestamp(1790000002)"), 1);
    expect_right();
    world_end();
}
END_TEST

START_TEST(segments_in_segments)
{
    world_begin();
    segment("base", LAST_10S);
    segment("above", "{\"not\":{\"segment\":\"base\"}}");
    segment("top", "{\"all\":[{\"segment\":\"above\"},{\"event\":\"Order Completed\"}]}");
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "Page Viewed", .at = 1});
    tick_at(2);
    expect_members("above", "ada");
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 3});
    tick_at(3);
    expect_members("base", "ada");
    expect_members("above", "");
    expect_members("top", "");
    expect_right();
    tick_at(13);
    expect_members("base", "");
    expect_members("above", "ada");
    expect_members("top", "ada");
    expect_last_change("enter ada segment");
    expect_right();
    segment("base", "{\"event\":\"Order Completed\",\"window\":{\"last\":\"1h\"}}");
    settle_at(14);
    expect_members("base", "ada");
    expect_members("top", "");
    expect_right();
    world_end();
}
END_TEST

START_TEST(a_build_waits_for_what_it_refers_to)
{
    world_begin();
    TELL(2, 0, {.user = "ada", .event = "Order Completed", .at = 1}, {.user = "bob", .event = "Page Viewed", .at = 1});
    segment("base", BOUGHT);
    settle_at(2);
    segment("above", "{\"not\":{\"segment\":\"base\"}}");
    segment("base", NOT_BOUGHT);
    tick_at(3);
    while (build_one())
        ;
    ck_assert_int_eq(
        ask("SELECT count(*) FROM segment_version JOIN segment USING (segment_id) WHERE key = 'above' AND built_to IS NOT NULL"), 0);
    tick_at(4);
    expect_members("base", "bob");
    settle_at(5);
    expect_members("above", "ada");
    expect_right();
    world_end();
}
END_TEST

START_TEST(a_new_version_is_swapped_in)
{
    world_begin();
    TELL(3, 0, {.user = "ada", .event = "Order Completed", .at = 1}, {.user = "ada", .event = "Order Completed", .at = 2},
         {.user = "bob", .event = "Order Completed", .at = 1});
    segment("bought", BOUGHT);
    settle_at(5);
    segment("bought", "{\"event\":\"Order Completed\",\"gte\":2}");
    tick_at(6);
    expect_members("bought", "ada bob");
    settle_at(10);
    expect_members("bought", "ada");
    expect_last_change("exit bob definition");
    ck_assert_int_eq(
        ask("SELECT count(*) FROM membership m JOIN segment s ON serving_version_id = version_id WHERE entered_at = to_timestamp(1790000005)"),
        1);
    expect_right();
    ck_assert_int_eq(ask("SELECT count(*) FROM sweep"), 1);
    ck_assert_int_eq(db_versions_sweep(world.db, 1), DB_OK);
    ck_assert_int_eq(db_versions_sweep(world.db, 10), DB_OK);
    ck_assert_int_eq(db_versions_sweep(world.db, 10), DB_NONE);
    ck_assert_int_eq(ask("SELECT count(*) FROM membership"), 1);
    expect_right();
    world_end();
}
END_TEST

START_TEST(a_deleted_segment_is_cleared)
{
    world_begin();
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 1});
    segment("bought", BOUGHT);
    settle_at(5);
    store_run("UPDATE segment SET deleted_at = now(), key = '~' || segment_id || ':' || key");
    segment("bought", BOUGHT);
    TELL(1, 0, {.user = "bob", .event = "Order Completed", .at = 1});
    tick_at(6);
    expect_text("SELECT segment_key || ' ' || cause FROM change WHERE op = 'clear'", "bought clear");
    expect_text("SELECT count(*)::text FROM change", "2");
    settle_at(7);
    expect_members("bought", "ada bob");
    store_run("DELETE FROM change WHERE seq <= (SELECT seq FROM change WHERE op = 'clear')");
    expect_right();
    world_end();
}
END_TEST

START_TEST(far_behind_is_rebuilt)
{
    world_begin();
    segment("late", LAST_10S);
    segment("bought", BOUGHT);
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 1});
    tick_at(2);
    expect_members("late", "ada");
    tick_at(7300); /* what time has moved in two hours is rebuilt, what it cannot move is not */
    expect_members("late", "ada");
    ck_assert_int_eq(ask("SELECT count(*) FROM segment_version WHERE state = 'live'"), 1);
    {
        struct db_worker_status status;

        ck_assert_int_eq(db_worker_status(store_db, &status), DB_OK);
        ck_assert_int_eq(status.pending, 1);
        settle_at(7301);
        ck_assert_int_eq(db_worker_status(store_db, &status), DB_OK);
        ck_assert_int_eq(status.pending, 0);
    }
    expect_members("late", "");
    expect_last_change("exit ada build");
    expect_right();
    world_end();
}
END_TEST

START_TEST(a_long_queue_is_worked_off_in_pieces)
{
    world_begin();
    segment("bought", BOUGHT);
    segment("not", NOT_BOUGHT);
    settle_at(0);
    world.tick.weight = 1;
    for (int i = 0; i < 5; i++)
        TELL(1, 0, {.user = (const char *[]){"a", "b", "c", "d", "e"}[i], .event = "Order Completed", .at = 10 + i});
    for (int i = 0; i < 5; i++) {
        world.tick.weight = 1;
        tick_at(1);
        ck_assert(world.result.more);
        ck_assert_int_eq(world.result.as_of_us, T0 + (10 + i) * US_PER_S);
        expect_right();
    }
    tick_at(20);
    ck_assert(!world.result.more);
    expect_members("bought", "a b c d e");
    world_end();
}
END_TEST

START_TEST(who_lost_the_lead_writes_nothing)
{
    struct hand other;

    world_begin();
    segment("bought", BOUGHT);
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 1});
    store_run("UPDATE worker SET beat = now() - interval '6 s'");
    hand_open(&other);
    ck_assert_int_eq(other.epoch, world.epoch + 1);
    ck_assert_int_eq(tick_run(&world.tick, T0 + US_PER_S, &world.result), DB_NONE);
    ck_assert_int_eq(ask("SELECT count(*) FROM touched"), 1);
    hand_look(&other);
    ck_assert_int_eq(tick_run(&other.tick, T0 + 2 * US_PER_S, &other.result), DB_OK);
    expect_members("bought", "ada");
    expect_right();
    hand_close(&other);
    world_end();
}
END_TEST

START_TEST(nobody_leads_beside_a_fresh_beat)
{
    struct db_config config = {.url = store_url(), .role = "worker", .worker = true};
    struct db *other = db_new(&config);
    int64_t epoch = 0;

    world_begin();
    ck_assert_int_eq(db_connect(other), DB_OK);
    ck_assert_int_eq(db_worker_lead(other, &epoch), DB_NONE);
    store_run("UPDATE worker SET beat = now() + interval '1 h'"); /* the clock was set back */
    ck_assert_int_eq(db_worker_lead(other, &epoch), DB_OK);
    ck_assert_int_eq(db_worker_lead(other, &epoch), DB_OK); /* its own, after a lost connection */
    ck_assert_int_eq(db_worker_lead(world.db, &world.epoch), DB_NONE);
    db_worker_resign(other, epoch);
    ck_assert_int_eq(db_worker_lead(world.db, &world.epoch), DB_OK);
    db_free(other);
    world_end();
}
END_TEST

/* The beat of a transaction that takes long is as old as its beginning. */
START_TEST(nobody_takes_the_lead_from_a_slow_tick)
{
    struct db_config config = {.url = store_url(), .role = "worker", .worker = true};
    struct db *other = db_new(&config);
    struct db_frame frame;
    int64_t epoch = 0;

    world_begin();
    ck_assert_int_eq(db_connect(other), DB_OK);
    store_run("UPDATE worker SET beat = now() - interval '1 h'");
    ck_assert_int_eq(db_frame_begin(world.db, world.epoch, &frame), DB_OK);
    ck_assert_int_eq(db_worker_lead(other, &epoch), DB_NONE);
    db_rollback(world.db);
    ck_assert_int_eq(db_worker_lead(other, &epoch), DB_OK);
    db_free(other);
    world_end();
}
END_TEST

/* Breaks the SQL of one segment from outside: its evaluation divides by zero. */
static void poison(const char *on)
{
    AUTO_BUF struct buf sql = BUF_INIT(512);

    buf_addf(&sql,
             "CREATE OR REPLACE FUNCTION value_text(value jsonb) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS "
             "$$ BEGIN IF value #>> '{}' = 'poison' THEN %s; END IF; RETURN value #>> '{}'; END $$",
             on);
    store_run(buf_text(&sql));
}

START_TEST(one_failing_segment_harms_no_other)
{
    world_begin();
    segment("bought", BOUGHT);
    segment("bad", "{\"event\":\"Order Completed\",\"where\":{\"property\":\"coupon\",\"eq\":\"x\"}}");
    segment("above", "{\"not\":{\"segment\":\"bad\"}}");
    settle_at(0);
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .json = "{\"coupon\":\"x\"}", .at = 1});
    tick_at(2);
    expect_members("bad", "ada");
    poison("PERFORM 1 / 0");
    TELL(1, 0, {.user = "bob", .event = "Order Completed", .json = "{\"coupon\":\"poison\"}", .at = 3});
    hand_look(&world);
    ck_assert_int_eq(tick_run(&world.tick, T0 + 4 * US_PER_S, &world.result), DB_RETRY);
    tick_at(4);
    ck_assert_uint_eq(world.result.failed, 2);
    expect_members("bought", "ada bob");
    expect_members("bad", "ada");
    expect_text("SELECT string_agg(key || ' ' || code, ', ' ORDER BY key) FROM segment_version JOIN segment USING (segment_id)"
                " WHERE state = 'failed'",
                "above reference_failed, bad evaluation_failed");
    TELL(1, 0, {.user = "cid", .event = "Order Completed", .json = "{\"coupon\":\"x\"}", .at = 5});
    tick_at(6);
    expect_members("bought", "ada bob cid");
    poison("NULL");
    store_run("UPDATE segment_version SET retry_at = now() - interval '1 s' WHERE state = 'failed'");
    ck_assert_int_eq(db_versions_retry(world.db), DB_OK);
    settle_at(7);
    expect_members("bad", "ada cid");
    expect_members("above", "bob");
    ck_assert_int_eq(ask("SELECT count(*) FROM segment_version WHERE state = 'failed'"), 0);
    expect_right();
    world_end();
}
END_TEST

/* b refers to a and c to b, while a's own reference to c serves on because its new definition has failed. */
static void make_circle(void)
{
    segment("b", VIEWED_OR("{\"event\":\"Seen\"}"));
    segment("a", VIEWED_OR("{\"event\":\"Seen\"}"));
    segment("c", VIEWED_OR("{\"event\":\"Seen\"}"));
    settle_at(0);
    segment("a", VIEWED_OR("{\"event\":\"Came\",\"window\":{\"last\":\"1h\"}},{\"segment\":\"c\"}"));
    segment("d", VIEWED_OR("{\"segment\":\"c\"}"));
    segment("e", VIEWED_OR("{\"segment\":\"c\"}"));
    settle_at(1);
    segment("a", VIEWED_OR("{\"event\":\"Came\"}"));
    store_run("UPDATE segment_version SET state = 'failed', code = 'timeout', retry_at = 'infinity' WHERE version = 3");
    segment("b", VIEWED_OR("{\"segment\":\"a\"}"));
    segment("c", VIEWED_OR("{\"segment\":\"b\"}"));
    settle_at(2);
}

START_TEST(what_would_close_a_circle_waits)
{
    world_begin();
    make_circle();
    ck_assert_uint_eq(world.roster.levels, 4);
    expect_text("SELECT key || ' ' || version FROM segment_version JOIN segment USING (segment_id) WHERE state = 'building'", "c 2");
    TELL(1, 0, {.user = "ada", .event = "Came", .at = 3});
    tick_at(3);
    expect_members("a", "ada");
    expect_members("b", "ada");
    expect_members("c", "");
    expect_feed();
    segment("a", VIEWED_OR("{\"event\":\"Gone\"}"));
    settle_at(4);
    TELL(1, 0, {.user = "bob", .event = "Gone", .at = 5});
    tick_at(5);
    expect_members("c", "bob");
    expect_members("d", "bob");
    ck_assert_int_eq(ask("SELECT count(*) FROM segment_version WHERE state = 'building'"), 0);
    expect_right();
    world_end();
}
END_TEST

/* A store that has a circle all the same: some of its segments stand side by side at one level. */
START_TEST(a_circle_does_not_stop_ticks)
{
    world_begin();
    make_circle();
    store_run("UPDATE segment s SET serving_version_id = version_id FROM segment_version v WHERE v.segment_id = s.segment_id"
              " AND v.state = 'building'");
    store_run("UPDATE segment_version v SET state = CASE WHEN version = 2 THEN 'live' ELSE 'retired' END FROM segment s"
              " WHERE s.segment_id = v.segment_id AND key = 'c'");
    roster_drop(&world.roster, world.db);
    for (int64_t at = 3; at < 5; at++) { /* once by the optimist, once with care */
        TELL(1, 0, {.user = at == 3 ? "ada" : "bob", .event = "View", .at = at});
        hand_look(&world);
        ck_assert_uint_gt(world.roster.levels, 20);
        world.tick.differ.careful = at == 4;
        tick_at(at);
        expect_members("a", at == 3 ? "ada" : "ada bob");
        expect_members("b", at == 3 ? "ada" : "ada bob");
        expect_feed();
    }
    world_end();
}
END_TEST

/* It cannot be, and if it is, it must not be for ever. */
START_TEST(a_member_twice_is_got_over_with_care)
{
    struct db_member member = {.version_id = 1, .profile = id_hash("a", 1), .entered_us = T0};
    struct differ *differ = &world.tick.differ;
    struct db_frame frame;

    world_begin();
    for (int n = 0; n < 2; n++) {
        ck_assert_int_eq(db_frame_begin(world.db, world.epoch, &frame), DB_OK);
        *VEC_ADD(&differ->enter) = member;
        *VEC_ADD(&differ->enter) = member;
        differ->careful = n == 1;
        ck_assert_int_eq(differ_write(differ), differ->careful ? DB_OK : DB_ERROR);
        if (!differ->careful)
            db_rollback(world.db);
    }
    ck_assert_int_eq(db_commit(world.db), DB_OK);
    ck_assert_int_eq(ask("SELECT count(*) FROM membership"), 1);
    world_end();
}
END_TEST

/* Of all the members that one tick may have, a hundred thousand and a few are more than one COPY. */
START_TEST(what_a_tick_writes_has_no_bound)
{
    enum { MANY = 110000 };
    struct differ *differ = &world.tick.differ;
    struct db_frame frame;

    world_begin();
    ck_assert_int_eq(db_frame_begin(world.db, world.epoch, &frame), DB_OK);
    for (int32_t i = 0; i < MANY; i++) {
        *VEC_ADD(&differ->enter) = (struct db_member){.version_id = i, .profile = id_hash("a", 1), .entered_us = T0};
        *VEC_ADD(&differ->changes) = (struct db_change){
            .segment_id = i, .key = "many", .profile = id_hash("a", 1), .who = {.user_id = "ada"}, .enter = true, .cause = CAUSE_EVENT};
    }
    ck_assert_int_eq(differ_write(differ), DB_OK);
    ck_assert_int_eq(db_commit(world.db), DB_OK);
    ck_assert_int_eq(ask("SELECT count(*) FROM membership"), MANY);
    ck_assert_int_eq(ask("SELECT count(DISTINCT seq - segment_id) FROM change"), 1);
    ck_assert_int_eq(ask("SELECT max(seq) FROM change"), differ->max_seq);
    world_end();
}
END_TEST

START_TEST(what_a_tick_asks_has_no_bound)
{
    world_begin();
    segment("a", "{\"trait\":\"plan\",\"eq\":\"pro\"}");
    segment("b", "{\"trait\":\"plan\",\"neq\":\"free\"}");
    segment("c", "{\"trait\":\"plan\",\"in\":[\"pro\",\"team\"]}");
    settle_at(0);
    store_run(
        "INSERT INTO profile (profile_id, user_id, traits) SELECT gen_random_uuid(), 'u' || i, '{\"plan\": \"pro\"}' FROM generate_series(1, 15000) i");
    store_run(
        "INSERT INTO touched (max_ts, fact_profile, fact_path) SELECT '2020-01-01', array_agg(profile_id), array_agg('plan'::text) FROM profile");
    tick_at(2);
    ck_assert_int_eq(ask("SELECT count(*) FROM membership"), 3 * 15000);
    ck_assert_int_eq(ask("SELECT count(DISTINCT version_id) FROM membership"), 3);
    world_end();
}
END_TEST

START_TEST(a_profile_that_takes_too_long_is_set_aside)
{
    struct db_worker_status status;

    world_begin();
    segment("coupon", "{\"event\":\"Order Completed\",\"where\":{\"property\":\"coupon\",\"eq\":\"x\"}}");
    settle_at(0);
    poison("PERFORM pg_sleep(100)");
    TELL(3, 0, {.user = "ada", .event = "Order Completed", .json = "{\"coupon\":\"x\"}", .at = 1},
         {.user = "bot", .event = "Order Completed", .json = "{\"coupon\":\"poison\"}", .at = 1},
         {.user = "cid", .event = "Order Completed", .json = "{\"coupon\":\"x\"}", .at = 1});
    hand_look(&world);
    world.tick.differ.careful = true; /* as after the optimist's 10 s */
    tick_at(2);
    ck_assert_uint_eq(world.result.set_aside, 1);
    ck_assert_uint_eq(world.result.failed, 0);
    expect_members("coupon", "ada cid");
    ck_assert_int_eq(db_worker_status(store_db, &status), DB_OK);
    ck_assert_int_eq(status.pending, 1);
    TELL(1, 0, {.user = "bot", .event = "Order Completed", .at = 3});
    tick_at(4);
    ck_assert_uint_eq(world.result.set_aside, 0);
    poison("NULL");
    store_run("UPDATE event SET properties = '{\"coupon\":\"x\"}' WHERE properties @> '{\"coupon\":\"poison\"}'");
    tick_at(3000);
    expect_members("coupon", "ada bot cid");
    ck_assert_int_eq(ask("SELECT count(*) FROM aside"), 0);
    expect_right();
    world_end();
}
END_TEST

/* Partitions before it are not looked into; an older event that comes late lowers it. */
START_TEST(the_floor_is_just_below_the_oldest_event)
{
    struct db_frame frame;

    world_begin();
    segment("bought", "{\"event\":\"Order Completed\",\"gte\":2}");
    settle_at(0);
    for (int64_t at = 5; at > 0; at -= 4) { /* 5, then 1 */
        TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = at});
        ck_assert_int_eq(db_frame_begin(world.db, world.epoch, &frame), DB_OK);
        ck_assert_int_eq(frame.floor_us, T0 + at * US_PER_S - 1);
        db_rollback(world.db);
    }
    tick_at(6);
    expect_members("bought", "ada");
    expect_right();
    world_end();
}
END_TEST

RUN_TESTS("tick", the_floor_is_just_below_the_oldest_event, an_event_brings_a_member_in, a_build_takes_what_was_there,
          a_new_profile_enters_equals_zero_at_once, a_window_loses_its_member_to_the_microsecond, skip_brings_a_member_in_by_time,
          a_late_event_and_one_of_the_future, calendar_periods_end, first_seen_within_last_ends, a_trait_moves, plans_of_dates_stay_good,
          a_date_comes_near_and_passes, an_anniversary_comes_and_goes, a_day_ends_in_the_segment_s_time_zone,
          a_leap_day_returns_on_the_28th, a_merge_moves_the_membership, segments_in_segments, a_build_waits_for_what_it_refers_to,
          a_new_version_is_swapped_in, a_deleted_segment_is_cleared, far_behind_is_rebuilt, a_long_queue_is_worked_off_in_pieces,
          who_lost_the_lead_writes_nothing, nobody_leads_beside_a_fresh_beat, nobody_takes_the_lead_from_a_slow_tick,
          one_failing_segment_harms_no_other, what_would_close_a_circle_waits, a_circle_does_not_stop_ticks,
          a_member_twice_is_got_over_with_care, what_a_tick_writes_has_no_bound, what_a_tick_asks_has_no_bound,
          a_profile_that_takes_too_long_is_set_aside)
