/* The service as a whole. The one idea: app_start begins things in one order, each needing only those before it, and app_stop ends them in the exact
 * reverse; between them stand the ports, through which the API reaches all of it (server/base/ports.h). Who owns which thread and queue is in docs/threads.md.
 * Stopping answers whatever was accepted: first /readyz says no and long polls are let go, then the listener waits for its requests, which need the writers and
 * query threads, so these end after it. */
#include "server/app.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "api/api.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/command.h"
#include "server/keys.h"
#include "server/metrics.h"
#include "server/notify.h"
#include "server/query_pool.h"
#include "server/worker.h"
#include "server/writer.h"

enum { PARKED_MAX = 10000, OPERATE_CONNECTIONS = 64 };

struct app {
    const struct config *config;
    struct db_clock clock;
    struct keys *keys;
    struct query_pool *pool;
    struct writer *writer;
    struct worker *worker;
    struct notify *notify;
    struct api *api;
    struct http *operate; /* NULL: the main one serves that, too */
    struct http *http;
    _Atomic bool stopping;
};

/* --- Ports --- */

static bool port_ingest(struct app *app, struct ingest_job *job)
{
    return writer_submit(app->writer, job);
}

static bool port_query(struct app *app, struct work *work)
{
    return query_pool_submit(app->pool, work);
}

static uint64_t port_moved(struct app *app)
{
    return query_pool_moved(app->pool);
}

static bool port_park(struct app *app, struct work *work, uint64_t seen, int64_t deadline_us)
{
    return query_pool_park(app->pool, work, seen, deadline_us);
}

static bool port_find_key(struct app *app, const uint8_t hash[KEY_HASH_SIZE], const char *origin, struct key *ret_key)
{
    return keys_find(app->keys, hash, origin, ret_key);
}

static void port_reload_keys(struct app *app, struct db *db)
{
    keys_refresh(app->keys, db);
}

static const char *port_not_ready(struct app *app)
{
    if (atomic_load(&app->stopping))
        return "stopping\n";
    return notify_is_up(app->notify) ? NULL : "the database cannot be reached\n";
}

static void port_stats(struct app *app, struct server_stats *ret_stats)
{
    struct query_pool_stats pool = query_pool_stats(app->pool);
    struct writer_stats writer = writer_stats(app->writer);

    *ret_stats = (struct server_stats){.ingest_waiting = writer.waiting_messages,
                                       .ingest_bytes = writer.waiting_bytes,
                                       .queries_waiting = pool.waiting,
                                       .parked = pool.parked};
}

static void port_metrics(struct app *app, struct buf *text)
{
    struct metrics_sources sources = {.http = app->http, .pool = app->pool, .writer = app->writer, .worker = app->worker};

    metrics_append(&sources, text);
}

static void on_touched(void *context)
{
    struct app *app = context;

    worker_wake(app->worker);
}

static void on_change(void *context)
{
    struct app *app = context;

    query_pool_move(app->pool);
}
