/* cohortd serve. The one idea: open the database, start everything, bring the schema up to date and let the threads in, wait for a
 * signal, stop everything; while the database is waited for it listens and says so, and a signal ends the program as well. On the very
 * first start it makes a source and two keys, and prints a line that works, because nobody can send an event without a key. */
#include <stdio.h>
#include <string.h>

#include "api/key_make.h"
#include "db/key.h"
#include "db/source.h"
#include "server/app.h"
#include "server/base/log.h"
#include "server/base/loopback.h"
#include "server/command.h"
#include "server/database.h"

#define FIRST_SOURCE "default"

struct first_keys {
    bool made;
    struct made_key write;
    struct made_key admin;
};

static bool make_key(struct db *db, const char *role, const char *source, struct made_key *ret_key)
{
    struct key_new key = {.role = role, .source = source, .name = "first start"};

    *ret_key = key_make(role);
    key.prefix = ret_key->prefix;
    key.hash = ret_key->hash;
    return db_key_insert(db, &key, NULL) == DB_OK;
}

/* Makes keys when there is none yet; false: the database failed. */
static bool make_first_keys(const char *url, struct first_keys *ret_keys)
{
    struct db_config config = {.url = url, .role = "start"};
    struct db *db = db_new(&config);
    enum db_status any = db_connect(db) == DB_OK ? db_key_any(db) : DB_RETRY;

    ret_keys->made = any == DB_NONE && db_source_ensure(db, FIRST_SOURCE) == DB_OK &&
                     make_key(db, "write", FIRST_SOURCE, &ret_keys->write) && make_key(db, "admin", NULL, &ret_keys->admin);
    db_free(db);
    return any == DB_OK || ret_keys->made;
}

static void print_start(const struct config *config, unsigned port, const struct first_keys *keys)
{
    char host[LOOPBACK_HOST], listen_port[LOOPBACK_PORT], url[LOOPBACK_HOST + 32];

    if (!loopback_split(config->listen, host, listen_port))
        return;
    if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
        (void)snprintf(host, sizeof host, "127.0.0.1");
    (void)snprintf(url, sizeof url, strchr(host, ':') ? "http://[%s]:%u" : "http://%s:%u", host, port);
    printf("cohortd %s serves on %s\n", COHORTD_VERSION, url);
    if (!keys->made) {
        printf("  keys: cohortd keys create --role write|read|admin%s%s\n", *config->data_dir ? " --data-dir " : "", config->data_dir);
    } else {
        printf("  write key: %s\n  admin key: %s\n  (shown once; more: cohortd keys create)\n\nsend an event:\n", keys->write.text,
               keys->admin.text);
        printf("  curl -u %s: %s/v1/track -d '{\"userId\":\"u1\",\"event\":\"Order Completed\",\"properties\":{\"total\":19.99}}'\n",
               keys->write.text, url);
    }
    (void)fflush(stdout);
}

/* Everything runs: until a signal comes. The keys are made last, when they are sure to be shown. */
static int run(const struct config *config, const char *url, const struct app *app)
{
    struct first_keys keys = {.made = false};

    log_info("serving", LOG_FIELD("listen", LOG_TEXT(config->listen)), LOG_FIELD("port", LOG_INT(app_port(app))), );
    if (!make_first_keys(url, &keys))
        return 1;
    print_start(config, app_port(app), &keys);
    (void)wait_for_signal(-1);
    log_info("stopping", );
    return 0;
}

static void say_waiting(void *context, bool refused)
{
    app_waits(context, refused ? "the database refuses the connection\n" : "the database cannot be reached\n");
}

static int serve(const struct config *config, const struct database *database)
{
    struct app *app = app_start(config, database_url(database));
    struct database_wait wait = {.waiting = say_waiting, .context = app};
    int status = 1;

    if (!app)
        return 1;
    switch (database_prepare(database, &wait)) {
    case PREPARE_STOPPED:
        status = 0;
        break;
    case PREPARE_FAILED:
        break;
    case PREPARED:
        app_open(app);
        status = run(config, database_url(database), app);
        break;
    }
    app_stop(app);
    log_info("stopped", );
    return status;
}

int command_serve(const struct config *config)
{
    struct database *database = database_open(config);
    int status;

    if (!database)
        return 1;
    status = serve(config, database);
    database_close(database);
    return status;
}
