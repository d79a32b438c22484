/* The small commands: migrate, version, keys create, verify, export, healthcheck. Each opens the database that its settings name (starting an embedded
 * cluster that does not run), does one thing on one connection and closes what it opened. Results go to stdout, everything else to stderr. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/key_make.h"
#include "db/key.h"
#include "server/base/log.h"
#include "server/command.h"
#include "server/database.h"

/* Runs fn on a connection to the prepared database; the command's exit status. */
static int with_database(const struct config *config, int (*fn)(const struct config *config, struct db *db))
{
    struct database *database = database_open(config);
    struct db_config how = {.role = "admin"};
    struct db *db;
    int status = 1;

    if (!database)
        return 1;
    how.url = database_url(database);
    db = db_new(&how);
    if (database_prepare(database) == PREPARED && db_connect(db) == DB_OK)
        status = fn ? fn(config, db) : 0;
    db_free(db);
    database_close(database);
    return status;
}

int command_version(const struct config *config)
{
    (void)config;
    printf("cohortd %s\n", COHORTD_VERSION);
    return 0;
}

int command_migrate(const struct config *config)
{
    return with_database(config, NULL);
}

static int create_key(const struct config *config, struct db *db)
{
    struct made_key made = key_make(config->role);
    bool write = strcmp(config->role, "write") == 0;
    const char *source = *config->source ? config->source : "default";
    struct key_new key = {.role = config->role, .source = write ? source : NULL, .name = "", .prefix = made.prefix, .hash = made.hash};

    if ((write && db_source_ensure(db, source) != DB_OK) || db_key_insert(db, &key, NULL) != DB_OK) {
        fprintf(stderr, "cohortd: the key was not made\n");
        return 1;
    }
    printf("%s\n", made.text);
    return 0;
}

int command_keys(const struct config *config)
{
    bool known = strcmp(config->role, "write") == 0 || strcmp(config->role, "read") == 0 || strcmp(config->role, "admin") == 0;

    if (config->n_args == 1 && strcmp(config->args[0], "create") == 0 && known)
        return with_database(config, create_key);
    fprintf(stderr, "usage: cohortd keys create --role write|read|admin [--source NAME]\n");
    return 2;
}
