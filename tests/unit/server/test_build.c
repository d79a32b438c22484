/* Builds: the ranges of ids they go through, and that builds beside ticks, in any order, with merges, late events, changed definitions and a queue that is
 * worked off in pieces, end with members equal to a fresh evaluation. Operations are random with a fixed seed. */
#include "tests/unit/server/world.h"

START_TEST(ranges_cover_all_ids_once)
{
    struct id zero = {{0}}, last = id_last();
    struct build_range range = build_range_after(NULL, 1);

    ck_assert(id_equal(&range.from, &zero));
    ck_assert_int_eq(range.to.bytes[7], 0);
    ck_assert_int_eq(range.to.bytes[8], 0xff);
    range = build_range_after(&range.to, 1);
    ck_assert_int_eq(range.from.bytes[7], 1);
    ck_assert_int_eq(range.from.bytes[8], 0);
    range = build_range_after(&range.to, UINT64_MAX);
    ck_assert(id_equal(&range.to, &last));
    range = build_range_after(NULL, UINT64_MAX);
    ck_assert_int_eq(range.to.bytes[7], 0xfe);
    range = build_range_after(&range.to, UINT64_MAX);
    ck_assert(id_equal(&range.to, &last));
    ck_assert_int_eq(range.from.bytes[0], 0xff);
    ck_assert(build_progress(&last) > 0.999999);
    range = build_range_after(NULL, UINT64_C(1) << 63);
    ck_assert(build_progress(&range.to) > 0.499999 && build_progress(&range.to) < 0.500001);
}
END_TEST

START_TEST(steps_aim_at_a_tenth_of_a_second)
{
    ck_assert_uint_eq(build_next_step(1000, 100000), 1000);
    ck_assert_uint_eq(build_next_step(1000, 1), 4000);
    ck_assert_uint_eq(build_next_step(1000, 200000), 500);
    ck_assert_uint_eq(build_next_step(1000, 100000000), 250);
    ck_assert_uint_eq(build_next_step(1, 100000000), 1);
    ck_assert_uint_eq(build_next_step(UINT64_MAX, 1), UINT64_MAX);
}
END_TEST

static unsigned dice(unsigned *seed, unsigned sides)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 16) % sides;
}

static void tell_something(unsigned *seed, int64_t now)
{
    static const char *const users[] = {"u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9", "u10", "u11"};
    static const char *const anonymous[] = {"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"};
    static const char *const names[] = {"Order Completed", "Page Viewed", "Cart Viewed", NULL};
    static const char *const plans[] = {"{\"plan\":\"gold\"}", "{\"plan\":\"tin\"}", "{\"plan\":null}",
                                        "{\"until\":\"2026-09-21T14:31:40Z\"}",
                                        "{\"until\":[\"2026-09-21T14:33:20Z\",\"2026-09-21T14:35:20Z\"]}"};
    struct say say = {.at = now - (int64_t)dice(seed, 4) * (int64_t)dice(seed, 40)};
    struct told told;

    say.event = names[dice(seed, 4)];
    if (dice(seed, 3))
        say.user = users[dice(seed, 12)];
    if (!say.user || dice(seed, 6) == 0)
        say.anonymous = anonymous[dice(seed, 8)];
    if (!say.event)
        say.json = plans[dice(seed, 5)];
    if (dice(seed, 20) == 0)
        say.at = now + dice(seed, 5); /* of the future */
    told = tell_on(store_db, store_names, &say, 1);
    ck_assert_uint_eq(told.stored, 1);
}

static void change_something(unsigned *seed)
{
    static const char *const keys[] = {"s0", "s1", "s2", "s3"};
    static const char *const definitions[] = {
        BOUGHT,
        NOT_BOUGHT,
        LAST_10S,
        "{\"event\":\"*\",\"window\":{\"last\":\"30s\"},\"gte\":3}",
        "{\"all\":[{\"event\":\"Page Viewed\",\"window\":{\"last\":\"20s\",\"skip\":\"5s\"}},{\"not\":{\"event\":\"Order Completed\"}}]}",
        "{\"trait\":\"plan\",\"neq\":\"gold\"}",
        "{\"profile\":\"first_seen\",\"within_last\":\"25s\"}",
        "{\"trait\":\"until\",\"within_next\":\"90s\"}",
        "{\"trait\":\"until[]\",\"within_last\":\"20s\"}",
        "{\"any\":[{\"profile\":\"last_seen\",\"within_last\":\"7s\"},{\"trait\":\"plan\",\"eq\":\"tin\"}]}",
    };

    segment(keys[dice(seed, 4)], definitions[dice(seed, ARRAY_LEN(definitions))]);
}

static void change_above(unsigned *seed)
{
    static const char *const definitions[] = {
        "{\"not\":{\"segment\":\"s0\"}}",
        "{\"all\":[{\"segment\":\"s1\"},{\"not\":{\"segment\":\"s0\"}}]}",
        "{\"any\":[{\"segment\":\"s0\"},{\"event\":\"Cart Viewed\",\"window\":{\"last\":\"15s\"}}]}",
    };

    segment(dice(seed, 2) ? "above" : "beside", definitions[dice(seed, 3)]);
}

/* One slice of a small build, or one that fails to end it: the next continues. */
static void build_some(unsigned *seed)
{
    if (dice(seed, 2) && world.build.version_id)
        world.build.step = UINT64_MAX >> dice(seed, 4);
    (void)build_one();
    if (dice(seed, 10) == 0) { /* as after a crash: all that is in memory is lost */
        build_release(&world.build);
        build_init(&world.build, world.db, &world.roster, world.epoch);
        roster_drop(&world.roster, world.db);
    }
}

static void live_through(unsigned seed, int steps)
{
    enum db_status sweep;
    int64_t now = 1000;

    for (int i = 0; i < 4; i++)
        segment((const char *[]){"s0", "s1", "s2", "s3"}[i], i % 2 ? NOT_BOUGHT : LAST_10S);
    change_above(&seed);
    tick_at(now);
    for (int i = 0; i < steps; i++) {
        unsigned what = dice(&seed, 100);

        if (what < 45)
            tell_something(&seed, now);
        else if (what < 60)
            build_some(&seed);
        else if (what < 63)
            change_something(&seed);
        else if (what < 64)
            change_above(&seed);
        else if (what < 85)
            now += dice(&seed, 4);
        else {
            world.tick.weight = dice(&seed, 2) ? 1 : 20000;
            tick_at(now);
            expect_right();
            sweep = db_versions_sweep(world.db, 1 + dice(&seed, 5));
            ck_assert(sweep == DB_OK || sweep == DB_NONE);
        }
    }
    world.tick.weight = 20000;
    settle_at(now);
    tick_at(now);
    expect_right();
    ck_assert_int_eq(ask("SELECT count(*) FROM segment_version WHERE state IN ('building', 'failed')"), 0);
    ck_assert_int_eq(ask("SELECT count(*) FROM segment WHERE serving_version_id IS NULL"), 0);
    ck_assert_int_eq(ask("SELECT count(*) FROM touched"), 0);
}

START_TEST(builds_beside_ticks)
{
    const char *more = getenv("BUILD_SEEDS");
    unsigned n = more ? (unsigned)strtoul(more, NULL, 10) : 4;

    for (unsigned seed = 1; seed <= n; seed++) {
        world_begin();
        live_through(seed * 7919u, 400);
        world_end();
    }
}
END_TEST

RUN_TESTS("build", ranges_cover_all_ids_once, steps_aim_at_a_tenth_of_a_second, builds_beside_ticks)
