/* The connection's inside: shared by conn.c, connect.c and call.c, and nobody else's. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "db/conn.h"

enum { SQLSTATE_SIZE = 6, MESSAGE_SIZE = 512 };

struct db {
    struct db_config config;
    PGconn *conn;          /* NULL: none */
    enum db_status failed; /* DB_OK, or how the current pipeline failed */
    char sqlstate[SQLSTATE_SIZE];
    char message[MESSAGE_SIZE];
    bool refused; /* the last attempt to connect: by the server, for good */
    bool away;    /* attempts to connect have failed, and that has been told */
};

/* Keeps what db_sqlstate and db_message say; NULL: "". Of a message its first line. */
void conn_note(struct db *db, const char *sqlstate, const char *message);
/* The connection is of no use any more: it is dropped, and the pipeline with it; logged, with why (NULL: what libpq says). DB_RETRY. */
enum db_status conn_lost(struct db *db, const char *why);
/* Is there a gate, and it is not open? */
bool conn_is_shut(const struct db *db);
/* Sends what libpq has buffered, reading meanwhile so that neither side waits for the other. False: the connection is lost. Of a connection that is there. */
bool conn_flush(struct db *db);
/* The next result, the caller's, NULL between two statements; *ret_lost when the connection is lost. Of a connection that is there. */
PGresult *conn_next_result(struct db *db, bool *ret_lost);
/* Adds the making of a prepared statement to the pipeline (call.c); types are type letters. Its answer is db_receive's. */
void conn_send_prepare(struct db *db, const char *name, const char *sql, const char *types);
