/* Migrations: numbered SQL files, embedded in the program, run forward only. The one idea: schema_migration says which ran, with a
 * checksum of each, and the first n of ours must be exactly the n that ran; so a program never works on a schema made by a newer one or
 * from other text. An advisory lock lets one process at a time look and run. */
#include "db/migrate.h"

#include <string.h>

#include "db/lock.h"
#include "db/partition.h"
#include "server/base/log.h"

struct migration {
    int number;
    const char *name;
    const char *sql;
};

static const struct migration migrations[] = {
#include "migrations.inc"
};

enum { MIGRATE_WAIT_MS = 24 * 3600 * 1000 }; /* an index over years of events takes its time */

static void checksum(const struct migration *migration, uint8_t ret_digest[KEY_HASH_SIZE])
{
    sha256(migration->sql, strlen(migration->sql), ret_digest);
}

static enum db_status make_ledger(struct db *db)
{
    return db_script(db, "CREATE TABLE IF NOT EXISTS schema_migration ("
                         "number integer PRIMARY KEY, name text NOT NULL, checksum bytea NOT NULL,"
                         " applied_at timestamptz NOT NULL DEFAULT clock_timestamp());"
                         "COMMENT ON TABLE schema_migration IS 'Migrations that ran, with the SHA-256 of their text.'");
}

/* DB_OK and how many ran, if these are the first ones of ours. */
static enum db_status read_ledger(struct db *db, size_t *ret_n)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run_sql(db, "SELECT number, name, checksum FROM schema_migration ORDER BY number", NULL, &rows);

    *ret_n = db_rows_count(&rows);
    for (size_t i = 0; i < *ret_n; i++) {
        uint8_t digest[KEY_HASH_SIZE];
        bool same = i < ARRAY_LEN(migrations) && db_int(&rows, i, 0) == migrations[i].number;

        if (same)
            checksum(&migrations[i], digest);
        if (!same || db_text_len(&rows, i, 2) != sizeof digest || memcmp(db_text(&rows, i, 2), digest, sizeof digest) != 0) {
            log_error("the database has a schema that this program does not know",
                      LOG_FIELD("migration", LOG_TEXT(db_text(&rows, i, 1))), );
            return DB_ERROR;
        }
    }
    return status == DB_NONE ? DB_OK : status;
}

static enum db_status run_one(struct db *db, void *context)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    const struct migration *migration = context;
    uint8_t digest[KEY_HASH_SIZE];
    enum db_status status = db_script(db, migration->sql);

    if (status != DB_OK)
        return status;
    checksum(migration, digest);
    db_arg_int(&args, migration->number);
    db_arg_text(&args, migration->name);
    db_arg_bytes(&args, digest, sizeof digest);
    return db_run_sql(db, "INSERT INTO schema_migration (number, name, checksum) VALUES ($1, $2, $3)", &args, NULL);
}

static enum db_status run_missing(struct db *db)
{
    enum db_status status = make_ledger(db);
    size_t done = 0;

    if (status == DB_OK)
        status = read_ledger(db, &done);
    for (size_t i = done; i < ARRAY_LEN(migrations) && status == DB_OK; i++) {
        struct migration migration = migrations[i];

        log_info("migrating", LOG_FIELD("migration", LOG_TEXT(migration.name)), );
        status = db_tx(db, DB_READ_COMMITTED, run_one, &migration);
    }
    return status;
}

enum db_status db_migrate(const char *url)
{
    struct db_config config = {.url = url, .role = "migrate", .bare = true, .wait_timeout_ms = MIGRATE_WAIT_MS};
    struct db *db = db_new(&config);
    enum db_status status = db_connect(db);

    if (status == DB_OK)
        status = db_run_sql(db, "SELECT pg_advisory_lock(" DB_LOCK_SCHEMA ")", NULL, NULL); /* the connection's end releases it */
    if (status == DB_OK)
        status = run_missing(db);
    if (status == DB_OK)
        status = db_partitions_ensure(db, clock_wall_us());
    db_free(db);
    return status;
}
