/* Transactions: begin, commit, roll back, and a runner that tries again what PostgreSQL asks to be tried again.
 * It retries only while the connection lives: after a lost connection the outcome of a COMMIT is unknown, and the caller decides.
 * Invariant: after db_rollback the connection is outside any transaction, or gone. */
#include <libpq-fe.h>
#include <string.h>

#include "db/conn.h"

enum { TX_ATTEMPTS = 5 };

enum db_status db_begin(struct db *db, enum db_isolation isolation)
{
    static const char *const begin[] = {"BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ",
                                        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"};

    return db_run_sql(db, begin[isolation], NULL, NULL);
}

enum db_status db_commit(struct db *db)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run_sql(db, "COMMIT", NULL, &rows);

    /* COMMIT of a failed transaction succeeds, as a ROLLBACK. */
    if (status == DB_OK && strcmp(PQcmdStatus(rows.result), "COMMIT") != 0)
        return DB_ERROR;
    return status;
}

enum db_status db_set_timeout(struct db *db, int64_t ms)
{
    AUTO_BUF struct buf sql = BUF_INIT(64);

    buf_addf(&sql, "SET %sstatement_timeout = %lld", db_in_transaction(db) ? "LOCAL " : "", (long long)ms);
    return db_run_sql(db, buf_text(&sql), NULL, NULL);
}

void db_send_timeout(struct db *db, int64_t ms)
{
    AUTO_BUF struct buf sql = BUF_INIT(64);

    buf_addf(&sql, "SET LOCAL statement_timeout = %lld", (long long)ms);
    db_send_sql(db, buf_text(&sql));
}

bool db_timed_out(const struct db *db, enum db_status status)
{
    return status == DB_RETRY && db_is_connected(db) && strcmp(db_sqlstate(db), "57014") == 0;
}

void db_rollback(struct db *db)
{
    if (db_in_transaction(db) && db_run_sql(db, "ROLLBACK", NULL, NULL) != DB_OK)
        db_disconnect(db);
}

static enum db_status attempt(struct db *db, enum db_isolation isolation, db_tx_fn *fn, void *context)
{
    enum db_status status = db_begin(db, isolation);
    enum db_status end;

    if (status != DB_OK)
        return status;
    status = fn(db, context);
    if (status != DB_OK && status != DB_NONE)
        return status;
    end = db_commit(db);
    return end == DB_OK ? status : end;
}

enum db_status db_tx(struct db *db, enum db_isolation isolation, db_tx_fn *fn, void *context)
{
    enum db_status status = DB_RETRY;

    for (unsigned i = 0; i < TX_ATTEMPTS; i++) {
        char sqlstate[8];

        status = attempt(db, isolation, fn, context);
        if (status == DB_OK || status == DB_NONE)
            return status;
        (void)snprintf(sqlstate, sizeof sqlstate, "%s", db_sqlstate(db));
        db_rollback(db);
        if (strcmp(sqlstate, "40001") != 0 && strcmp(sqlstate, "40P01") != 0)
            return status;
    }
    return status;
}
