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
/* Waits until the database can be reached, with a log line now and then, and brings its schema up to date. PREPARE_STOPPED: SIGTERM or SIGINT (which must be
 * blocked) came meanwhile; PREPARE_FAILED (logged): it cannot be used. */
enum prepared database_prepare(const struct database *database) MUST_CHECK;

/* Waits for SIGTERM or SIGINT, which must be blocked, at most timeout_ms (-1: for ever). True: one came. */
bool wait_for_signal(int timeout_ms);
