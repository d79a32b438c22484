/* Dates in traits. The one idea: as with events, what time moves is a short range of an index, here of the dates themselves. The values are cut out by the same
 * functions that definitions use (value_at, value_instant), so what is kept is what they see. A profile that is gone may leave its dates behind: it is then
 * evaluated for nothing. */
#include "db/trait_date.h"

#include <string.h>

DB_STATEMENT(date_paths, "", "SELECT path, timezone, filled_to FROM trait_date_path");
DB_STATEMENT(date_drop_path, "tt", "DELETE FROM trait_date_path WHERE path = kept_path($1) AND timezone = $2");
DB_STATEMENT(date_drop, "tt", "DELETE FROM trait_date WHERE path = kept_path($1) AND timezone = $2");
#define DATES_OF(profiles)                                                                                                                 \
    "INSERT INTO trait_date (path, timezone, profile_id, at, month_day) SELECT DISTINCT kept_path($1), $2, d.profile_id, d.at,"            \
    " (extract(month FROM d.at AT TIME ZONE $2) * 100 + extract(day FROM d.at AT TIME ZONE $2))::smallint "                                \
    "FROM (SELECT p.profile_id, value_instant(v, $2) AS at FROM profile p, value_at(p.traits, $1) AS v WHERE " profiles " OFFSET 0) AS d " \
    "WHERE d.at IS NOT NULL ON CONFLICT DO NOTHING"
DB_STATEMENT(date_fill, "ttuu", DATES_OF("p.profile_id BETWEEN $3 AND $4"));
DB_STATEMENT(date_filled, "ttu",
             "INSERT INTO trait_date_path (path, timezone, filled_to) VALUES (kept_path($1), $2, $3) "
             "ON CONFLICT (path, timezone) DO UPDATE SET filled_to = excluded.filled_to");
DB_STATEMENT(date_forget, "ttU", "DELETE FROM trait_date WHERE path = kept_path($1) AND timezone = $2 AND profile_id = ANY($3)");
DB_STATEMENT(date_read, "ttU", DATES_OF("p.profile_id = ANY($3)"));
/* The order is that of the index on at. Without it an empty table's plan, which lasts until the table is analyzed, may read a path's every date. */
DB_STATEMENT(
    date_due, "ttzzl",
    "SELECT profile_id FROM trait_date WHERE path = kept_path($1) AND timezone = $2 AND at > $3 AND at <= $4 ORDER BY at LIMIT $5");
/* From local date a to b: who returned on a … b − 1 leaves, who returns on a + days + 1 … b + days enters. 29 February returns on the 28th, too. */
DB_STATEMENT(date_anniversary, "ttzzil",
             "SELECT profile_id FROM trait_date WHERE path = kept_path($1) AND timezone = $2 AND month_day = ANY (ARRAY("
             "SELECT md + o FROM (SELECT ($3 AT TIME ZONE $2)::date AS a, ($4 AT TIME ZONE $2)::date AS b) AS t,"
             " LATERAL (SELECT t.a + i AS day FROM generate_series(0, least(t.b - t.a, 366) - 1) AS i"
             " UNION SELECT t.a + $5 + 1 + i FROM generate_series(0, least(t.b - t.a, 366) - 1) AS i) AS d,"
             " LATERAL (SELECT (extract(month FROM day) * 100 + extract(day FROM day))::smallint AS md) AS m,"
             " LATERAL (SELECT 0 AS o UNION SELECT 1 WHERE md = 228) AS leap)) LIMIT $6");

enum { KEPT_MAX = 200 };

bool db_date_is_kept_as(const char *path, const char *kept)
{
    AUTO_BUF struct buf text = BUF_INIT(2 + 2 * KEY_HASH_SIZE);
    uint8_t digest[KEY_HASH_SIZE];

    if (strlen(path) <= KEPT_MAX)
        return strcmp(path, kept) == 0;
    sha256(path, strlen(path), digest);
    buf_add_text(&text, "$");
    for (size_t i = 0; i < sizeof digest; i++)
        buf_addf(&text, "%02x", digest[i]);
    return strcmp(buf_text(&text), kept) == 0;
}

static void path_args(const struct db_date_path *path, struct db_args *args)
{
    db_arg_text(args, path->path);
    db_arg_text(args, path->timezone);
}

enum db_status db_date_paths(struct db *db, struct db_rows *ret_rows)
{
    return db_run(db, &date_paths, NULL, ret_rows);
}

enum db_status db_date_drop(struct db *db, const struct db_date_path *path)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    enum db_status status;

    path_args(path, &args);
    status = db_run(db, &date_drop_path, &args, NULL);
    return status == DB_OK ? db_run(db, &date_drop, &args, NULL) : status;
}

enum db_status db_date_fill(struct db *db, const struct db_date_path *path, const struct id *from, const struct id *to)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT, mark = DB_ARGS_INIT;
    enum db_status status;

    path_args(path, &args);
    db_arg_id(&args, from);
    db_arg_id(&args, to);
    path_args(path, &mark);
    db_arg_id(&mark, to);
    status = db_run(db, &date_fill, &args, NULL);
    return status == DB_OK ? db_run(db, &date_filled, &mark, NULL) : status;
}

enum db_status db_dates_analyze(struct db *db)
{
    return db_run_sql(db, "ANALYZE trait_date", NULL, NULL);
}

enum db_status db_date_refresh(struct db *db, const struct db_date_path *path, const struct id *profiles, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    enum db_status status;

    path_args(path, &args);
    db_arg_ids(&args, profiles, n);
    status = db_run(db, &date_forget, &args, NULL);
    return status == DB_OK ? db_run(db, &date_read, &args, NULL) : status;
}

enum db_status db_date_due(struct db *db, const struct db_date_path *path, const struct db_date_span *span, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    path_args(path, &args);
    db_arg_instant(&args, span->from_us);
    db_arg_instant(&args, span->to_us);
    db_arg_long(&args, (int64_t)span->limit);
    return db_run(db, &date_due, &args, ret_rows);
}

enum db_status db_date_anniversary(struct db *db, const struct db_date_path *path, const struct db_date_span *span, int64_t days,
                                   struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    path_args(path, &args);
    db_arg_instant(&args, span->from_us);
    db_arg_instant(&args, span->to_us);
    db_arg_int(&args, (int32_t)days);
    db_arg_long(&args, (int64_t)span->limit);
    return db_run(db, &date_anniversary, &args, ret_rows);
}
