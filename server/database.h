/* The database that a command works on: DATABASE_URL, or the embedded cluster of the data directory. */
#pragma once

#include "server/config.h"

struct database;

/* Starts the embedded cluster unless there is a URL or it runs already. NULL (logged) when it does not start. */
struct database *database_open(const struct config *config) MUST_CHECK;
const char *database_url(const struct database *database);
/* Leaves the embedded cluster as it was found: what database_open started, it stops. */
void database_close(struct database *database);

enum prepared { PREPARED, PREPARE_STOPPED, PREPARE_FAILED };
/* Waits until the database can be reached, asking again at growing intervals, and brings its schema up to date. PREPARE_STOPPED: SIGTERM
 * or SIGINT (which must be blocked) came meanwhile; PREPARE_FAILED: it cannot be used (logged). */
struct database_wait {
    int64_t
        seconds; /* after so long, and at once when the server refuses (password, role, database), PREPARE_FAILED with a sentence on stderr; 0: never */
    void (*waiting)(void *context, bool refused); /* called after each attempt in vain; NULL: none */
    void *context;
};
enum prepared database_prepare(const struct database *database, const struct database_wait *wait) MUST_CHECK;

/* Waits for SIGTERM or SIGINT, which must be blocked, at most timeout_ms (-1: for ever). True: one came. */
bool wait_for_signal(int timeout_ms);
