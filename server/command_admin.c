/* The small commands: migrate, version, keys create, verify, export, healthcheck. Each opens the database that its settings name (starting
 * an embedded cluster that does not run), does one thing on one connection and closes what it opened. Results go to stdout, everything else
 * to stderr. */
#include <stdio.h>
#include <string.h>

#include "api/consent.h"
#include "api/key_make.h"
#include "api/member_text.h"
#include "db/key.h"
#include "db/segment.h"
#include "db/source.h"
#include "db/verify.h"
#include "server/base/log.h"
#include "server/base/loopback.h"
#include "server/command.h"
#include "server/database.h"

/* Runs fn on a connection to the prepared database; the command's exit status. */
static int with_database(const struct config *config, int (*fn)(const struct config *config, struct db *db))
{
    struct database *database = database_open(config);
    struct db_config how = {.role = "admin"};
    struct database_wait wait = {.seconds = config->wait_s};
    struct db *db;
    int status = 1;

    if (!database)
        return 1;
    how.url = database_url(database);
    db = db_new(&how);
    if (database_prepare(database, &wait) == PREPARED && db_connect(db) == DB_OK)
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

/* --- verify --- */

static void print_difference(void *context, const struct db_verify_row *row)
{
    const char *key = context;

    const struct who *who = &row->who;

    printf("%s: %s%s %s\n", key,
           who->user_id        ? ""
           : who->anonymous_id ? "anon:"
                               : "email:",
           who->user_id        ? who->user_id
           : who->anonymous_id ? who->anonymous_id
           : who->email        ? who->email
                               : "?",
           row->should_be ? "should be a member and is none" : "is a member and should be none");
}

/* 0: equal, 1: not, or it could not be told. */
static int verify_one(struct db *db, const char *key)
{
    struct db_verify verify = {.key = key, .differs = print_difference, .context = (void *)(uintptr_t)key, .to = id_last()};
    struct db_verified verified;

    switch (db_verify(db, &verify, &verified)) {
    case DB_OK:
        printf("%s: %s\n", key, !verified.kept ? "not built" : verified.differ ? "differs" : "equal");
        return verified.differ != 0;
    case DB_NONE:
        fprintf(stderr, "cohortd: there is no rule %s\n", key);
        return 1;
    case DB_RETRY:
    case DB_ERROR:
        fprintf(stderr, "cohortd: %s was not verified\n", key);
        return 1;
    }
    BUG("impossible db_status");
}

static int verify_all(struct db *db)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct segment_filter filter = {.kind = "rule", .after = "", .limit = INT32_MAX};
    enum db_status status = db_segment_list(db, &filter, &rows);
    int worst = 0;

    if (status != DB_OK && status != DB_NONE)
        return 1;
    for (size_t i = 0; i < db_rows_count(&rows); i++)
        worst |= verify_one(db, db_segment_row(&rows, i).key);
    return worst;
}

static int verify(const struct config *config, struct db *db)
{
    return config->n_args ? verify_one(db, config->args[0]) : verify_all(db);
}

int command_verify(const struct config *config)
{
    return with_database(config, verify);
}

/* --- export --- */

static bool print_piece(void *context, const char *bytes, size_t len)
{
    (void)context;
    return fwrite(bytes, 1, len, stdout) == len;
}

static int export(const struct config *config, struct db *db)
{
    AUTO_REACHABLE struct reachable reachable = {.n = 0};
    struct member_export export = {.db = db,
                                   .key = config->args[0],
                                   .at_us = INSTANT_NONE,
                                   .form = strcmp(config->format, "csv") == 0 ? MEMBER_CSV : MEMBER_NDJSON,
                                   .write = print_piece};
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;
    bool done = false;

    if (*config->reachable && !reachable_split(config->reachable, &reachable)) {
        fprintf(stderr, "cohortd: --reachable must be 1 to 20 channels such as email, parted by commas\n");
        return 2;
    }
    export.reachable = reachable.channels;
    export.n_reachable = reachable.n;
    status = db_begin(db, DB_REPEATABLE_READ_ONLY);
    if (status == DB_OK)
        status = db_segment_read(db, export.key, &rows);
    if (status == DB_OK)
        done = member_export_run(&export) && fflush(stdout) == 0;
    db_rollback(db);
    if (status == DB_NONE)
        fprintf(stderr, "cohortd: there is no segment %s\n", export.key);
    else if (!done)
        fprintf(stderr, "cohortd: the export is not complete\n");
    return !done;
}

int command_export(const struct config *config)
{
    if (config->n_args == 1 && (strcmp(config->format, "csv") == 0 || strcmp(config->format, "ndjson") == 0))
        return with_database(config, export);
    fprintf(stderr, "usage: cohortd export SEGMENT [--format ndjson|csv] [--reachable CHANNELS]\n");
    return 2;
}

/* --- healthcheck --- */

int command_healthcheck(const struct config *config)
{
    AUTO_BUF struct buf answer = BUF_INIT(4096);
    const char *listen = *config->operate_listen ? config->operate_listen : config->listen;
    char host[LOOPBACK_HOST], port[LOOPBACK_PORT];
    struct loopback_request request = {.host = host, .port = port, .method = "GET", .path = "/healthz", .timeout_ms = 2500};
    unsigned status;

    if (!loopback_split(listen, host, port)) {
        fprintf(stderr, "cohortd: --listen is not an address: %s\n", listen);
        return 2;
    }
    if (strcmp(host, "0.0.0.0") == 0)
        request.host = "127.0.0.1";
    if (strcmp(host, "::") == 0)
        request.host = "::1";
    return loopback_send(&request, &status, &answer) && status == 200 ? 0 : 1;
}
