/* Which database, and is it there? The one idea: an operator's compose file starts cohortd and PostgreSQL at once, so a database that
 * cannot be reached yet is waited for, and the wait ends on SIGTERM; one that can be reached and is wrong (encoding, unknown schema) ends
 * the program. */
#include "server/database.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "db/migrate.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/embedded.h"

enum { RETRY_MS = 1000 };

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

enum prepared database_prepare(const struct database *database)
{
    for (;;) {
        switch (db_migrate(database->url)) {
        case DB_OK:
        case DB_NONE:
            return PREPARED;
        case DB_ERROR:
            return PREPARE_FAILED;
        case DB_RETRY:
            break;
        }
        log_info("waiting for the database", );
        if (wait_for_signal(RETRY_MS))
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
