/* Partitions of event: a quarter of ts each, named event_2026q4, and event_old for what came before the first. The one idea: what
 * should be there is a pure function of now and of the oldest that is there, so making them is "find the first that is missing, make
 * it, look again", under a lock. CREATE TABLE … LIKE and ATTACH take no lock that stops an insert; CREATE TABLE … PARTITION OF would
 * stop them all. */
#include "db/partition.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "db/lock.h"
#include "server/base/log.h"

enum { QUARTERS_BEFORE = 8, QUARTERS_AHEAD = 2, NAME_SIZE = 32, BOUND_SIZE = 32, PARTITIONS_MAX = 4000 };

#define OLD_NAME "event_old"

/* Quarters are counted from year 0. */
static int quarter_of(int64_t us)
{
    time_t seconds = (time_t)(us / US_PER_S);
    struct tm tm;

    ASSERT(gmtime_r(&seconds, &tm) != NULL);
    return (tm.tm_year + 1900) * 4 + tm.tm_mon / 3;
}

static void quarter_name(int quarter, char ret_name[NAME_SIZE])
{
    (void)snprintf(ret_name, NAME_SIZE, "event_%04dq%d", quarter / 4, quarter % 4 + 1);
}

static void quarter_bound(int quarter, char ret_bound[BOUND_SIZE])
{
    (void)snprintf(ret_bound, BOUND_SIZE, "%04d-%02d-01", quarter / 4, quarter % 4 * 3 + 1);
}

static enum db_status make(struct db *db, const char *name, const char *from, const char *to)
{
    AUTO_BUF struct buf sql = BUF_INIT(1024);

    /* The names and bounds are our own. The new table is empty, so attaching needs no CHECK to spare it a scan. */
    buf_addf(&sql,
             "CREATE TABLE %s (LIKE event INCLUDING ALL);"
             "ALTER TABLE event ATTACH PARTITION %s FOR VALUES FROM (%s) TO ('%s+00')",
             name, name, from, to);
    log_debug("making a partition", LOG_FIELD("name", LOG_TEXT(name)), );
    return db_script(db, buf_text(&sql));
}

static enum db_status make_old(struct db *db, int before)
{
    char to[BOUND_SIZE];

    quarter_bound(before, to);
    return make(db, OLD_NAME, "MINVALUE", to);
}

static enum db_status make_quarter(struct db *db, int quarter)
{
    char name[NAME_SIZE], from[BOUND_SIZE], to[BOUND_SIZE];
    AUTO_BUF struct buf quoted = BUF_INIT(64);

    quarter_name(quarter, name);
    quarter_bound(quarter, from);
    quarter_bound(quarter + 1, to);
    buf_addf(&quoted, "'%s+00'", from);
    return make(db, name, buf_text(&quoted), to);
}

static bool is_listed(const struct db_rows *rows, const char *name)
{
    for (size_t i = 0; i < db_rows_count(rows); i++)
        if (strcmp(db_text(rows, i, 0), name) == 0)
            return true;
    return false;
}

/* The quarter of the oldest partition listed (names sort by time), or 0. */
static int first_listed(const struct db_rows *rows)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        const char *name = db_text(rows, i, 0);

        if (strncmp(name, "event_", 6) == 0 && strlen(name) == strlen("event_2026q4") && name[10] == 'q')
            return (int)strtol(name + 6, NULL, 10) * 4 + (name[11] - '1');
    }
    return 0;
}

/* DB_OK: one was missing and is made; DB_NONE: none is missing. */
static enum db_status make_first_missing(struct db *db, int now)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;
    int first;

    status = db_run_sql(db,
                        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                        " WHERE i.inhparent = 'event'::regclass ORDER BY c.relname",
                        NULL, &rows);
    if (status != DB_OK && status != DB_NONE)
        return status;
    first = first_listed(&rows);
    if (!first)
        first = now - QUARTERS_BEFORE;
    for (int quarter = first; quarter <= now + QUARTERS_AHEAD; quarter++) {
        char name[NAME_SIZE];

        quarter_name(quarter, name);
        if (!is_listed(&rows, name))
            return make_quarter(db, quarter);
    }
    return is_listed(&rows, OLD_NAME) ? DB_NONE : make_old(db, first);
}

static enum db_status make_one_locked(struct db *db, void *context)
{
    enum db_status status = db_run_sql(db, "SELECT pg_advisory_xact_lock(" DB_LOCK_PARTITION ")", NULL, NULL);

    return status == DB_OK ? make_first_missing(db, *(const int *)context) : status;
}

enum db_status db_partitions_ensure(struct db *db, int64_t now_us)
{
    int now = quarter_of(now_us);
    enum db_status status = DB_OK;

    for (int i = 0; i < PARTITIONS_MAX && status == DB_OK; i++)
        status = db_tx(db, DB_READ_COMMITTED, make_one_locked, &now);
    return status == DB_NONE ? DB_OK : status;
}
