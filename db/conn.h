/* One connection to PostgreSQL: typed statements, binary parameters and results, always in pipeline mode, never waiting without a deadline.
 *
 * A statement is declared beside the function that runs it, with a type letter for each parameter:
 *
 *     DB_STATEMENT(select_role, "y", "SELECT role FROM api_key WHERE hash = $1");
 *
 * and is prepared at each connect together with all others of the program; a statement that PostgreSQL refuses, or whose parameters are not the declared
 * ones, fails the connect, so wrong SQL cannot boot. A struct db and its rows belong to one thread at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/gate.h"
#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/id.h"
#include "server/base/instant.h"

/* How a call ended. Switch on it without a default. */
enum db_status {
    DB_ERROR, /* refused (logged): asking again is of no use */
    DB_RETRY, /* connection, deadlock, resources, shutdown, lock or statement time: the same again later */
    DB_NONE,  /* done, no row */
    DB_OK     /* done, one row or more */
};

/* Type letters: t text, i integer, l bigint, b boolean, z timestamptz, u uuid, j jsonb, n numeric, y bytea, f double precision; capitals are arrays of them. */
struct db_statement {
    const char *name;
    const char *types;
    const char *sql;
};
#define DB_STATEMENT(id, type_letters, text)                                                                                               \
    static const struct db_statement id = {.name = #id, .types = (type_letters), .sql = (text)};                                           \
    static const struct db_statement *const id##_row __attribute__((section("db_statements"), used)) = &id

/* Instants beside INSTANT_NONE (null): PostgreSQL's infinities. */
#define DB_INSTANT_PAST   (INT64_MIN + 1)
#define DB_INSTANT_FUTURE INT64_MAX

/* --- Connection --- */

struct db;

struct db_config {
    const char *url;               /* a libpq URI or conninfo; borrowed, must outlive the connection */
    const char *role;              /* what it is for: "writer", "query", "worker" …: part of application_name */
    unsigned statement_timeout_ms; /* the database's, 0: none */
    unsigned wait_timeout_ms;      /* ours, for each wait on the socket; 0: 60 s. Past it the connection is dropped and DB_RETRY returned */
    bool worker;                   /* as keyed, and no lock is waited for longer than 5 s */
    bool keyed; /* statements that look rows up by arrays of keys: plans made once, and an idle transaction ends after 10 s */
    bool bare;  /* no statements prepared: for migrations */
    const struct db_gate *gate; /* NULL: always open; borrowed, outlives the connection */
    struct db_clock *clock;     /* if given: the offset of the database's clock is measured at each connect */
};

/* No connection is made yet. The caller's, to db_free. config is copied. */
struct db *db_new(const struct db_config *config);
void db_free(struct db *db);
/* Connects and prepares unless connected: to the first host of the URL that is no standby (unless its target_session_attrs says
 * otherwise). DB_OK, DB_RETRY (not reachable, starting up, refused …) or DB_ERROR (not UTF8, wrong SQL); logged. */
enum db_status db_connect(struct db *db) MUST_CHECK;
bool db_is_connected(const struct db *db);
/* Does the server say, as of its last answer, that nothing can be written: a standby, or default_transaction_read_only? False without a connection. */
bool db_is_read_only(const struct db *db);
/* Was the last db_connect (DB_RETRY) turned away for a reason that waiting alone does not cure: password, role, database, pg_hba.conf? */
bool db_refused(const struct db *db);
/* Is an idle connection still one, as far as the kernel knows? One that the server has ended is dropped. */
bool db_is_alive(struct db *db);
/* Drops the connection at once, whatever it is doing. */
void db_disconnect(struct db *db);
/* SQLSTATE of the last failed call, "" when it had none (connection lost); and PostgreSQL's primary message, for the log only. Lives until the next call. */
const char *db_sqlstate(const struct db *db);
const char *db_message(const struct db *db);
/* Measures the database's clock again (config.clock). */
enum db_status db_measure_clock(struct db *db) MUST_CHECK;

/* --- Parameters: added in order, each appending a type letter --- */

enum { DB_ARGS_MAX = 4096, DB_ARGS_BYTES = 512 << 20 };

struct db_args {
    struct buf store;
    size_t n;
    char types[DB_ARGS_MAX + 1];
    bool text[DB_ARGS_MAX];     /* sent in text form */
    size_t offset[DB_ARGS_MAX]; /* SIZE_MAX: null */
    int len[DB_ARGS_MAX];
    size_t array_count; /* of the array being built */
};
#define DB_ARGS_INIT                                                                                                                       \
    {                                                                                                                                      \
        .store = BUF_INIT(DB_ARGS_BYTES)                                                                                                   \
    }
#define AUTO_DB_ARGS CLEANUP(db_args_release)
void db_args_release(struct db_args *args);

/* One parameter each, of the type that its name says (db_arg_null: of the letter). What is given is copied. */
void db_arg_null(struct db_args *args, char type);
void db_arg_text(struct db_args *args, const char *text); /* NULL: null; also below */
void db_arg_text_len(struct db_args *args, const char *text, size_t len);
void db_arg_json(struct db_args *args, const char *json, size_t len);
void db_arg_bytes(struct db_args *args, const void *bytes, size_t len);
void db_arg_int(struct db_args *args, int32_t number);
void db_arg_long(struct db_args *args, int64_t number);
void db_arg_real(struct db_args *args, double number);
void db_arg_bool(struct db_args *args, bool value);
void db_arg_instant(struct db_args *args, int64_t us);
void db_arg_id(struct db_args *args, const struct id *id);
void db_arg_numeric(struct db_args *args, const char *decimal); /* as text */
void db_arg_ids(struct db_args *args, const struct id *ids, size_t n);
void db_arg_ints(struct db_args *args, const int32_t *numbers, size_t n);
void db_arg_texts(struct db_args *args, const char *const *texts, size_t n);
void db_arg_numerics(struct db_args *args, const char *const *decimals, size_t n);

/* An array element by element: db_array_begin('U'), db_array_…, db_array_end. at NULL: a null element. */
void db_array_begin(struct db_args *args, char type);
void db_array_text(struct db_args *args, const char *at, size_t len);
void db_array_json(struct db_args *args, const char *at, size_t len);
void db_array_int(struct db_args *args, int32_t number);
void db_array_long(struct db_args *args, int64_t number);
void db_array_bool(struct db_args *args, bool value);
void db_array_instant(struct db_args *args, int64_t us);
void db_array_id(struct db_args *args, const struct id *id);
void db_array_end(struct db_args *args);

/* The same of n elements, `add` adding element i: DB_ARRAY(&args, 'U', i, n, db_array_id(&args, &ids[i])). */
#define DB_ARRAY(args, type, i, n, add)                                                                                                    \
    do {                                                                                                                                   \
        db_array_begin((args), (type));                                                                                                    \
        for (size_t i = 0; i < (n); i++)                                                                                                   \
            add;                                                                                                                           \
        db_array_end(args);                                                                                                                \
    } while (0)

/* Rows for db_copy: begin, then for each row its number of fields and so many db_array_… for them. When they are many enough it is time for a db_copy, which
 * begins anew, so that as much may be written as there is. */
void db_copy_begin(struct db_args *rows);
void db_copy_row(struct db_args *rows, unsigned fields);
bool db_copy_is_due(const struct db_args *rows);

/* --- Rows --- */

struct db_rows {
    void *result; /* the driver's, owned */
};
#define DB_ROWS_INIT                                                                                                                       \
    {                                                                                                                                      \
        .result = NULL                                                                                                                     \
    }
#define AUTO_DB_ROWS CLEANUP(db_rows_release)
void db_rows_release(struct db_rows *rows);
size_t db_rows_count(const struct db_rows *rows);
/* So many rows like these take about that many bytes; 1 to most. */
int32_t db_rows_worth(const struct db_rows *rows, size_t bytes, int32_t most);
/* How many rows an INSERT, UPDATE or DELETE changed. */
int64_t db_rows_affected(const struct db_rows *rows);
bool db_null(const struct db_rows *rows, size_t row, int column);
/* Text, varchar, jsonb (as text) or bytea; NUL-terminated; NULL when null; lives as long as the rows. numeric: cast to text in SQL. */
const char *db_text(const struct db_rows *rows, size_t row, int column);
size_t db_text_len(const struct db_rows *rows, size_t row, int column);
/* smallint, integer or bigint; 0 when null. */
int64_t db_int(const struct db_rows *rows, size_t row, int column);
double db_real(const struct db_rows *rows, size_t row, int column); /* real or double precision */
bool db_bool(const struct db_rows *rows, size_t row, int column);
int64_t db_instant(const struct db_rows *rows, size_t row, int column); /* INSTANT_NONE when null */
struct id db_id(const struct db_rows *rows, size_t row, int column);    /* zero when null */
/* Elements of a uuid[], integer[], bigint[], timestamptz[] or text[], one after the other. Null elements read as zero or NULL; a null array has none. */
struct db_array {
    const char *at; /* the next element */
    size_t left;
};
struct db_array db_array(const struct db_rows *rows, size_t row, int column);
struct id db_array_next_id(struct db_array *array);
int64_t db_array_next_int(struct db_array *array); /* integer or bigint */
int64_t db_array_next_instant(struct db_array *array);
const char *db_array_next_text(struct db_array *array, size_t *ret_len); /* not NUL-terminated */

/* --- Calls: one round trip each. ret_rows may be NULL; it is released and filled, on DB_OK and DB_NONE --- */

/* A statement of the program, or one that db_prepare has made. */
enum db_status db_run(struct db *db, const struct db_statement *statement, const struct db_args *args, struct db_rows *ret_rows) MUST_CHECK;
/* SQL made at run time (by segment/): args give the types. */
enum db_status db_run_sql(struct db *db, const char *sql, const struct db_args *args, struct db_rows *ret_rows) MUST_CHECK;
/* Prepared by hand, for compiled segments: db_run and db_send take it as a struct db_statement of that name and these types. */
enum db_status db_prepare(struct db *db, const char *name, const char *sql, const char *types) MUST_CHECK;
enum db_status db_deallocate(struct db *db, const char *name) MUST_CHECK;
/* COPY … FROM STDIN (FORMAT binary): for many rows half the price of an INSERT from arrays. Outside any pipeline; may stand in a transaction.
 * Rows that were written are rows no more. */
enum db_status db_copy(struct db *db, const char *sql, struct db_args *rows) MUST_CHECK;
/* A script of several statements without parameters (a migration); outside any pipeline. */
enum db_status db_script(struct db *db, const char *sql) MUST_CHECK;

/* --- Pipelines: several statements in one round trip ---
 * db_send… any number, db_sync, then db_receive once for each send, in order, then db_receive_sync. After a failure the rest of the pipeline gives the
 * same status; a transaction opened in it stays to be rolled back (db_rollback). */
void db_send(struct db *db, const struct db_statement *statement, const struct db_args *args);
void db_send_sql(struct db *db, const char *sql); /* without parameters: "BEGIN", "COMMIT" */
void db_sync(struct db *db);
enum db_status db_receive(struct db *db, struct db_rows *ret_rows) MUST_CHECK;
enum db_status db_receive_sync(struct db *db) MUST_CHECK;
/* Receives n answers whose rows are of no interest, and the sync: how the pipeline ended. */
enum db_status db_receive_rest(struct db *db, size_t n) MUST_CHECK;

/* --- Transactions --- */

enum db_isolation { DB_READ_COMMITTED, DB_REPEATABLE_READ, DB_REPEATABLE_READ_ONLY };
enum db_status db_begin(struct db *db, enum db_isolation isolation) MUST_CHECK;
/* DB_RETRY with the connection lost: it may be committed or not. */
enum db_status db_commit(struct db *db) MUST_CHECK;
/* Is a transaction open, or failed and not ended, as of the last answer? */
bool db_in_transaction(const struct db *db);
/* How long each statement may take, 0: for ever: of the transaction if one is open, else of the session until it is set again. The second sends it into a
 * pipeline of an open transaction. */
enum db_status db_set_timeout(struct db *db, int64_t ms) MUST_CHECK;
void db_send_timeout(struct db *db, int64_t ms);
/* Did the last call end with this status because of it (or because somebody cancelled it)? The connection is there still. */
bool db_timed_out(const struct db *db, enum db_status status);
/* Ends the transaction if there is one; a connection that cannot is dropped. */
void db_rollback(struct db *db);
/* BEGIN, fn, COMMIT; ROLLBACK unless fn gave DB_OK or DB_NONE; the whole again, up to 5 times, for serialization failures and deadlocks. fn's status. */
typedef enum db_status db_tx_fn(struct db *db, void *context);
enum db_status db_tx(struct db *db, enum db_isolation isolation, db_tx_fn *fn, void *context) MUST_CHECK;

/* --- NOTIFY --- */

/* Waits for a notification on a channel this connection LISTENs to, at most timeout_ms, or until wake_fd (-1: none) is readable (it is not read).
 * DB_OK: one came, its channel in ret_channel (cut to size); DB_NONE: none; DB_RETRY: connection lost. */
enum db_status db_wait_notify(struct db *db, int wake_fd, unsigned timeout_ms, char *ret_channel, size_t size) MUST_CHECK;
