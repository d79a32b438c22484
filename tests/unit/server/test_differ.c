/* Ticks in which something is wrong or very large: a definition that fails, one that takes too long, references in a circle, a member twice, more than one COPY
 * or pipeline holds. The others go on, and what was wrong is got over. */
#include "tests/unit/server/world.h"

#define VIEWED_OR(condition) "{\"any\":[" condition ",{\"event\":\"View\",\"window\":{\"last\":\"1h\"}}]}"

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
}
END_TEST

/* Not the segment's fault, nor the connection's, which goes on. */
START_TEST(what_the_database_lacks_is_waited_for)
{
    segment("coupon", "{\"event\":\"Order Completed\",\"where\":{\"property\":\"coupon\",\"eq\":\"x\"}}");
    settle_at(0);
    poison("RAISE SQLSTATE '53200'");
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .json = "{\"coupon\":\"poison\"}", .at = 1});
    for (int careful = 0; careful < 2; careful++) {
        hand_look(&world);
        world.tick.differ.careful = careful;
        ck_assert_int_eq(tick_run(&world.tick, T0 + 2 * US_PER_S, &world.result), DB_RETRY);
        ck_assert(db_is_connected(world.db));
        ck_assert(!db_in_transaction(world.db));
        ck_assert_str_eq(db_sqlstate(world.db), "53200");
    }
    poison("NULL");
    tick_at(3);
    ck_assert_uint_eq(world.result.failed, 0);
    expect_right();
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
}
END_TEST

/* A store that has a circle all the same: some of its segments stand side by side at one level. */
START_TEST(a_circle_does_not_stop_ticks)
{
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
}
END_TEST

/* It cannot be, and if it is, it must not be for ever. */
START_TEST(a_member_twice_is_got_over_with_care)
{
    struct db_member member = {.version_id = 1, .profile = id_hash("a", 1), .entered_us = T0};
    struct differ *differ = &world.tick.differ;
    struct db_frame frame;

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
}
END_TEST

/* Of all the members that one tick may have, a hundred thousand and a few are more than one COPY. */
START_TEST(what_a_tick_writes_has_no_bound)
{
    enum { MANY = 110000 };
    struct differ *differ = &world.tick.differ;
    struct db_frame frame;

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
}
END_TEST

START_TEST(what_a_tick_asks_has_no_bound)
{
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
}
END_TEST

START_TEST(a_profile_that_takes_too_long_is_set_aside)
{
    struct db_worker_status status;

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
}
END_TEST

RUN_TESTS_WITH(world_begin, world_end, "differ", one_failing_segment_harms_no_other, what_the_database_lacks_is_waited_for,
               what_would_close_a_circle_waits, a_circle_does_not_stop_ticks, a_member_twice_is_got_over_with_care,
               what_a_tick_writes_has_no_bound, what_a_tick_asks_has_no_bound, a_profile_that_takes_too_long_is_set_aside)
