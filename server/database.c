/* Which database, and is it there? The one idea: an operator's compose file starts cohortd and PostgreSQL at once, so a database that
 * cannot be reached yet is waited for, and the wait ends on SIGTERM; one that can be reached and is wrong (encoding, unknown schema) ends
 * the program. */
#include "server/database.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "db/migrate.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/embedded.h"

enum { RETRY_MS = 100, RETRY_MAX_MS = 2000 };

struct database {
    char *url;
    struct embedded *embedded; /* NULL: given by URL */
};

/* Where the embedded cluster lives when nobody says; malloc'd. */
static char *default_dir(void)
{
    const char *data_home = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    char path[PATH_MAX];

    if (geteuid() == 0)
        return mem_strdup("/var/lib/cohortd");
    if (data_home && *data_home)
        (void)snprintf(path, sizeof path, "%s/cohortd", data_home);
    else
        (void)snprintf(path, sizeof path, "%s/.local/share/cohortd", home ? home : ".");
    return mem_strdup(path);
}

static bool open_embedded(struct database *database, const char *data_dir)
{
    char *dir AUTO_FREE = *data_dir ? mem_strdup(data_dir) : default_dir();

    database->embedded = embedded_start(dir);
    if (database->embedded)
        database->url = mem_strdup(embedded_url(database->embedded));
    return database->embedded != NULL;
}

struct database *database_open(const struct config *config)
{
    struct database *database = mem_zalloc(sizeof *database);

    if (*config->database_url) {
        database->url = mem_strdup(config->database_url);
    } else if (!open_embedded(database, config->data_dir)) {
        free(database);
        return NULL;
    }
    return database;
}

const char *database_url(const struct database *database)
{
    return database->url;
}

void database_close(struct database *database)
{
    if (!database)
        return;
    if (database->embedded)
        embedded_stop(database->embedded);
    free(database->url);
    free(database);
}

/* Says why a command gives up. */
static void give_up(const struct db *db)
{
    if (db_is_read_only(db))
        fprintf(stderr, "cohortd: the database is read-only\n");
    else
        fprintf(stderr, "cohortd: the database %s: %s\n", db_refused(db) ? "refuses the connection" : "cannot be reached", db_message(db));
}

/* One attempt. DB_RETRY: not reached, or not to be written to. */
static enum db_status attempt(const struct database *database, const struct database_wait *wait, bool last)
{
    struct db_config config = {.url = database->url, .role = "start", .bare = true};
    struct db *db = db_new(&config);
    enum db_status status = db_connect(db);

    if (status == DB_OK && db_is_read_only(db))
        status = DB_RETRY;
    if (status == DB_RETRY && wait->waiting)
        wait->waiting(wait->context, db_refused(db));
    if (status == DB_RETRY && wait->seconds && (last || db_refused(db))) {
        give_up(db);
        status = DB_ERROR;
    }
    db_free(db);
    return status == DB_OK ? db_migrate(database->url) : status;
}

enum prepared database_prepare(const struct database *database, const struct database_wait *wait)
{
    int64_t give_up_us = clock_mono_us() + wait->seconds * US_PER_S;

    for (int pause_ms = RETRY_MS;; pause_ms = pause_ms * 2 < RETRY_MAX_MS ? pause_ms * 2 : RETRY_MAX_MS) {
        switch (attempt(database, wait, clock_mono_us() + pause_ms * US_PER_MS > give_up_us)) {
        case DB_OK:
        case DB_NONE:
            return PREPARED;
        case DB_ERROR:
            return PREPARE_FAILED;
        case DB_RETRY:
            break;
        }
        log_info("waiting for the database", );
        if (wait_for_signal(pause_ms))
            return PREPARE_STOPPED;
    }
}

bool wait_for_signal(int timeout_ms)
{
    struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L};
    sigset_t set;
    int got;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    do
        got = timeout_ms < 0 ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &timeout);
    while (got < 0 && errno == EINTR);
    return got > 0;
}
