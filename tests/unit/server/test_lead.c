/* Who leads: one worker at a time, by a row that it beats. */
#include "tests/unit/server/world.h"

START_TEST(who_lost_the_lead_writes_nothing)
{
    struct hand other;

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
}
END_TEST

START_TEST(nobody_leads_beside_a_fresh_beat)
{
    struct db_config config = {.url = run_database(), .role = "worker", .worker = true};
    struct db *other = db_new(&config);
    int64_t epoch = 0;

    ck_assert_int_eq(db_connect(other), DB_OK);
    store_run("UPDATE worker SET beat = now()");
    ck_assert_int_eq(db_worker_lead(other, &epoch), DB_NONE);
    store_run("UPDATE worker SET beat = now() + interval '1 h'"); /* the clock was set back */
    ck_assert_int_eq(db_worker_lead(other, &epoch), DB_OK);
    ck_assert_int_eq(db_worker_lead(other, &epoch), DB_OK); /* its own, after a lost connection */
    ck_assert_int_eq(db_worker_lead(world.db, &world.epoch), DB_NONE);
    db_worker_resign(other, epoch);
    ck_assert_int_eq(db_worker_lead(world.db, &world.epoch), DB_OK);
    db_free(other);
}
END_TEST

/* The beat of a transaction that takes long is as old as its beginning. */
START_TEST(nobody_takes_the_lead_from_a_slow_tick)
{
    struct db_config config = {.url = run_database(), .role = "worker", .worker = true};
    struct db *other = db_new(&config);
    struct db_frame frame;
    int64_t epoch = 0;

    ck_assert_int_eq(db_connect(other), DB_OK);
    store_run("UPDATE worker SET beat = now() - interval '1 h'");
    ck_assert_int_eq(db_frame_begin(world.db, world.epoch, &frame), DB_OK);
    ck_assert_int_eq(db_worker_lead(other, &epoch), DB_NONE);
    db_rollback(world.db);
    ck_assert_int_eq(db_worker_lead(other, &epoch), DB_OK);
    db_free(other);
}
END_TEST

RUN_TESTS_WITH(world_begin, world_end, "lead", who_lost_the_lead_writes_nothing, nobody_leads_beside_a_fresh_beat,
               nobody_takes_the_lead_from_a_slow_tick)
