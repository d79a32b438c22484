/* Migrations and partitions against a real PostgreSQL: from nothing, again, by several at once, from a
 * newer program's schema and from another text; the partitions of now, of later, and inserts while one is
 * attached. */
#include "db/migrate.h"

#include <pthread.h>
#include <stdlib.h>

#include "db/partition.h"
#include "tests/unit/run.h"

#define INSTANT_2026_05 INT64_C(1778000000000000)
#define QUARTER_US      (INT64_C(92) * 86400 * US_PER_S)

static struct db *open_db(void)
{
    struct db_config config = {.url = run_database(), .role = "test", .bare = true};
    struct db *db = db_new(&config);

    ck_assert_int_eq(db_connect(db), DB_OK);
    return db;
}

static int64_t ask(struct db *db, const char *sql)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;

    ck_assert_int_eq(db_run_sql(db, sql, NULL, &rows), DB_OK);
    return db_int(&rows, 0, 0);
}

static void run(struct db *db, const char *sql)
{
    enum db_status status = db_script(db, sql);

    ck_assert(status == DB_OK || status == DB_NONE);
}

/* Each test begins with an empty database. */
static void empty(void)
{
    struct db *db = open_db();

    run(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    db_free(db);
}

START_TEST(test_from_nothing_and_again)
{
    struct db *db = open_db();
    int64_t n;

    ck_assert_int_eq(db_migrate(run_database()), DB_OK);
    n = ask(db, "SELECT count(*) FROM schema_migration");
    ck_assert_int_ge(n, 2);
    ck_assert_int_eq(ask(db, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass"), 8 + 1 + 2 + 1);
    ck_assert_int_eq(db_migrate(run_database()), DB_OK);
    ck_assert_int_eq(ask(db, "SELECT count(*) FROM schema_migration"), n);
    db_free(db);
}
END_TEST

static void *migrate_thread(void *ret_status)
{
    *(enum db_status *)ret_status = db_migrate(run_database());
    return NULL;
}

START_TEST(test_several_at_once)
{
    enum { N = 4 };
    pthread_t threads[N];
    enum db_status statuses[N];
    struct db *db = open_db();

    for (int i = 0; i < N; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, migrate_thread, &statuses[i]), 0);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(statuses[i], DB_OK);
    }
    ck_assert_int_eq(ask(db, "SELECT count(*) FROM schema_migration WHERE number = 1"), 1);
    db_free(db);
}
END_TEST

START_TEST(test_unknown_schemas_are_refused)
{
    struct db *db = open_db();

    ck_assert_int_eq(db_migrate(run_database()), DB_OK);
    run(db, "INSERT INTO schema_migration (number, name, checksum) VALUES (9999, 'from the future', '\\x00')");
    ck_assert_int_eq(db_migrate(run_database()), DB_ERROR);
    run(db, "DELETE FROM schema_migration WHERE number = 9999");
    ck_assert_int_eq(db_migrate(run_database()), DB_OK);
    run(db, "UPDATE schema_migration SET checksum = '\\x00' WHERE number = 1");
    ck_assert_int_eq(db_migrate(run_database()), DB_ERROR);
    db_free(db);
}
END_TEST

START_TEST(test_partitions_of_later)
{
    struct db *db = open_db();
    int64_t n;

    ck_assert_int_eq(db_migrate(run_database()), DB_OK);
    n = ask(db, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass");
    ck_assert_int_eq(db_partitions_ensure(db, clock_wall_us() + 2 * QUARTER_US), DB_OK);
    ck_assert_int_eq(ask(db, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass"), n + 2);
    /* An earlier now adds nothing. */
    ck_assert_int_eq(db_partitions_ensure(db, clock_wall_us() - 40 * QUARTER_US), DB_OK);
    ck_assert_int_eq(ask(db, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass"), n + 2);
    db_free(db);
}
END_TEST

START_TEST(test_partitions_are_like_event)
{
    struct db *db = open_db();
    int64_t n;

    ck_assert_int_eq(db_migrate(run_database()), DB_OK);
    n = ask(db, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'event'::regclass");
    ck_assert_int_eq(ask(db, "SELECT count(*) FROM pg_attribute a JOIN pg_inherits i ON i.inhrelid = a.attrelid"
                             " WHERE i.inhparent = 'event'::regclass AND a.attcompression = 'l'"),
                     2 * n);
    /* The indexes are those of the parent, not others beside them. */
    ck_assert_int_eq(ask(db, "SELECT count(*) FROM pg_index x JOIN pg_inherits i ON i.inhrelid = x.indrelid"
                             " WHERE i.inhparent = 'event'::regclass"),
                     2 * n);
    run(db, "INSERT INTO event (profile_id, name_id, source_id, ts, message_id, received_at)"
            " SELECT gen_random_uuid(), 4, 1, t, gen_random_uuid(), now() FROM unnest(ARRAY['1970-01-01', '2020-02-29', now(),"
            " date_trunc('quarter', now()), now() + '6 months']::timestamptz[]) t");
    db_free(db);
}
END_TEST

START_TEST(test_attaching_blocks_no_insert)
{
    struct db *inserter = open_db(), *maker = open_db();

    ck_assert_int_eq(db_migrate(run_database()), DB_OK);
    ck_assert_int_eq(db_begin(inserter, DB_READ_COMMITTED), DB_OK);
    run(inserter, "INSERT INTO event (profile_id, name_id, source_id, ts, message_id, received_at)"
                  " VALUES (gen_random_uuid(), 4, 1, now(), gen_random_uuid(), now())");
    run(maker, "SET lock_timeout = '2s'");
    ck_assert_int_eq(db_partitions_ensure(maker, clock_wall_us() + QUARTER_US), DB_OK);
    ck_assert_int_eq(db_commit(inserter), DB_OK);
    db_free(inserter);
    db_free(maker);
}
END_TEST

RUN_TESTS_WITH(empty, NULL, "migrate", test_from_nothing_and_again, test_several_at_once, test_unknown_schemas_are_refused,
               test_partitions_of_later, test_partitions_are_like_event, test_attaching_blocks_no_insert)
