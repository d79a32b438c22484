/* /v1/status: is the service well, and how far is the worker? What the worker says comes from one statement, so pending and as_of belong together:
 * pending 0 means that every committed event is reflected up to as_of.
 * The queues are this process's own. */
#include "api/handlers.h"
#include "db/tick.h"

static void put_worker(struct json_out *out, const struct db_worker_status *worker)
{
    json_key(out, "worker");
    json_open(out, '{');
    json_add_instant(out, "as_of", worker->as_of_us == DB_INSTANT_PAST ? INSTANT_NONE : worker->as_of_us);
    json_add_int(out, "pending", worker->pending);
    json_add_int(out, "lag_ms", worker->lag_ms);
    json_add_int(out, "epoch", worker->epoch);
    json_close(out, '}');
}

static void put_queue(struct json_out *out, const struct server_stats *stats)
{
    json_key(out, "queue");
    json_open(out, '{');
    json_add_int(out, "messages", (int64_t)stats->ingest_waiting);
    json_add_int(out, "bytes", (int64_t)stats->ingest_bytes);
    json_add_int(out, "queries", (int64_t)stats->queries_waiting);
    json_add_int(out, "parked", (int64_t)stats->parked);
    json_close(out, '}');
}

enum handled api_status(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    struct db_worker_status worker;
    enum db_status status = db_worker_status(c->db, &worker);
    struct server_stats stats;

    if (status != DB_OK)
        return answer_status(c, status);
    c->ports->stats(c->ports->app, &stats);
    json_open(&out, '{');
    json_add_text(&out, "version", c->api->config.version);
    json_key(&out, "database");
    json_open(&out, '{');
    json_add_instant(&out, "clock", worker.clock_us);
    json_close(&out, '}');
    put_queue(&out, &stats);
    put_worker(&out, &worker);
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}
