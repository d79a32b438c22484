/* The frame of a tick. The one idea: the one row of `worker` is lease, fence and heartbeat at once: each transaction of a worker begins by updating it under
 * its own epoch, so one that lost the lead, however late it wakes, finds no row and commits nothing (a session lock would be held for hours by a vanished
 * host, and an open transaction could commit after a new leader's). The watermark is written by the transaction that makes it true. */
#include "db/tick.h"

#include "server/base/log.h"

/* A locked row is a leader at work, however old its beat: one that waited for the lock would take the lead from every tick or slice that is slow. */
DB_STATEMENT(
    worker_lead, "l",
    "UPDATE worker SET epoch = epoch + 1, beat = clock_timestamp() WHERE one = (SELECT one FROM worker WHERE epoch = $1"
    " OR beat < clock_timestamp() - interval '5 s' OR beat > clock_timestamp() + interval '5 s' FOR UPDATE SKIP LOCKED) RETURNING epoch");
DB_STATEMENT(worker_resign, "l", "UPDATE worker SET beat = '-infinity' WHERE epoch = $1");
/* PostgreSQL ends a transaction that idles, but not one that waits in the middle of a pipeline for a client that was stopped or cut off there. */
DB_STATEMENT(worker_unblock, "",
             "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user"
             " AND application_name IN ('cohortd worker', 'cohortd writer', 'cohortd import') AND state = 'active'"
             " AND wait_event_type = 'Client' AND query_start < clock_timestamp() - interval '15 s'");
DB_STATEMENT(
    worker_beat, "l",
    "UPDATE worker SET beat = clock_timestamp() WHERE epoch = $1 "
    "RETURNING beat, as_of,"
    " (SELECT greatest(floor_at, (SELECT min(ts AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' FROM event) - interval '1 microsecond') FROM retention), EXISTS (SELECT FROM segment WHERE deleted_at IS NOT NULL)");
DB_STATEMENT(worker_mark, "lz", "UPDATE worker SET as_of = $2, beat = clock_timestamp() WHERE epoch = $1");
DB_STATEMENT(worker_notify, "t", "SELECT pg_notify('cohortd_change', $1)");
DB_STATEMENT(worker_status, "",
             "SELECT clock_timestamp(), epoch, beat, as_of,"
             " queue.n + (SELECT count(*) FROM segment s JOIN segment_version v ON v.version_id = s.serving_version_id"
             " WHERE v.state = 'retired' AND s.deleted_at IS NULL AND EXISTS"
             " (SELECT FROM segment_version b WHERE b.segment_id = s.segment_id AND b.state = 'building')) + (SELECT count(*) FROM aside), "
             "queue.oldest "
             "FROM worker, (SELECT count(*) AS n, min(at) AS oldest FROM"
             " (SELECT at FROM touched UNION ALL SELECT at FROM list_op WHERE done_at IS NULL) AS waiting) AS queue");

enum db_status db_worker_lead(struct db *db, int64_t *epoch)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_long(&args, *epoch);
    status = db_run(db, &worker_lead, &args, &rows);
    if (status == DB_OK)
        *epoch = db_int(&rows, 0, 0);
    return status;
}

enum db_status db_worker_unblock(struct db *db)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run(db, &worker_unblock, NULL, &rows);

    for (size_t i = 0; i < db_rows_count(&rows); i++)
        log_warn("a client hangs in its transaction: ended", LOG_FIELD("pid", LOG_INT(db_int(&rows, i, 0))), );
    return status == DB_NONE ? DB_OK : status;
}

void db_worker_keep(struct db *db, int64_t epoch)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_long(&args, epoch);
    if (db_run(db, &worker_beat, &args, NULL) == DB_ERROR)
        db_disconnect(db);
}

void db_worker_resign(struct db *db, int64_t epoch)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_long(&args, epoch);
    if (db_run(db, &worker_resign, &args, NULL) != DB_OK)
        db_disconnect(db);
}

static void send_begin(struct db *db, int64_t epoch)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_long(&args, epoch);
    db_send_sql(db, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    db_send(db, &worker_beat, &args);
}

static enum db_status receive_begin(struct db *db, struct db_frame *ret_frame)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status begun = db_receive(db, NULL), status = db_receive(db, &rows);

    if (begun != DB_OK)
        return begun;
    if (status == DB_OK)
        *ret_frame = (struct db_frame){.clock_us = db_instant(&rows, 0, 0),
                                       .as_of_us = db_instant(&rows, 0, 1),
                                       .floor_us = db_instant(&rows, 0, 2),
                                       .deleted = db_bool(&rows, 0, 3)};
    return status;
}

/* Whoever is not the leader has no business in a transaction. */
static enum db_status fenced(struct db *db, enum db_status status)
{
    if (status == DB_NONE)
        db_rollback(db);
    return status;
}

enum db_status db_frame_begin(struct db *db, int64_t epoch, struct db_frame *ret_frame)
{
    enum db_status status, end;

    send_begin(db, epoch);
    db_sync(db);
    status = receive_begin(db, ret_frame);
    end = db_receive_sync(db);
    return fenced(db, end == DB_OK ? status : end);
}

enum db_status db_frame_run(struct db *db, int64_t epoch, enum db_status (*step)(struct db *db))
{
    struct db_frame frame;
    enum db_status status = db_frame_begin(db, epoch, &frame);

    if (status == DB_NONE)
        return DB_NONE;
    if (status == DB_OK)
        status = step(db);
    if (status == DB_OK || status == DB_NONE)
        status = db_commit(db);
    db_rollback(db);
    return status;
}

enum db_status db_tick_begin(struct db *db, int64_t epoch, size_t max_weight, struct db_frame *ret_frame, struct touched *ret_touched)
{
    enum db_status status, read, end;

    send_begin(db, epoch);
    db_touched_send(db, max_weight);
    db_sync(db);
    status = receive_begin(db, ret_frame);
    read = db_touched_receive(db, max_weight, ret_touched);
    end = db_receive_sync(db);
    if (end != DB_OK)
        return end;
    return fenced(db, status == DB_OK ? read : status);
}

enum db_status db_tick_end(struct db *db, int64_t epoch, int64_t as_of_us, const struct touched *touched)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    size_t sent = 0;

    db_arg_long(&args, epoch);
    db_arg_instant(&args, as_of_us);
    if (touched->stats.n) {
        db_touched_send_stats(db, touched);
        sent++;
    }
    if (touched->ids.n) {
        db_touched_send_delete(db, touched);
        sent++;
    }
    db_send(db, &worker_mark, &args);
    db_send_sql(db, "COMMIT");
    db_sync(db);
    return db_receive_rest(db, sent + 2);
}

enum db_status db_tick_notify(struct db *db, int64_t max_seq)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_BUF struct buf text = BUF_INIT(32);

    buf_add_int(&text, max_seq);
    db_arg_text(&args, buf_text(&text));
    return db_run(db, &worker_notify, &args, NULL);
}

enum db_status db_worker_status(struct db *db, struct db_worker_status *ret_status)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run(db, &worker_status, NULL, &rows);
    int64_t since;

    if (status != DB_OK)
        return status;
    *ret_status = (struct db_worker_status){.clock_us = db_instant(&rows, 0, 0),
                                            .epoch = db_int(&rows, 0, 1),
                                            .beat_us = db_instant(&rows, 0, 2),
                                            .as_of_us = db_instant(&rows, 0, 3),
                                            .pending = db_int(&rows, 0, 4)};
    since = db_instant(&rows, 0, 5);
    if (since == INSTANT_NONE || since > ret_status->as_of_us)
        since = ret_status->as_of_us;
    if (since != DB_INSTANT_PAST && ret_status->clock_us > since)
        ret_status->lag_ms = (ret_status->clock_us - since) / US_PER_MS;
    return DB_OK;
}
