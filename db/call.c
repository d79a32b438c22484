/* What is said over a connection: statements and their answers. The one idea: the connection is always in pipeline mode, so a single statement is a pipeline of
 * one; only scripts and COPY, which PostgreSQL takes outside a pipeline, leave it for as long as they last. Invariant: after each db_receive_sync, and after
 * each call of one round trip, nothing is left to be read and db->failed is DB_OK, or the connection is gone. */
#include <string.h>

#include "db/conn_private.h"
#include "db/wire.h"
#include "server/base/alloc.h"
#include "server/base/log.h"

enum { COPY_PIECE = 64 * 1024 };
#define READ_ONLY "25006" /* sqlstate */

/* Classes that mean "the same again later" (architecture.md, "Failure"): connection, transaction rollback, resources, object state, operator and system. */
static enum db_status status_of(const char *sqlstate)
{
    static const char *const again[] = {"08", "25P03", "40", "53", "55", "57", "58"};

    for (size_t i = 0; i < ARRAY_LEN(again); i++)
        if (strncmp(sqlstate, again[i], strlen(again[i])) == 0)
            return DB_RETRY;
    return DB_ERROR;
}

/* Notes a failed result; logs it unless it is a passing one. Where nothing can be written the connection is dropped: after a failover the next one may reach
 * the server that has taken over. */
static enum db_status failure(struct db *db, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    enum db_status status = status_of(sqlstate ? sqlstate : "08000");

    if (sqlstate && strcmp(sqlstate, READ_ONLY) == 0)
        return conn_lost(db, "the database is read-only");
    conn_note(db, sqlstate, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    if (status == DB_ERROR)
        log_warn("statement failed", LOG_FIELD("role", LOG_TEXT(db->config.role)), LOG_FIELD("sqlstate", LOG_TEXT(db->sqlstate)),
                 LOG_FIELD("why", LOG_TEXT(db->message)), );
    db->failed = status;
    return status;
}

/* --- Pipelines --- */

static void arg_arrays(const struct db_args *args, const char **values, int *formats)
{
    for (size_t i = 0; i < args->n; i++) {
        values[i] = args->offset[i] == SIZE_MAX ? NULL : buf_text(&args->store) + args->offset[i];
        formats[i] = !args->text[i];
    }
}

/* A value in text form must end with NUL, which only the last one of the store has: so such values are copied. */
static void own_texts(const struct db_args *args, const char **values, char **owned)
{
    for (size_t i = 0; i < args->n; i++)
        if (values[i] && args->text[i])
            values[i] = owned[i] = mem_strndup(values[i], (size_t)args->len[i]);
}

struct call {
    const char *prepared; /* a name, or NULL: */
    const char *sql;
    const struct db_args *args;
};

static void send_call(struct db *db, const struct call *call)
{
    static const struct db_args none = DB_ARGS_INIT;
    const struct db_args *args = call->args ? call->args : &none;
    const char *values[DB_ARGS_MAX];
    char *owned[DB_ARGS_MAX] = {NULL};
    int formats[DB_ARGS_MAX];
    Oid oids[DB_ARGS_MAX];
    int sent;

    if (!db->conn)
        return;
    arg_arrays(args, values, formats);
    own_texts(args, values, owned);
    for (size_t i = 0; i < args->n; i++)
        oids[i] = wire_oid(args->types[i]);
    if (call->prepared)
        sent = PQsendQueryPrepared(db->conn, call->prepared, (int)args->n, values, args->len, formats, 1);
    else
        sent = PQsendQueryParams(db->conn, call->sql, (int)args->n, oids, values, args->len, formats, 1);
    for (size_t i = 0; i < args->n; i++)
        free(owned[i]);
    if (!sent)
        conn_lost(db, NULL);
}

void db_send(struct db *db, const struct db_statement *statement, const struct db_args *args)
{
    ASSERT(strcmp(statement->types, args ? args->types : "") == 0);
    send_call(db, &(struct call){.prepared = statement->name, .args = args});
}

void db_send_sql(struct db *db, const char *sql)
{
    send_call(db, &(struct call){.sql = sql});
}

void db_sync(struct db *db)
{
    if (!db->conn)
        return;
    if (!PQpipelineSync(db->conn))
        conn_lost(db, NULL);
    else
        (void)conn_flush(db);
}

/* Takes over a statement's result; the NULL that ends the statement is read too. */
static enum db_status receive_result(struct db *db, PGresult **ret_result)
{
    bool gone;
    PGresult *result = conn_next_result(db, &gone);
    PGresult *end;

    *ret_result = NULL;
    if (gone)
        return DB_RETRY;
    if (!result)
        return conn_lost(db, "protocol out of step");
    end = conn_next_result(db, &gone);
    if (gone || end) {
        PQclear(end);
        PQclear(result);
        return conn_lost(db, "protocol out of step");
    }
    *ret_result = result;
    return DB_OK;
}

static enum db_status judge(struct db *db, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_TUPLES_OK)
        return PQntuples(result) ? DB_OK : DB_NONE;
    if (status == PGRES_COMMAND_OK)
        return DB_OK;
    if (status == PGRES_PIPELINE_ABORTED)
        return db->failed == DB_OK ? DB_ERROR : db->failed;
    return failure(db, result);
}

enum db_status db_receive(struct db *db, struct db_rows *ret_rows)
{
    PGresult *result;
    enum db_status status;

    if (!db->conn)
        return db->failed = DB_RETRY;
    status = receive_result(db, &result);
    if (status != DB_OK)
        return status;
    status = judge(db, result);
    if (ret_rows && (status == DB_OK || status == DB_NONE)) {
        db_rows_release(ret_rows);
        ret_rows->result = result;
    } else {
        PQclear(result);
    }
    return status;
}

enum db_status db_receive_sync(struct db *db)
{
    enum db_status status = db->failed;
    ExecStatusType kind;
    PGresult *result;
    bool gone;

    db->failed = DB_OK;
    if (!db->conn)
        return DB_RETRY;
    result = conn_next_result(db, &gone);
    kind = PQresultStatus(result);
    PQclear(result);
    if (gone || kind != PGRES_PIPELINE_SYNC) {
        status = conn_lost(db, "protocol out of step");
        db->failed = DB_OK;
    }
    return status;
}

enum db_status db_receive_rest(struct db *db, size_t n)
{
    enum db_status status = DB_OK, one, end;

    for (; n > 0; n--) {
        one = db_receive(db, NULL);
        if (status == DB_OK && one != DB_NONE)
            status = one;
    }
    end = db_receive_sync(db);
    return end == DB_OK ? status : end;
}

/* Ends a pipeline of one, and reads its answer. */
static enum db_status answer(struct db *db, struct db_rows *ret_rows)
{
    enum db_status status, end;

    db_sync(db);
    status = db_receive(db, ret_rows);
    end = db_receive_sync(db);
    return end == DB_OK ? status : end;
}

static enum db_status run_call(struct db *db, const struct call *call, struct db_rows *ret_rows)
{
    db->failed = DB_OK;
    send_call(db, call);
    return answer(db, ret_rows);
}

enum db_status db_run(struct db *db, const struct db_statement *statement, const struct db_args *args, struct db_rows *ret_rows)
{
    ASSERT(strcmp(statement->types, args ? args->types : "") == 0);
    return run_call(db, &(struct call){.prepared = statement->name, .args = args}, ret_rows);
}

enum db_status db_run_sql(struct db *db, const char *sql, const struct db_args *args, struct db_rows *ret_rows)
{
    return run_call(db, &(struct call){.sql = sql, .args = args}, ret_rows);
}

void conn_send_prepare(struct db *db, const char *name, const char *sql, const char *types)
{
    size_t n = strlen(types);
    Oid oids[DB_ARGS_MAX];

    ASSERT(n <= DB_ARGS_MAX);
    for (size_t i = 0; i < n; i++)
        oids[i] = wire_oid(types[i]);
    if (db->conn && !PQsendPrepare(db->conn, name, sql, (int)n, oids))
        conn_lost(db, NULL);
}

enum db_status db_prepare(struct db *db, const char *name, const char *sql, const char *types)
{
    db->failed = DB_OK;
    conn_send_prepare(db, name, sql, types);
    return answer(db, NULL);
}

enum db_status db_deallocate(struct db *db, const char *name)
{
    AUTO_BUF struct buf sql = BUF_INIT(256);

    buf_addf(&sql, "DEALLOCATE \"%s\"", name); /* names are our own, without quotes */
    return db_run_sql(db, buf_text(&sql), NULL, NULL);
}

/* --- Outside any pipeline --- */

static bool begin_simple(struct db *db, const char *sql)
{
    db->failed = DB_OK;
    return db->conn && PQexitPipelineMode(db->conn) && PQsendQuery(db->conn, sql) && conn_flush(db);
}

/* Reads on to the end: the status so far, or the first failure. */
static enum db_status end_simple(struct db *db, enum db_status status)
{
    PGresult *result;
    bool gone = false;

    while (db->conn && (result = conn_next_result(db, &gone)) != NULL) {
        enum db_status one = judge(db, result);

        PQclear(result);
        if (one != DB_NONE && status == DB_OK)
            status = one;
    }
    db->failed = DB_OK;
    if (gone || !db->conn || !PQenterPipelineMode(db->conn))
        return conn_lost(db, NULL);
    return status;
}

enum db_status db_script(struct db *db, const char *sql)
{
    return begin_simple(db, sql) ? end_simple(db, DB_OK) : conn_lost(db, NULL);
}

/* False: the connection is lost. */
static bool put_copy(struct db *db, const struct buf *rows)
{
    static const char end[] = {'\xff', '\xff'};

    for (size_t at = 0; at < rows->len; at += COPY_PIECE) {
        size_t left = rows->len - at;

        if (PQputCopyData(db->conn, rows->data + at, (int)(left < COPY_PIECE ? left : COPY_PIECE)) != 1 || !conn_flush(db))
            return false;
    }
    return PQputCopyData(db->conn, end, sizeof end) == 1 && PQputCopyEnd(db->conn, NULL) == 1 && conn_flush(db);
}

enum db_status db_copy(struct db *db, const char *sql, struct db_args *rows)
{
    enum db_status status;
    PGresult *result;
    bool gone;

    ASSERT(buf_ok(&rows->store));
    if (!begin_simple(db, sql) || !(result = conn_next_result(db, &gone)))
        return conn_lost(db, NULL);
    status = PQresultStatus(result) == PGRES_COPY_IN ? DB_OK : judge(db, result);
    PQclear(result);
    if (status == DB_OK && !put_copy(db, &rows->store))
        return conn_lost(db, NULL);
    status = end_simple(db, status);
    if (status == DB_OK)
        db_copy_begin(rows);
    return status;
}
