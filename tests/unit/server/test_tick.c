/* Ticks against a real store: what an event, time, a merge, another segment and a new version move; and that members always equal a fresh
 * evaluation and the replayed feed. Time is given. What dates move is in test_dates.c, what goes wrong in test_differ.c. */
#include "tests/unit/server/world.h"

START_TEST(an_event_brings_a_member_in)
{
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
}
END_TEST

START_TEST(a_build_takes_what_was_there)
{
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
}
END_TEST

START_TEST(a_new_profile_enters_equals_zero_at_once)
{
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
}
END_TEST

START_TEST(a_window_loses_its_member_to_the_microsecond)
{
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
}
END_TEST

START_TEST(skip_brings_a_member_in_by_time)
{
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
}
END_TEST

START_TEST(a_late_event_and_one_of_the_future)
{
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
}
END_TEST

START_TEST(a_trait_moves)
{
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
}
END_TEST

START_TEST(a_merge_moves_the_membership)
{
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
}
END_TEST

START_TEST(segments_in_segments)
{
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
}
END_TEST

START_TEST(a_build_waits_for_what_it_refers_to)
{
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
}
END_TEST

START_TEST(a_new_version_is_swapped_in)
{
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
}
END_TEST

START_TEST(a_deleted_segment_is_cleared)
{
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
}
END_TEST

START_TEST(far_behind_is_rebuilt)
{
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
}
END_TEST

START_TEST(a_long_queue_is_worked_off_in_pieces)
{
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
}
END_TEST

/* Partitions before it are not looked into; an older event that comes late lowers it. */
START_TEST(the_floor_is_just_below_the_oldest_event)
{
    struct db_frame frame;

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
}
END_TEST

RUN_TESTS_WITH(world_begin, world_end, "tick", an_event_brings_a_member_in, a_build_takes_what_was_there,
               a_new_profile_enters_equals_zero_at_once, a_window_loses_its_member_to_the_microsecond, skip_brings_a_member_in_by_time,
               a_late_event_and_one_of_the_future, a_trait_moves, a_merge_moves_the_membership, segments_in_segments,
               a_build_waits_for_what_it_refers_to, a_new_version_is_swapped_in, a_deleted_segment_is_cleared, far_behind_is_rebuilt,
               a_long_queue_is_worked_off_in_pieces, the_floor_is_just_below_the_oldest_event)
