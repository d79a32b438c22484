/* One connection: what it holds, and how its socket is waited for. The one idea: the connection is non-blocking, so every wait is the
 * same poll with a deadline; a PostgreSQL that hangs costs a thread wait_timeout_ms and no more. A failed call leaves its SQLSTATE; a
 * lost connection is dropped at once and made again by the next db_connect. Making it is connect.c's, what is said over it call.c's,
 * transactions and retries are tx.c's. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "db/conn_private.h"
#include "server/base/alloc.h"
#include "server/base/log.h"

enum { WAIT_DEFAULT_MS = 60 * 1000 };

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

static bool says_on(const struct db *db, const char *parameter)
{
    const char *value = PQparameterStatus(db->conn, parameter);

    return value && strcmp(value, "on") == 0;
}

bool db_is_read_only(const struct db *db)
{
    return says_on(db, "in_hot_standby") || says_on(db, "default_transaction_read_only");
}

bool db_refused(const struct db *db)
{
    return db->refused;
}

void conn_note(struct db *db, const char *sqlstate, const char *message)
{
    (void)snprintf(db->sqlstate, sizeof db->sqlstate, "%s", sqlstate ? sqlstate : "");
    (void)snprintf(db->message, sizeof db->message, "%s", message ? message : "");
    db->message[strcspn(db->message, "\n")] = '\0';
}

enum db_status conn_lost(struct db *db, const char *why)
{
    if (db->conn) {
        conn_note(db, "", why ? why : PQerrorMessage(db->conn));
        log_warn("database connection lost", LOG_FIELD("role", LOG_TEXT(db->config.role)), LOG_FIELD("why", LOG_TEXT(db->message)), );
        db_disconnect(db);
    }
    db->failed = DB_RETRY;
    return DB_RETRY;
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

bool conn_is_shut(const struct db *db)
{
    return db->config.gate && !db_gate_is_open(db->config.gate);
}

/* After wait_socket was false. */
static enum db_status lost_waiting(struct db *db)
{
    return conn_lost(db, conn_is_shut(db) ? "stopping" : "no answer in time");
}

static int64_t deadline(const struct db *db)
{
    return clock_mono_us() + (int64_t)db->config.wait_timeout_ms * US_PER_MS;
}

bool conn_flush(struct db *db)
{
    int64_t until = deadline(db);
    int left;

    while ((left = PQflush(db->conn)) > 0) {
        if (!wait_socket(db, POLLIN | POLLOUT, until))
            return lost_waiting(db), false;
        if (!PQconsumeInput(db->conn))
            return conn_lost(db, NULL), false;
    }
    if (left < 0)
        return conn_lost(db, NULL), false;
    return true;
}

PGresult *conn_next_result(struct db *db, bool *ret_lost)
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
            conn_lost(db, NULL);
            *ret_lost = true;
            return NULL;
        }
    }
    return PQgetResult(db->conn);
}

/* An idle connection has nothing to read but notices, notifications, and its end: what a server that went said last, then the end of the stream. */
bool db_is_alive(struct db *db)
{
    while (db->conn) {
        struct pollfd fd = {.fd = PQsocket(db->conn), .events = POLLIN};

        if (poll(&fd, 1, 0) <= 0)
            return true;
        if (!PQconsumeInput(db->conn))
            conn_lost(db, NULL);
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
    struct pollfd fds[2] = {{.events = POLLIN}, {.fd = wake_fd, .events = POLLIN}};

    if (!db->conn)
        return DB_RETRY;
    fds[0].fd = PQsocket(db->conn);
    if (take_notify(db, ret_channel, size))
        return DB_OK;
    if (poll(fds, ARRAY_LEN(fds), (int)timeout_ms) <= 0 || !fds[0].revents)
        return DB_NONE;
    if (!PQconsumeInput(db->conn))
        return conn_lost(db, NULL);
    return take_notify(db, ret_channel, size) ? DB_OK : DB_NONE;
}
