/* Connecting. The one idea: a connection that db_connect gives is ready for all that the program ever says: its session is set, and every statement of the
 * program is prepared and its parameters counted, so wrong SQL cannot boot. Invariant: a step that fails leaves no connection.
 * Whether it is worth trying again at once is for the caller to decide (db_refused). */
#include <string.h>

#include "db/conn_private.h"
#include "server/base/log.h"

enum { CLOCK_TRIES = 3 };
#define CONNECT_TIMEOUT_S "5"
#define CHECK_CLIENT      "'2s'" /* so often the server looks whether we are still there: a statement whose connection was dropped ends */

/* Filled by DB_STATEMENT. */
extern const struct db_statement *const __start_db_statements[] __attribute__((weak));
extern const struct db_statement *const __stop_db_statements[] __attribute__((weak));

/* Every session: UTC, and commits that wait for the disk. Generic plans, since left to itself PostgreSQL plans a version anew at each call, for 4 ms. */
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

static void send_statement(struct db *db, const struct db_statement *statement)
{
    conn_send_prepare(db, statement->name, statement->sql, statement->types);
    if (db->conn && !PQsendDescribePrepared(db->conn, statement->name))
        conn_lost(db, NULL);
}

/* A $n too many, which PostgreSQL takes, is found by asking for the statement's parameters. */
static enum db_status receive_statement(struct db *db, const struct db_statement *statement)
{
    AUTO_DB_ROWS struct db_rows described = DB_ROWS_INIT;
    bool first = db->failed == DB_OK;

    if (db_receive(db, NULL) == DB_ERROR && first)
        log_error("statement does not fit the schema", LOG_FIELD("statement", LOG_TEXT(statement->name)),
                  LOG_FIELD("why", LOG_TEXT(db->message)), );
    if (db_receive(db, &described) != DB_OK || (size_t)PQnparams(described.result) == strlen(statement->types))
        return DB_OK; /* or db_receive_sync says what went wrong */
    log_error("statement's parameters are not those declared", LOG_FIELD("statement", LOG_TEXT(statement->name)), );
    return DB_ERROR;
}

static enum db_status prepare_all(struct db *db)
{
    const struct db_statement *const *row;
    enum db_status status = DB_OK, end;

    if (db->config.bare || !__start_db_statements)
        return DB_OK;
    for (row = __start_db_statements; row < __stop_db_statements; row++)
        send_statement(db, *row);
    db_sync(db);
    for (row = __start_db_statements; row < __stop_db_statements; row++)
        if (receive_statement(db, *row) == DB_ERROR)
            status = DB_ERROR;
    end = db_receive_sync(db);
    return end == DB_OK ? status : end;
}

/* What the database says it said at some instant before the answer is here: taken for the instant of the answer, the estimate is never ahead, and behind by
 * no more than the quickest of three answers took. */
enum db_status db_measure_clock(struct db *db)
{
    int64_t best_us = INT64_MAX, said_us = 0, came_us = 0;

    for (int i = 0; i < CLOCK_TRIES; i++) {
        AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
        int64_t asked_us = clock_wall_us(), now_us;
        enum db_status status = db_run_sql(db, "SELECT clock_timestamp()", NULL, &rows);

        if (status != DB_OK)
            return status;
        now_us = clock_wall_us();
        if (now_us - asked_us >= best_us)
            continue;
        best_us = now_us - asked_us;
        said_us = db_instant(&rows, 0, 0);
        came_us = now_us;
    }
    if (db->config.clock)
        db_clock_set(db->config.clock, said_us, came_us);
    return DB_OK;
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

/* Attempts are many and mostly alike: the first is told, one that fails for another reason, and the end (db_connect). */
static void tell_away(struct db *db)
{
    char before[MESSAGE_SIZE];

    memcpy(before, db->message, sizeof before);
    conn_note(db, "", PQerrorMessage(db->conn));
    if (!db->away || strcmp(before, db->message) != 0)
        log_warn("cannot connect to the database", LOG_FIELD("role", LOG_TEXT(db->config.role)), LOG_FIELD("why", LOG_TEXT(db->message)), );
    db->away = true;
}

static enum db_status open_socket(struct db *db)
{
    AUTO_BUF struct buf name = BUF_INIT(64);
    const char *const keys[] = {"target_session_attrs", "dbname",           "connect_timeout",
                                "application_name",     "client_encoding",  "keepalives_idle",
                                "keepalives_interval",  "keepalives_count", NULL};
    const char *values[] = {"primary", db->config.url, CONNECT_TIMEOUT_S, NULL, "UTF8", "10", "5", "3",
                            NULL}; /* the URL overrides the first */

    buf_addf(&name, "cohortd %s", db->config.role);
    values[3] = buf_text(&name);
    if (conn_is_shut(db))
        return DB_RETRY;
    db->conn = PQconnectdbParams(keys, values, 1);
    db->refused = PQstatus(db->conn) != CONNECTION_OK && says_refused(PQerrorMessage(db->conn));
    if (PQstatus(db->conn) != CONNECTION_OK) {
        tell_away(db);
        db_disconnect(db);
        return DB_RETRY;
    }
    if (PQsetnonblocking(db->conn, 1) != 0 || !PQenterPipelineMode(db->conn))
        return conn_lost(db, NULL);
    return DB_OK;
}

enum db_status db_connect(struct db *db)
{
    static enum db_status (*const steps[])(struct db *) = {open_socket, check_encoding, set_session, prepare_all, db_measure_clock};

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
    if (db->away)
        log_info("connected to the database", LOG_FIELD("role", LOG_TEXT(db->config.role)), );
    db->away = false;
    return DB_OK;
}
