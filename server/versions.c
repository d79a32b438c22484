/* The roster and the tables. The one idea: the API only inserts versions; what becomes of one that is overtaken, or that cannot be loaded, the worker decides,
 * here, each in a frame of its own, before any of them is built or ticked. Invariant: what is over in the tables is over in memory, too. How a version is loaded
 * is the roster's business. */
#include "server/versions.h"

#include "db/tick.h"
#include "db/version.h"
#include "server/careful.h"
#include "server/dates.h"
#include "server/retry.h"

/* Those that could not be loaded. */
static enum db_status fail_bad(struct roster *roster, struct db *db, int64_t epoch)
{
    struct db_frame frame;
    enum db_status status;

    if (roster->bad.n == 0)
        return DB_OK;
    status = db_frame_begin(db, epoch, &frame);
    for (size_t i = 0; i < roster->bad.n && status == DB_OK; i++) {
        const struct roster_bad *bad = &roster->bad.at[i];

        status = db_version_fail(db, bad->version_id, bad->code, frame.clock_us + retry_version_us(bad->attempt));
    }
    if (status == DB_OK)
        status = db_commit(db);
    vec_clear(&roster->bad);
    return status;
}

static enum db_status load_dates(struct roster *roster, struct db *db, int64_t epoch)
{
    struct db_frame frame;
    enum db_status status = db_frame_begin(db, epoch, &frame);

    if (status == DB_OK)
        status = dates_load(db, roster);
    return status == DB_OK ? db_commit(db) : status;
}

/* What a newer version has overtaken is over in memory, too: built on, it would be swapped in while its rows are swept. */
static enum db_status supersede(struct roster *roster, struct db *db, int64_t epoch)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct db_frame frame;
    enum db_status status = db_frame_begin(db, epoch, &frame);

    if (status != DB_OK)
        return status;
    status = db_versions_supersede(db, &rows);
    if (status == DB_OK || status == DB_NONE)
        status = db_commit(db);
    if (status != DB_OK || !db_rows_count(&rows))
        return status;
    for (size_t i = 0; i < db_rows_count(&rows); i++) {
        struct roster_version *version = roster_find(roster, (int32_t)db_int(&rows, i, 0));

        if (version)
            roster_end(version);
    }
    roster_prune(roster, db);
    return DB_OK;
}

static enum db_status look(struct differ *differ, int64_t epoch, bool *ret_changed)
{
    struct roster *roster = differ->roster;
    struct db *db = differ->db;
    enum db_status status = roster->loaded ? DB_OK : careful_load(differ);
    bool changed = false;

    if (status == DB_OK)
        status = roster_load(roster, db, &changed);
    *ret_changed = changed;
    if (status == DB_OK && !roster->dates_loaded) {
        *ret_changed = true;
        status = load_dates(roster, db, epoch);
    }
    if (status == DB_OK && changed)
        status = fail_bad(roster, db, epoch);
    if (status == DB_OK && changed)
        status = supersede(roster, db, epoch);
    return status;
}

enum db_status versions_look(struct differ *differ, int64_t epoch, bool *ret_changed)
{
    enum db_status status = look(differ, epoch, ret_changed);

    if (status != DB_OK) {
        db_rollback(differ->db);                 /* or the roster's statements cannot be dropped */
        roster_drop(differ->roster, differ->db); /* or what failed is not done again */
    }
    return status;
}
