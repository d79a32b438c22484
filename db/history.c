/* History. The one idea: it is the feed, counted by the minute: so it is exact whatever wrote the feed, ticks pay nothing for it, and a
 * reader adds what is not counted yet by the same view that counting uses. Old minutes are folded into hours and old hours into days. What
 * was before a segment existed is computed elsewhere (server/history.c) and only kept here. */
#include "db/history.h"

DB_STATEMENT(history_segment, "t",
             "SELECT (SELECT min(live_at) FROM segment_version v WHERE v.segment_id = s.segment_id) FROM segment s"
             " WHERE key = $1 AND deleted_at IS NULL");
DB_STATEMENT(history_rows, "tzz",
             "WITH mine AS (SELECT segment_id FROM segment WHERE key = $1 AND deleted_at IS NULL)"
             " SELECT at, size, identified, entered, left_count, computed FROM (SELECT z.*, false AS news FROM segment_size z"
             " WHERE segment_id = (SELECT segment_id FROM mine) AND at < $3 AND at >= coalesce((SELECT max(at) FROM segment_size l"
             " WHERE l.segment_id = (SELECT segment_id FROM mine) AND l.at < $2), '-infinity')"
             " UNION ALL SELECT segment_id, at, 0::smallint, size, identified, entered, left_count, false, true FROM segment_size_news"
             " WHERE segment_id = (SELECT segment_id FROM mine) AND at < $3) r ORDER BY at, news");
DB_STATEMENT(history_wanted, "i",
             "SELECT coalesce((SELECT seq FROM change ORDER BY seq DESC LIMIT 1), 0) - (SELECT seq FROM segment_size_mark),"
             " w.segment_id, w.version_id FROM (SELECT) one LEFT JOIN (SELECT s.segment_id, v.version_id FROM segment s"
             " JOIN segment_version v ON v.version_id = s.serving_version_id AND v.state = 'live'"
             " WHERE s.backfilled_at IS NULL AND s.deleted_at IS NULL AND s.kind = 'rule' AND s.segment_id > $1"
             " ORDER BY s.segment_id LIMIT 1) w ON true");
DB_STATEMENT(history_note, "",
             "INSERT INTO segment_size AS z (segment_id, at, size, identified, entered, left_count)"
             " SELECT segment_id, at, size, identified, entered, left_count FROM segment_size_news ORDER BY segment_id, at"
             " ON CONFLICT (segment_id, at) DO UPDATE SET size = excluded.size, identified = excluded.identified, computed = false,"
             " entered = coalesce(z.entered, 0) + excluded.entered, left_count = coalesce(z.left_count, 0) + excluded.left_count");
DB_STATEMENT(history_mark, "", "UPDATE segment_size_mark SET seq = greatest(seq, (SELECT max(seq) FROM change))");
/* A row that begins an hour (a day) is part of what is folded into it. */
#define FOLD_TO                                                                                                                            \
    "INSERT INTO segment_size AS z (segment_id, at, grain, size, identified, entered, left_count, computed)"                               \
    " SELECT segment_id, period, $1 + 1, (array_agg(size ORDER BY at DESC))[1], (array_agg(identified ORDER BY at DESC))[1],"              \
    " sum(entered), sum(left_count), (array_agg(computed ORDER BY at DESC))[1]"                                                            \
    " FROM (SELECT *, date_trunc($2, at) AS period FROM segment_size WHERE grain = $1 AND at < $3) old GROUP BY 1, 2"                      \
    " ON CONFLICT (segment_id, at) DO UPDATE SET grain = excluded.grain, size = excluded.size, identified = excluded.identified,"          \
    " entered = CASE WHEN z.grain = excluded.grain THEN coalesce(z.entered + excluded.entered, z.entered, excluded.entered)"               \
    " ELSE excluded.entered END, left_count = CASE WHEN z.grain = excluded.grain"                                                          \
    " THEN coalesce(z.left_count + excluded.left_count, z.left_count, excluded.left_count) ELSE excluded.left_count END,"                  \
    " computed = excluded.computed"
DB_STATEMENT(history_fold, "itz", FOLD_TO);
DB_STATEMENT(history_folded, "iz", "DELETE FROM segment_size WHERE grain = $1 AND at < $2");
DB_STATEMENT(history_bounds, "",
             "SELECT date_trunc('hour', clock_timestamp() - interval '2 days'), date_trunc('day', clock_timestamp() - interval '90 days')");
DB_STATEMENT(history_forget, "", "DELETE FROM segment_size z WHERE NOT EXISTS (SELECT FROM segment s WHERE s.segment_id = z.segment_id)");
DB_STATEMENT(history_backfill, "iZL",
             "INSERT INTO segment_size (segment_id, at, size, computed)"
             " SELECT $1, e - interval '1 minute', n, true FROM unnest($2::timestamptz[], $3::bigint[]) AS d (e, n)"
             " WHERE n >= 0 ON CONFLICT DO NOTHING");
DB_STATEMENT(history_backfilled, "i", "UPDATE segment SET backfilled_at = clock_timestamp() WHERE segment_id = $1");

/* --- For readers --- */

enum db_status db_history_read(struct db *db, const struct history_query *query, int64_t *ret_live_us, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args key = DB_ARGS_INIT, args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows segment = DB_ROWS_INIT;
    enum db_status found, status, end;

    db_arg_text(&key, query->key);
    db_arg_text(&args, query->key);
    db_arg_instant(&args, query->from_us);
    db_arg_instant(&args, query->to_us);
    db_send(db, &history_segment, &key);
    db_send(db, &history_rows, &args);
    db_sync(db);
    found = db_receive(db, &segment);
    status = db_receive(db, ret_rows);
    end = db_receive_sync(db);
    if (end != DB_OK || found != DB_OK)
        return end != DB_OK ? end : found;
    *ret_live_us = db_instant(&segment, 0, 0);
    return status == DB_NONE ? DB_OK : status;
}

struct history_row db_history_row(const struct db_rows *rows, size_t i)
{
    return (struct history_row){.at_us = db_instant(rows, i, 0),
                                .size = db_int(rows, i, 1),
                                .identified = db_int(rows, i, 2),
                                .entered = db_int(rows, i, 3),
                                .left = db_int(rows, i, 4),
                                .computed = db_bool(rows, i, 5)};
}

/* --- For the worker --- */

enum db_status db_history_wanted(struct db *db, int32_t after_id, struct history_wanted *ret_wanted)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_int(&args, after_id);
    status = db_run(db, &history_wanted, &args, &rows);
    if (status == DB_OK)
        *ret_wanted = (struct history_wanted){
            .news = db_int(&rows, 0, 0), .segment_id = (int32_t)db_int(&rows, 0, 1), .version_id = (int32_t)db_int(&rows, 0, 2)};
    return status;
}

enum db_status db_history_note(struct db *db)
{
    db_send(db, &history_note, NULL);
    db_send(db, &history_mark, NULL);
    db_sync(db);
    return db_receive_rest(db, 2);
}

static void send_fold(struct db *db, int32_t grain, const char *period, int64_t before_us)
{
    AUTO_DB_ARGS struct db_args fold = DB_ARGS_INIT, folded = DB_ARGS_INIT;

    db_arg_int(&fold, grain);
    db_arg_text(&fold, period);
    db_arg_instant(&fold, before_us);
    db_arg_int(&folded, grain);
    db_arg_instant(&folded, before_us);
    db_send(db, &history_fold, &fold);
    db_send(db, &history_folded, &folded);
}

enum db_status db_history_fold(struct db *db)
{
    AUTO_DB_ROWS struct db_rows bounds = DB_ROWS_INIT;
    enum db_status status = db_run(db, &history_bounds, NULL, &bounds);

    if (status != DB_OK)
        return status;
    send_fold(db, 0, "hour", db_instant(&bounds, 0, 0));
    send_fold(db, 1, "day", db_instant(&bounds, 0, 1));
    db_send(db, &history_forget, NULL);
    db_sync(db);
    return db_receive_rest(db, 5);
}

enum db_status db_history_backfill(struct db *db, int32_t segment_id, const int64_t *ends_us, const int64_t *sizes, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT, segment = DB_ARGS_INIT;

    db_arg_int(&args, segment_id);
    DB_ARRAY(&args, 'Z', i, n, db_array_instant(&args, ends_us[i]));
    DB_ARRAY(&args, 'L', i, n, db_array_long(&args, sizes[i]));
    db_arg_int(&segment, segment_id);
    db_send(db, &history_backfill, &args);
    db_send(db, &history_backfilled, &segment);
    db_sync(db);
    return db_receive_rest(db, 2);
}
