/* The worker's thread: leads, builds, follows events with and without being woken, survives a lost connection, and hands the lead over. */
#include "server/worker.h"

#include <poll.h>
#include <stdatomic.h>

#include "tests/unit/server/world.h"

enum { DEADLINE_S = 60 };

/* Waits until the query gives that number. */
static void wait_for(const char *sql, int64_t expected)
{
    int64_t until_us = clock_mono_us() + DEADLINE_S * US_PER_S, got;

    while ((got = ask(sql)) != expected && clock_mono_us() < until_us)
        poll(NULL, 0, 5);
    ck_assert_msg(got == expected, "%s: %ld, expected %ld", sql, (long)got, (long)expected);
}

#define N_MEMBERS "SELECT count(*) FROM membership m JOIN segment s ON serving_version_id = version_id"

static void count_up(void *context, int64_t number)
{
    ck_assert_int_gt(number, 0);
    atomic_fetch_add((atomic_int *)context, 1);
}

/* Now, as seconds after T0: the worker's clock is the database's. */
static int64_t now(void)
{
    return ask("SELECT floor(extract(epoch FROM now()))::bigint") - T0 / US_PER_S;
}

START_TEST(follows_events)
{
    atomic_int changes = 0, ticks = 0;
    struct worker_config config = {.url = run_database(), .changed = count_up, .context = &changes, .audit_ms = 10};
    struct worker_stats stats;
    struct worker *worker;

    store_begin();
    segment("bought", BOUGHT);
    worker = worker_start(&config);
    wait_for("SELECT count(*) FROM segment_version WHERE state = 'live'", 1);
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .json = "{\"a.b\":{\"c\":[1,\"x\"]},\"total\":19.99}", .at = now()});
    worker_wake(worker);
    wait_for(N_MEMBERS, 1);
    TELL(1, 0, {.user = "bob", .event = "Order Completed", .at = now()}); /* nobody says so */
    wait_for(N_MEMBERS, 2);
    wait_for("SELECT pending FROM (SELECT count(*) AS pending FROM touched) t", 0);
    segment("late", "{\"event\":\"Order Completed\",\"window\":{\"last\":\"2s\"}}");
    worker_wake(worker);
    wait_for("SELECT count(*) FROM segment_version WHERE state = 'live'", 2);
    wait_for("SELECT count(*) FROM change WHERE cause = 'time' OR segment_key = 'late'",
             ask("SELECT 2 * count(*) FROM change WHERE segment_key = 'late' AND op = 'enter'"));
    wait_for("SELECT count(*) FROM event_property WHERE path IN ('a\\.b.c[]', 'total')", 2);
    expect_right();
    worker_stats(worker, &stats);
    ck_assert(stats.leads);
    ck_assert_uint_ge(stats.ticks, 3);
    ck_assert_uint_eq(stats.builds, 2);
    ck_assert_uint_eq(stats.drift, 0);
    ck_assert_int_ge(atomic_load(&changes), 2);
    (void)ticks;
    worker_stop(worker);
    ck_assert_int_eq(ask("SELECT count(*) FROM worker WHERE beat = '-infinity'"), 1);
    store_end();
}
END_TEST

START_TEST(survives_a_lost_connection)
{
    struct worker_config config = {.url = run_database()};
    struct worker *worker;

    store_begin();
    segment("bought", BOUGHT);
    worker = worker_start(&config);
    wait_for("SELECT count(*) FROM segment_version WHERE state = 'live'", 1);
    for (int i = 0; i < 3; i++) {
        store_run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cohortd worker'");
        store_run("UPDATE worker SET beat = '-infinity'"); /* else it waits 5 s for its own lease */
        TELL(1, 0, {.user = (const char *[]){"a", "b", "c"}[i], .event = "Order Completed", .at = now()});
        worker_wake(worker);
        wait_for(N_MEMBERS, i + 1);
    }
    expect_right();
    worker_stop(worker);
    store_end();
}
END_TEST

START_TEST(hands_the_lead_over)
{
    struct worker_config config = {.url = run_database()};
    int64_t began_us = clock_mono_us();
    struct worker *first, *second;
    struct worker_stats stats;

    store_begin();
    segment("bought", BOUGHT);
    first = worker_start(&config);
    wait_for("SELECT count(*) FROM segment_version WHERE state = 'live'", 1);
    second = worker_start(&config);
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = now()});
    wait_for(N_MEMBERS, 1);
    worker_stats(second, &stats);
    ck_assert(!stats.leads || clock_mono_us() - began_us > 5 * US_PER_S); /* the lease, of a machine that stands still */
    worker_stop(first);
    TELL(1, 0, {.user = "bob", .event = "Order Completed", .at = now()});
    wait_for(N_MEMBERS, 2);
    store_run("UPDATE worker SET epoch = epoch + 1, beat = now() - interval '4 s'"); /* somebody took the lead, and vanished */
    TELL(1, 0, {.user = "cid", .event = "Order Completed", .at = now()});
    wait_for(N_MEMBERS, 3);
    expect_right();
    worker_stop(second);
    store_end();
}
END_TEST

START_TEST(deletes_and_sweeps)
{
    struct worker_config config = {.url = run_database()};
    struct worker *worker;

    store_begin();
    segment("bought", BOUGHT);
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 1});
    worker = worker_start(&config);
    wait_for(N_MEMBERS, 1);
    store_run("UPDATE segment SET deleted_at = now(), key = '~' || segment_id || ':' || key");
    wait_for("SELECT count(*) FROM change WHERE op = 'clear'", 1);
    wait_for("SELECT count(*) FROM membership", 0);
    wait_for("SELECT count(*) FROM sweep", 0);
    ck_assert_int_eq(ask("SELECT (SELECT count(*) FROM segment) + (SELECT count(*) FROM segment_version)"), 0);
    worker_stop(worker);
    store_end();
}
END_TEST

START_TEST(a_definition_that_is_refused_fails_alone)
{
    struct worker_config config = {.url = run_database()};
    struct worker *worker;

    store_begin();
    segment("bad", "{\"nonsense\":1}");
    segment("bought", BOUGHT);
    worker = worker_start(&config);
    wait_for("SELECT count(*) FROM segment_version WHERE state = 'live'", 1);
    expect_text("SELECT key || ' ' || code FROM segment_version JOIN segment USING (segment_id) WHERE state = 'failed'",
                "bad definition_refused");
    segment("bad", BOUGHT);
    wait_for("SELECT count(*) FROM segment_version WHERE state = 'live'", 2);
    wait_for("SELECT count(*) FROM segment_version WHERE state = 'failed'", 0);
    worker_stop(worker);
    store_end();
}
END_TEST

static struct worker_stats stats_of(struct worker *worker)
{
    struct worker_stats stats;

    worker_stats(worker, &stats);
    return stats;
}

/* Each day of the past takes 50 ms here, so that it would fill the worker's time. */
START_TEST(history_yields_to_events)
{
    enum { SHARE = 20, SLICES_US = 400 * 1000, EVENTS = 25 };
    struct worker_config config = {.url = run_database()};
    int64_t until_us = clock_mono_us() + DEADLINE_S * US_PER_S;
    bool yielded = false;
    struct worker *worker;

    store_begin();
    for (int i = 0; i < 8; i++) {
        char key[16];

        (void)snprintf(key, sizeof key, "s%d", i);
        segment(key, BOUGHT);
    }
    TELL(1, 0, {.user = "ada", .event = "Order Completed", .at = 1});
    store_run("CREATE FUNCTION nap() RETURNS boolean LANGUAGE sql AS 'SELECT pg_sleep(0.05); SELECT true'");
    store_run("ALTER TABLE retention RENAME TO kept; CREATE VIEW retention AS SELECT one,"
              " CASE WHEN current_setting('transaction_read_only') = 'off' OR nap() THEN floor_at END AS floor_at FROM kept");
    worker = worker_start(&config);
    wait_for("SELECT count(*) FROM segment_version WHERE state = 'live'", 8);
    while (stats_of(worker).history_us == 0 && clock_mono_us() < until_us)
        poll(NULL, 0, 5);
    for (int try = 0; try < 5 && !yielded; try++) { /* a slice may take long on a busy machine */
        uint64_t began_us = (uint64_t)clock_mono_us(), before_us = stats_of(worker).history_us;

        for (int i = 0; i < EVENTS; i++) {
            TELL(1, 0, {.user = "bob", .event = "Order Completed", .at = now()});
            worker_wake(worker);
            wait_for("SELECT count(*) FROM touched", 0);
        }
        yielded = stats_of(worker).history_us - before_us <= ((uint64_t)clock_mono_us() - began_us) / SHARE + SLICES_US;
    }
    ck_assert(yielded);
    worker_stop(worker);
    store_end();
}
END_TEST

START_TEST(the_newest_change_is_kept)
{
    store_begin();
    store_run("INSERT INTO change (segment_id, segment_key, op, at, cause)"
              " SELECT 1, 's', 'enter', 'epoch'::timestamptz + i * interval '1 day', 'event' FROM generate_series(1, 3) i");
    ck_assert_int_eq(db_change_prune(store_db, T0, 100), DB_OK);
    expect_text("SELECT string_agg(seq::text, ' ') FROM change", "3"); /* who has read it has missed nothing, and must not get a 410 */
    store_end();
}
END_TEST

RUN_TESTS("worker", the_newest_change_is_kept, follows_events, survives_a_lost_connection, hands_the_lead_over, deletes_and_sweeps,
          a_definition_that_is_refused_fails_alone, history_yields_to_events)
