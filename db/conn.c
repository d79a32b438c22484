/* One connection. The one idea: the connection is non-blocking and always in pipeline mode, so a single statement is a pipeline of one and every wait is the
 * same poll with a deadline; a PostgreSQL that hangs costs a thread wait_timeout_ms and no more. A failed call leaves its SQLSTATE; a lost connection is
 * dropped at once and made again by the next db_connect. Transactions and retries are in tx.c. */
#include "db/conn.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <string.h>

#include "db/wire.h"
#include "server/base/alloc.h"
#include "server/base/log.h"

enum { WAIT_DEFAULT_MS = 60 * 1000, SQLSTATE_SIZE = 6, MESSAGE_SIZE = 512, COPY_PIECE = 64 * 1024 };
#define CONNECT_TIMEOUT_S "5"
#define CHECK_CLIENT      "'2s'" /* so often the server looks whether we are still there: a statement whose connection was dropped ends */

struct db {
    struct db_config config;
    PGconn *conn;
    enum db_status failed; /* DB_OK, or how the current pipeline failed */
    char sqlstate[SQLSTATE_SIZE];
    char message[MESSAGE_SIZE];
    bool refused; /* the last attempt to connect: by the server, for good */
};

extern const struct db_statement *const __start_db_statements[] __attribute__((weak));
extern const struct db_statement *const __stop_db_statements[] __attribute__((weak));

struct db *db_new(const struct db_config *config)
{
    struct db *db = mem_zalloc(sizeof *db);

    db->config = *config;
    if (!db->config.wait_timeout_ms)
        db->config.wait_timeout_ms = WAIT_DEFAULT_MS;
    db->failed = DB_OK;
    return db;
}

void db_free(struct db *db)
{
    if (!db)
        return;
    db_disconnect(db);
    free(db);
}

void db_disconnect(struct db *db)
{
    PQfinish(db->conn);
    db->conn = NULL;
}

bool db_is_connected(const struct db *db)
{
    return db->conn != NULL;
}

bool db_in_transaction(const struct db *db)
{
    return db->conn && PQtransactionStatus(db->conn) != PQTRANS_IDLE;
}

const char *db_sqlstate(const struct db *db)
{
    return db->sqlstate;
}

const char *db_message(const struct db *db)
{
    return db->message;
}

int db_socket(const struct db *db)
{
    return db->conn ? PQsocket(db->conn) : -1;
}

bool db_refused(const struct db *db)
{
    return db->refused;
}

static void note(struct db *db, const char *sqlstate, const char *message)
{
    (void)snprintf(db->sqlstate, sizeof db->sqlstate, "%s", sqlstate ? sqlstate : "");
    (void)snprintf(db->message, sizeof db->message, "%s", message ? message : "");
    db->message[strcspn(db->message, "\n")] = '\0';
}

/* The connection is of no use any more: drop it, and the pipeline with it. */
static enum db_status lost(struct db *db, const char *why)
{
    if (db->conn) {
        note(db, "", why ? why : PQerrorMessage(db->conn));
        log_warn("database connection lost", LOG_FIELD("role", LOG_TEXT(db->config.role)), LOG_FIELD("why", LOG_TEXT(db->message)), );
        db_disconnect(db);
    }
    db->failed = DB_RETRY;
    return DB_RETRY;
}

/* Classes that mean "the same again later" (architecture.md, "Failure"): connection, transaction rollback, resources, object state, operator and system. */
static enum db_status status_of(const char *sqlstate)
{
    static const char *const again[] = {"08", "25P03", "40", "53", "55", "57", "58"};

    for (size_t i = 0; i < ARRAY_LEN(again); i++)
        if (strncmp(sqlstate, again[i], strlen(again[i])) == 0)
            return DB_RETRY;
    return DB_ERROR;
}

/* Notes a failed result; logs it unless it is a passing one. */
static enum db_status failure(struct db *db, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    enum db_status status = status_of(sqlstate ? sqlstate : "08000");

    note(db, sqlstate, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    if (status == DB_ERROR)
        log_warn("statement failed", LOG_FIELD("role", LOG_TEXT(db->config.role)), LOG_FIELD("sqlstate", LOG_TEXT(db->sqlstate)),
                 LOG_FIELD("why", LOG_TEXT(db->message)), );
    db->failed = status;
    return status;
}

/* Waits until the socket is readable (or writable); false past the deadline, or when the gate is broken. */
static bool wait_socket(struct db *db, short events, int64_t deadline_us)
{
    const struct db_gate *gate = db->config.gate;
    struct pollfd fds[2] = {{.fd = PQsocket(db->conn), .events = events}, {.fd = gate ? db_gate_fd(gate) : -1, .events = POLLIN}};
    int64_t left_ms;
    int n;

    do {
        left_ms = (deadline_us - clock_mono_us()) / US_PER_MS;
        if (left_ms < 0)
            return false;
        n = poll(fds, ARRAY_LEN(fds), (int)left_ms + 1);
    } while (n < 0 && errno == EINTR);
    return n > 0 && !fds[1].revents;
}

static bool is_shut(const struct db *db)
{
    return db->config.gate && !db_gate_is_open(db->config.gate);
}

/* After wait_socket was false. */
static enum db_status lost_waiting(struct db *db)
{
    return lost(db, is_shut(db) ? "stopping" : "no answer in time");
}

static int64_t deadline(const struct db *db)
{
    return clock_mono_us() + (int64_t)db->config.wait_timeout_ms * US_PER_MS;
}

/* Sends what libpq has buffered, reading meanwhile so that neither side waits for the other. False: connection lost. */
static bool flush(struct db *db)
{
    int64_t until = deadline(db);
    int left;

    while ((left = PQflush(db->conn)) > 0) {
        if (!wait_socket(db, POLLIN | POLLOUT, until))
            return lost_waiting(db), false;
        if (!PQconsumeInput(db->conn))
            return lost(db, NULL), false;
    }
    if (left < 0)
        return lost(db, NULL), false;
    return true;
}

/* The next result, NULL between two statements; *ret_lost when the connection is gone. */
static PGresult *next_result(struct db *db, bool *ret_lost)
{
    int64_t until = deadline(db);

    *ret_lost = false;
    while (PQisBusy(db->conn)) {
        if (!wait_socket(db, POLLIN, until)) {
            lost_waiting(db);
            *ret_lost = true;
            return NULL;
        }
        if (!PQconsumeInput(db->conn)) {
            lost(db, NULL);
            *ret_lost = true;
            return NULL;
        }
    }
    return PQgetResult(db->conn);
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
        lost(db, NULL);
}

void db_send(struct db *db, const struct db_statement *statement, const struct db_args *args)
{
    ASSERT(strcmp(statement->types, args ? args->types : "") == 0);
    send_call(db, &(struct call){.prepared = statement->name, .args = args});
}

void db_send_sql(struct db *db, const char *sql, const struct db_args *args)
{
    send_call(db, &(struct call){.sql = sql, .args = args});
}

void db_sync(struct db *db)
{
    if (!db->conn)
        return;
    if (!PQpipelineSync(db->conn))
        lost(db, NULL);
    else
        (void)flush(db);
}

/* Takes over a statement's result; the NULL that ends the statement is read too. */
static enum db_status receive_result(struct db *db, PGresult **ret_result)
{
    bool gone;
    PGresult *result = next_result(db, &gone);
    PGresult *end;

    *ret_result = NULL;
    if (gone)
        return DB_RETRY;
    if (!result)
        return lost(db, "protocol out of step");
    end = next_result(db, &gone);
    if (gone || end) {
        PQclear(end);
        PQclear(result);
        return lost(db, "protocol out of step");
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
    result = next_result(db, &gone);
    kind = PQresultStatus(result);
    PQclear(result);
    if (gone || kind != PGRES_PIPELINE_SYNC) {
        status = lost(db, "protocol out of step");
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

static enum db_status run_call(struct db *db, const struct call *call, struct db_rows *ret_rows)
{
    enum db_status status, end;

    db->failed = DB_OK;
    send_call(db, call);
    db_sync(db);
    status = db_receive(db, ret_rows);
    end = db_receive_sync(db);
    return end == DB_OK ? status : end;
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

enum db_status db_run_prepared(struct db *db, const char *name, const struct db_args *args, struct db_rows *ret_rows)
{
    return run_call(db, &(struct call){.prepared = name, .args = args}, ret_rows);
}

static void send_prepare(struct db *db, const char *name, const char *sql, const char *types)
{
    size_t n = strlen(types);
    Oid oids[DB_ARGS_MAX];

    ASSERT(n <= DB_ARGS_MAX);
    for (size_t i = 0; i < n; i++)
        oids[i] = wire_oid(types[i]);
    if (db->conn && !PQsendPrepare(db->conn, name, sql, (int)n, oids))
        lost(db, NULL);
}

enum db_status db_prepare(struct db *db, const char *name, const char *sql, const char *types)
{
    enum db_status status, end;

    db->failed = DB_OK;
    send_prepare(db, name, sql, types);
    db_sync(db);
    status = db_receive(db, NULL);
    end = db_receive_sync(db);
    return end == DB_OK ? status : end;
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
    return db->conn && PQexitPipelineMode(db->conn) && PQsendQuery(db->conn, sql) && flush(db);
}

/* Reads on to the end: the status so far, or the first failure. */
static enum db_status end_simple(struct db *db, enum db_status status)
{
    PGresult *result;
    bool gone = false;

    while ((result = next_result(db, &gone)) != NULL) {
        enum db_status one = judge(db, result);

        PQclear(result);
        if (one != DB_NONE && status == DB_OK)
            status = one;
    }
    db->failed = DB_OK;
    if (gone || !PQenterPipelineMode(db->conn))
        return lost(db, NULL);
    return status;
}

enum db_status db_script(struct db *db, const char *sql)
{
    return begin_simple(db, sql) ? end_simple(db, DB_OK) : lost(db, NULL);
}

/* False: the connection is lost. */
static bool put_copy(struct db *db, const struct buf *rows)
{
    static const char end[] = {'\xff', '\xff'};

    for (size_t at = 0; at < rows->len; at += COPY_PIECE) {
        size_t left = rows->len - at;

        if (PQputCopyData(db->conn, rows->data + at, (int)(left < COPY_PIECE ? left : COPY_PIECE)) != 1 || !flush(db))
            return false;
    }
    return PQputCopyData(db->conn, end, sizeof end) == 1 && PQputCopyEnd(db->conn, NULL) == 1 && flush(db);
}

enum db_status db_copy(struct db *db, const char *sql, struct db_args *rows)
{
    enum db_status status;
    PGresult *result;
    bool gone;

    ASSERT(buf_ok(&rows->store));
    if (!begin_simple(db, sql) || !(result = next_result(db, &gone)))
        return lost(db, NULL);
    status = PQresultStatus(result) == PGRES_COPY_IN ? DB_OK : judge(db, result);
    PQclear(result);
    if (status == DB_OK && !put_copy(db, &rows->store))
        return lost(db, NULL);
    status = end_simple(db, status);
    if (status == DB_OK)
        db_copy_begin(rows);
    return status;
}

/* --- Connecting --- */

/* Every session: UTC, commits that wait for the disk, and for the worker the planner and time-outs of architecture.md. */
static enum db_status set_session(struct db *db)
{
    AUTO_BUF struct buf sql = BUF_INIT(4096);

    buf_addf(&sql,
             "SET TimeZone = 'UTC'; SET synchronous_commit = on; SET client_min_messages = warning; SET standard_conforming_strings = on;"
             "SET DateStyle = 'ISO'; SET bytea_output = 'hex'; SET jit = off; SET default_transaction_isolation = 'read committed';"
             "SET client_connection_check_interval = " CHECK_CLIENT ";"
             "SET statement_timeout = %u;",
             db->config.statement_timeout_ms);
    if (!db->config.bare) /* all is asked by keys; and a plan made while a table was empty is kept when it is full */
        buf_add_text(&sql, "SET enable_seqscan = off;");
    if (db->config.worker || db->config.keyed)
        buf_add_text(&sql, "SET plan_cache_mode = force_generic_plan; SET idle_in_transaction_session_timeout = '10s';");
    if (db->config.worker)
        buf_add_text(&sql, "SET lock_timeout = '5s';");
    return db_script(db, buf_text(&sql));
}

static enum db_status check_encoding(struct db *db)
{
    const char *encoding = PQparameterStatus(db->conn, "server_encoding");

    if (encoding && strcmp(encoding, "UTF8") == 0)
        return DB_OK;
    log_error("database is not UTF8", LOG_FIELD("encoding", LOG_TEXT(encoding)), );
    return DB_ERROR;
}

static enum db_status prepare_all(struct db *db)
{
    const struct db_statement *const *row;
    enum db_status end;

    if (db->config.bare || !__start_db_statements)
        return DB_OK;
    db->failed = DB_OK;
    for (row = __start_db_statements; row < __stop_db_statements; row++)
        send_prepare(db, (*row)->name, (*row)->sql, (*row)->types);
    db_sync(db);
    for (row = __start_db_statements; row < __stop_db_statements; row++) {
        bool first = db->failed == DB_OK;

        if (db_receive(db, NULL) == DB_ERROR && first)
            log_error("statement does not fit the schema", LOG_FIELD("statement", LOG_TEXT((*row)->name)),
                      LOG_FIELD("why", LOG_TEXT(db->message)), );
    }
    end = db_receive_sync(db);
    return end;
}

/* Given types that PostgreSQL then does not use, or a $n too many, are found by asking for each statement's parameters. */
static enum db_status describe_all(struct db *db)
{
    const struct db_statement *const *row;
    enum db_status status = DB_OK;

    if (db->config.bare || !__start_db_statements)
        return DB_OK;
    for (row = __start_db_statements; row < __stop_db_statements && db->conn; row++)
        if (!PQsendDescribePrepared(db->conn, (*row)->name))
            return lost(db, NULL);
    db_sync(db);
    for (row = __start_db_statements; row < __stop_db_statements && db->conn; row++) {
        PGresult *result;

        if (receive_result(db, &result) != DB_OK)
            return DB_RETRY;
        if ((size_t)PQnparams(result) != strlen((*row)->types)) {
            log_error("statement's parameters are not those declared", LOG_FIELD("statement", LOG_TEXT((*row)->name)), );
            status = DB_ERROR;
        }
        PQclear(result);
    }
    return db_receive_sync(db) == DB_OK ? status : DB_RETRY;
}

enum db_status db_measure_clock(struct db *db)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    int64_t before = clock_wall_us();
    enum db_status status = db_run_sql(db, "SELECT clock_timestamp()", NULL, &rows);

    if (status == DB_OK && db->config.clock)
        db_clock_set(db->config.clock, db_instant(&rows, 0, 0), before + (clock_wall_us() - before) / 2);
    return status;
}

/* What the server says to those whom it will not let in whatever they wait for. libpq gives no SQLSTATE here; a server that speaks another language is waited
 * for, which is only slower. */
static bool says_refused(const char *message)
{
    static const char *const words[] = {"authentication failed",   "no pg_hba.conf entry",           "does not exist",
                                        "not permitted to log in", "permission denied for database", "not currently accepting connections"};
    const char *fatal = strstr(message, "FATAL: ");

    for (size_t i = 0; fatal && i < ARRAY_LEN(words); i++)
        if (strstr(fatal, words[i]))
            return true;
    return strstr(message, "no password supplied") != NULL;
}

static enum db_status open_socket(struct db *db)
{
    AUTO_BUF struct buf name = BUF_INIT(64);
    const char *const keys[] = {"dbname",          "connect_timeout",     "application_name", "client_encoding",
                                "keepalives_idle", "keepalives_interval", "keepalives_count", NULL};
    const char *values[] = {db->config.url, CONNECT_TIMEOUT_S, NULL, "UTF8", "10", "5", "3", NULL};

    buf_addf(&name, "cohortd %s", db->config.role);
    values[2] = buf_text(&name);
    if (is_shut(db))
        return DB_RETRY;
    db->conn = PQconnectdbParams(keys, values, 1);
    db->refused = PQstatus(db->conn) != CONNECTION_OK && says_refused(PQerrorMessage(db->conn));
    if (PQstatus(db->conn) != CONNECTION_OK) {
        note(db, "", PQerrorMessage(db->conn));
        log_warn("cannot connect to the database", LOG_FIELD("role", LOG_TEXT(db->config.role)), LOG_FIELD("why", LOG_TEXT(db->message)), );
        db_disconnect(db);
        return DB_RETRY;
    }
    if (PQsetnonblocking(db->conn, 1) != 0 || !PQenterPipelineMode(db->conn))
        return lost(db, NULL);
    return DB_OK;
}

enum db_status db_connect(struct db *db)
{
    static enum db_status (*const steps[])(struct db *) = {open_socket, check_encoding, set_session,
                                                           prepare_all, describe_all,   db_measure_clock};

    if (db->conn && PQstatus(db->conn) == CONNECTION_OK)
        return DB_OK;
    db_disconnect(db);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        enum db_status status = steps[i](db);

        if (status != DB_OK && status != DB_NONE) {
            db_disconnect(db);
            return status;
        }
    }
    return DB_OK;
}

/* An idle connection has nothing to read but notices, notifications, and its end: what a server that went said last, then the end of the stream. */
bool db_is_alive(struct db *db)
{
    while (db->conn) {
        struct pollfd fd = {.fd = PQsocket(db->conn), .events = POLLIN};

        if (poll(&fd, 1, 0) <= 0)
            return true;
        if (!PQconsumeInput(db->conn))
            lost(db, NULL);
    }
    return false;
}

/* --- NOTIFY --- */

static bool take_notify(struct db *db, char *ret_channel, size_t size)
{
    PGnotify *notify = PQnotifies(db->conn);

    if (!notify)
        return false;
    (void)snprintf(ret_channel, size, "%s", notify->relname);
    PQfreemem(notify);
    return true;
}

enum db_status db_wait_notify(struct db *db, int wake_fd, unsigned timeout_ms, char *ret_channel, size_t size)
{
    struct pollfd fds[2] = {{.fd = db_socket(db), .events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};

    if (!db->conn)
        return DB_RETRY;
    if (take_notify(db, ret_channel, size))
        return DB_OK;
    if (poll(fds, wake_fd < 0 ? 1 : 2, (int)timeout_ms) <= 0 || !fds[0].revents)
        return DB_NONE;
    if (!PQconsumeInput(db->conn))
        return lost(db, NULL);
    return take_notify(db, ret_channel, size) ? DB_OK : DB_NONE;
}
