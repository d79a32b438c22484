/* The service as a whole. The one idea: app_start begins things in one order, each needing only those before it, and app_stop ends them in the exact
 * reverse; between them stand the ports, through which the API reaches all of it (server/base/ports.h). Who owns which thread and queue is in docs/threads.md.
 * Stopping answers whatever was accepted: first /readyz says no and long polls are let go, then the listener waits for its requests, which need the writers and
 * query threads, so these end after it. */
#include "server/app.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "api/api.h"
#include "db/gate.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/command.h"
#include "server/fetch.h"
#include "server/keys.h"
#include "server/metrics.h"
#include "server/notify.h"
#include "server/query_pool.h"
#include "server/worker.h"
#include "server/writer.h"

enum { PARKED_MAX = 10000, OPERATE_CONNECTIONS = 64, WRITER_DRAIN_MS = 5000, AUDIT_MS = 1000 };

struct app {
    const struct config *config;
    const char *url;
    struct db_clock clock;
    struct db_gate *reads; /* of the query threads: broken when their requests are answered */
    struct db_gate *work;  /* of all others */
    _Atomic(const char *) waits;
    struct keys *keys;
    struct query_pool *pool;
    struct worker *worker;
    struct writer *writer;
    struct notify *notify;
    struct api *api;
    struct http *operate;        /* NULL: the main one serves that, too */
    _Atomic(struct http *) http; /* NULL to its own first requests: they can come before http_start returns */
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

static bool port_reload_keys(struct app *app, struct db *db)
{
    return keys_refresh(app->keys, db);
}

static void port_keys_changed(struct app *app, struct db *db)
{
    if (keys_load(app->keys, db) != DB_OK)
        log_warn("keys not read again after a change: the notification has them read"); /* or the reload after a reconnect */
}

static bool port_fetch(struct app *app, const char *url, struct buf *body)
{
    (void)app;
    return fetch_https(url, body);
}

static const char *port_not_ready(struct app *app)
{
    if (atomic_load(&app->stopping))
        return "stopping\n";
    if (!db_gate_is_open(app->work))
        return atomic_load(&app->waits);
    return notify_not_ready(app->notify);
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
    struct metrics_sources sources = {.http = atomic_load(&app->http), .pool = app->pool, .writer = app->writer, .worker = app->worker};

    metrics_append(&sources, text);
}

/* --- What the parts tell each other --- */

static void wake_worker(void *context)
{
    struct app *app = context;

    worker_wake(app->worker);
}

static void feed_moved(void *context)
{
    struct app *app = context;

    query_pool_move(app->pool);
}

static void worker_changed(void *context, int64_t max_seq)
{
    (void)max_seq;
    feed_moved(context);
}

static void writer_stored(struct ingest_job *const *jobs, size_t n, enum ingest_result result, void *context)
{
    (void)context;
    api_ingest_done(jobs, n, result);
}

/* --- Start, in this order --- */

static void start_threads(struct app *app)
{
    const struct config *config = app->config;
    struct query_pool_config pool = {.url = app->url,
                                     .gate = app->reads,
                                     .clock = &app->clock,
                                     .quick_threads = (unsigned)config->quick_threads,
                                     .long_threads = (unsigned)config->long_threads,
                                     .queue_max = (size_t)config->query_queue,
                                     .parked_max = PARKED_MAX};
    struct worker_config worker = {
        .url = app->url, .gate = app->work, .clock = &app->clock, .changed = worker_changed, .context = app, .audit_ms = AUDIT_MS};
    struct writer_config writer = {.url = app->url,
                                   .gate = app->work,
                                   .clock = &app->clock,
                                   .threads = (unsigned)config->writers,
                                   .waiting = {.messages = WRITER_WAITING_MESSAGES, .bytes = (size_t)config->queue_max},
                                   .names_max = (size_t)config->names_max,
                                   .notify = true,
                                   .stored = writer_stored,
                                   .wake_worker = wake_worker,
                                   .context = app};
    struct notify_config notify = {.url = app->url,
                                   .gate = app->work,
                                   .keys = app->keys,
                                   .clock = &app->clock,
                                   .on_touched = wake_worker,
                                   .on_change = feed_moved,
                                   .context = app};

    app->pool = query_pool_start(&pool);
    app->worker = worker_start(&worker);
    app->writer = writer_start(&writer);
    app->notify = notify_start(&notify);
}

static struct api *make_api(struct app *app)
{
    const struct config *config = app->config;
    struct ports ports = {.app = app,
                          .ingest = port_ingest,
                          .query = port_query,
                          .moved = port_moved,
                          .park = port_park,
                          .find_key = port_find_key,
                          .reload_keys = port_reload_keys,
                          .keys_changed = port_keys_changed,
                          .fetch = port_fetch,
                          .not_ready = port_not_ready,
                          .stats = port_stats,
                          .metrics = port_metrics,
                          .clock = &app->clock};
    struct api_config api = {.public_url = config->public_url,
                             .version = COHORTD_VERSION,
                             .tracker_path = config->tracker_path,
                             .collect_prefix = config->collect_prefix,
                             .body_max = (size_t)config->body_max,
                             .message_max = (size_t)config->message_max,
                             .timeout_ms = (unsigned)config->request_timeout_s * 1000,
                             .operate_apart = *config->operate_listen};

    return api_new(&api, &ports);
}

static bool start_listeners(struct app *app)
{
    const struct config *config = app->config;
    struct http_hooks hooks = api_hooks(app->api), operate_hooks = api_operate_hooks(app->api);
    struct http_config http = {.listen = config->listen,
                               .loops = (unsigned)config->loops,
                               .connections = (unsigned)config->connections,
                               .connections_per_ip = (unsigned)config->connections_per_ip,
                               .idle_timeout_s = (unsigned)config->idle_timeout_s,
                               .gzip_ratio_max = (size_t)config->gzip_ratio};
    struct http_config operate;

    if (!proxies_read(config->trusted_proxies, &http.proxies)) {
        log_error("bad --trusted-proxies", LOG_FIELD("value", LOG_TEXT(config->trusted_proxies)), );
        return false;
    }
    operate = http;
    operate.listen = config->operate_listen;
    operate.loops = 1;
    operate.connections = OPERATE_CONNECTIONS;
    atomic_store(&app->http, http_start(&http, &hooks));
    if (app->http && *config->operate_listen)
        app->operate = http_start(&operate, &operate_hooks);
    return app->http && (app->operate || !*config->operate_listen);
}

struct app *app_start(const struct config *config, const char *url)
{
    struct app *app = mem_zalloc(sizeof *app);

    app->config = config;
    app->url = url;
    app->reads = db_gate_new();
    app->work = db_gate_new();
    app_waits(app, "the database has not answered yet\n");
    fetch_begin();
    app->keys = keys_new();
    start_threads(app);
    app->api = make_api(app);
    if (start_listeners(app))
        return app;
    app_stop(app);
    return NULL;
}

void app_waits(struct app *app, const char *why)
{
    atomic_store(&app->waits, why);
}

void app_open(struct app *app)
{
    db_gate_open(app->reads);
    db_gate_open(app->work);
}

unsigned app_port(const struct app *app)
{
    return http_port(app->http);
}

/* --- Stop, in the reverse order --- */

void app_stop(struct app *app)
{
    atomic_store(&app->stopping, true);
    query_pool_release(app->pool);
    if (app->http)
        http_stop(app->http, (unsigned)app->config->drain_s * 1000);
    if (app->operate)
        http_stop(app->operate, 0);
    if (!db_gate_is_open(app->work)) /* never opened: they wait at it */
        db_gate_break(app->work);
    notify_stop(app->notify);
    writer_stop(app->writer, WRITER_DRAIN_MS);
    worker_stop(app->worker);
    query_pool_stop(app->pool);
    writer_free(app->writer); /* a large body that was read late is still handed to it, and refused */
    api_free(app->api);
    keys_free(app->keys);
    fetch_end();
    db_gate_free(app->work);
    db_gate_free(app->reads);
    free(app);
}
