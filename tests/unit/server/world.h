/* A store and a worker whose ticks a test drives by hand: segments are made, messages told, time is given, and after each step members must equal a fresh
 * evaluation and the replayed feed. Times are seconds after T0. */
#pragma once

#include "db/tick.h"
#include "db/verify.h"
#include "server/build.h"
#include "server/roster.h"
#include "server/tick.h"
#include "server/versions.h"
#include "tests/unit/db/store.h"

/* One worker; a second one has its own. */
struct hand {
    struct db *db;
    struct roster roster;
    struct tick tick;
    struct build build;
    struct tick_result result; /* of the last tick */
    int64_t epoch;
};

static struct hand world; /* of the test that runs, a process of its own */

static inline void hand_open(struct hand *hand)
{
    struct db_config config = {.url = run_database(), .role = "worker", .worker = true};

    *hand = (struct hand){.db = db_new(&config)};
    ck_assert_int_eq(db_connect(hand->db), DB_OK);
    ck_assert_int_eq(db_worker_lead(hand->db, &hand->epoch), DB_OK);
    roster_init(&hand->roster);
    tick_init(&hand->tick, hand->db, &hand->roster, hand->epoch);
    build_init(&hand->build, hand->db, &hand->roster, hand->epoch);
}

static inline void hand_close(struct hand *hand)
{
    build_release(&hand->build);
    tick_release(&hand->tick);
    roster_release(&hand->roster, hand->db);
    db_free(hand->db);
}

static inline void world_begin(void)
{
    store_begin();
    hand_open(&world);
}

static inline void world_end(void)
{
    hand_close(&world);
    store_end();
}

static inline void hand_look(struct hand *hand)
{
    bool changed;

    ck_assert_int_eq(versions_look(&hand->tick.differ, hand->epoch, &changed), DB_OK);
    ck_assert_int_eq(ask("SELECT count(*) FROM segment_version WHERE code = 'definition_refused'"), 0);
}

static inline void tick_at_us(int64_t us)
{
    hand_look(&world);
    ck_assert_int_eq(tick_run(&world.tick, us, &world.result), DB_OK);
}

static inline void tick_at(int64_t seconds)
{
    tick_at_us(T0 + seconds * US_PER_S);
}

/* One slice; false: nothing is left to build. */
static inline bool build_one(void)
{
    bool complete;
    enum db_status status;

    hand_look(&world);
    status = build_step(&world.build, &complete);
    ck_assert(status == DB_OK || status == DB_NONE);
    return status == DB_OK;
}

/* Builds whatever is to be built, with ticks at that time. */
static inline void settle_at(int64_t seconds)
{
    tick_at(seconds);
    for (int i = 0; i < 100; i++) {
        while (build_one())
            ;
        tick_at(seconds);
        if (world.result.swapped == 0 && !build_one())
            return;
    }
    ck_abort_msg("never settles");
}

/* A segment of that key and definition; a second call gives it a new version. */
static inline void segment(const char *key, const char *definition)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT, both = DB_ARGS_INIT;
    enum db_status status;

    db_arg_text(&args, key);
    status = db_run_sql(store_db,
                        "INSERT INTO segment (key, name, kind) SELECT $1, $1, 'rule' WHERE NOT EXISTS (SELECT FROM segment WHERE key = $1)",
                        &args, NULL);
    ck_assert_int_eq(status, DB_OK);
    db_arg_text(&both, key);
    db_arg_text(&both, definition);
    status = db_run_sql(
        store_db,
        "INSERT INTO segment_version (segment_id, version, definition, timezone) SELECT segment_id,"
        " 1 + (SELECT count(*) FROM segment_version v WHERE v.segment_id = s.segment_id), $2, 'UTC' FROM segment s WHERE key = $1",
        &both, NULL);
    ck_assert_int_eq(status, DB_OK);
}

/* The members' external ids, in order, joined by spaces; anonymous ones in parentheses. */
static inline char *members(const char *key)
{
    AUTO_BUF struct buf sql = BUF_INIT(1024);

    buf_addf(&sql,
             "SELECT coalesce(string_agg(coalesce(user_id, '(' || anonymous_id || ')'), ' ' ORDER BY user_id, anonymous_id), '')"
             " FROM membership m JOIN segment s ON s.serving_version_id = m.version_id JOIN profile USING (profile_id) WHERE s.key = '%s'",
             key);
    return ask_text(buf_text(&sql));
}

static inline void expect_members(const char *key, const char *expected)
{
    char *text AUTO_FREE = members(key);

    ck_assert_msg(strcmp(text, expected) == 0, "members of %s: \"%s\", expected \"%s\"", key, text, expected);
}

static inline void expect_verified(const char *key)
{
    struct db_verify verify = {.key = key, .to = id_last()};
    struct db_verified verified;

    ck_assert_int_eq(db_verify(store_db, &verify, &verified), DB_OK);
    ck_assert_msg(verified.differ == 0, "%s: %ld profiles differ", key, (long)verified.differ);
}

/* Replaying the feed gives the members, sizes are counted right, nobody enters twice or leaves without having entered. */
static inline void expect_feed(void)
{
    ck_assert_int_eq(
        ask("SELECT count(*) FROM (SELECT segment_id, profile_id, sum(CASE op WHEN 'enter' THEN 1 ELSE -1 END) AS n FROM change WHERE"
            " op <> 'clear' GROUP BY 1, 2) f FULL JOIN (SELECT s.segment_id, m.profile_id FROM membership m JOIN segment s ON"
            " s.serving_version_id = m.version_id) m USING (segment_id, profile_id)"
            " WHERE coalesce(f.n, 0) <> CASE WHEN m.segment_id IS NULL THEN 0 ELSE 1 END"),
        0);
    ck_assert_int_eq(ask("SELECT count(*) FROM (SELECT op, lag(op) OVER (PARTITION BY segment_id, profile_id ORDER BY seq) AS before"
                         " FROM change WHERE op <> 'clear') c WHERE op = coalesce(before, 'exit')"),
                     0);
    ck_assert_int_eq(
        ask("SELECT count(*) FROM segment_version v WHERE state IN ('live', 'building') AND (size, identified) <> (SELECT count(*),"
            " count(user_id) FROM membership m LEFT JOIN profile USING (profile_id) WHERE m.version_id = v.version_id)"),
        0);
    ck_assert_int_eq(ask("SELECT count(*) FROM (SELECT seq, at, lag(at) OVER (ORDER BY seq) AS before FROM change) c WHERE at < before"),
                     0);
}

static inline void expect_right(void)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run_sql(store_db, "SELECT key FROM segment WHERE deleted_at IS NULL", NULL, &rows);

    ck_assert(status == DB_OK || status == DB_NONE);
    for (size_t i = 0; i < db_rows_count(&rows); i++)
        expect_verified(db_text(&rows, i, 0));
    expect_feed();
}

/* The last change of the feed: "enter ada event". */
static inline void expect_last_change(const char *expected)
{
    expect_text(
        "SELECT op || ' ' || coalesce(user_id, '(' || anonymous_id || ')', '-') || ' ' || cause FROM change ORDER BY seq DESC LIMIT 1",
        expected);
}

#define BOUGHT     "{\"event\":\"Order Completed\"}"
#define NOT_BOUGHT "{\"event\":\"Order Completed\",\"eq\":0}"
#define LAST_10S   "{\"event\":\"Order Completed\",\"window\":{\"last\":\"10s\"}}"
