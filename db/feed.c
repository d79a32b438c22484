/* Reading the feed. The one idea: seq grows in order of visibility, so `after` never skips a row, and a poll is one index range. Rows older than the
 * feed's keep are deleted by the worker; a place whose own row is gone while older ones than the next are missing has expired, and the reader is told
 * (DB_NONE) instead of losing rows in silence. Numbers that were given out and rolled back leave gaps, which expire nothing. */
#include "db/feed.h"

#include "db/consent.h"

#define FEED_COLUMNS "SELECT seq, segment_key, user_id, anonymous_id, email, op, at, cause FROM "
DB_STATEMENT(feed_all, "li", FEED_COLUMNS "change WHERE seq > $1 ORDER BY seq LIMIT $2");
/* The segments that have or had a key. A deleted one goes by another until the worker has written its clear. */
#define FEED_SEGMENTS(key)                                                                                                                 \
    "SELECT segment_id FROM segment WHERE key = " key " UNION SELECT segment_id FROM segment WHERE deleted_at IS NOT NULL"                 \
    "   AND regexp_replace(key, '^~[0-9]+[:~]', '') = " key                                                                                \
    " UNION SELECT c.segment_id FROM change c WHERE c.op = 'clear' AND c.segment_key = " key
/* Each is asked for as a range, so that only the index on segment and seq has the order, not the one on seq. */
#define FEED_OF(key, columns, limit)                                                                                                       \
    "SELECT f.* FROM (" FEED_SEGMENTS(key) ") s CROSS JOIN LATERAL (" columns                                                              \
                                           "change WHERE segment_id BETWEEN s.segment_id AND s.segment_id"                                 \
                                           " AND seq > $1 ORDER BY segment_id, seq LIMIT " limit ") f ORDER BY f.seq LIMIT " limit
DB_STATEMENT(feed_segment, "lit", FEED_OF("$3", FEED_COLUMNS, "$2"));
/* An exit is told of everybody: who had learnt of the enter must learn of it, too. Looks at so many changes at most: behind them comes a row without
 * op that says how far it got. */
#define SCAN_MAX    "20000"
#define P_REACHABLE CONSENT_REACHABLE("p.profile_id", "p.traits", "$3")
#define FEED_REACHABLE(rows)                                                                                                               \
    "SELECT CASE WHEN nth > " SCAN_MAX " THEN before ELSE seq END, segment_key, user_id, anonymous_id, email,"                             \
    " CASE WHEN nth <= " SCAN_MAX " THEN op END, at, cause FROM (SELECT *, row_number() OVER w AS nth, lag(seq) OVER w AS before"          \
    "   FROM (" rows ") r WINDOW w AS (ORDER BY seq) ORDER BY seq LIMIT " SCAN_MAX " + 1) c"                                               \
    " WHERE nth > " SCAN_MAX " OR op <> 'enter' OR EXISTS (SELECT FROM profile p WHERE p.profile_id = c.profile_id AND " P_REACHABLE       \
    " OFFSET 0) ORDER BY c.seq LIMIT $2"
#define ALL          "SELECT * FROM "
#define SEGMENT_ROWS FEED_OF("$4", ALL, SCAN_MAX " + 1")
DB_STATEMENT(feed_all_reachable, "liT", FEED_REACHABLE("SELECT * FROM change WHERE seq > $1"));
DB_STATEMENT(feed_segment_reachable, "liTt", FEED_REACHABLE(SEGMENT_ROWS));
DB_STATEMENT(feed_knows, "t", "SELECT 1 WHERE EXISTS (" FEED_SEGMENTS("$1") ")");
DB_STATEMENT(feed_expired, "l",
             "SELECT CASE WHEN $1 <= 0 THEN min_at < clock_timestamp() - interval '29 days' AND min_seq > 1"
             "            ELSE (min_seq IS NULL OR $1 < min_seq - 1) AND NOT EXISTS (SELECT FROM change WHERE seq = $1) END"
             "  FROM (SELECT (SELECT seq FROM change ORDER BY seq LIMIT 1) AS min_seq, (SELECT at FROM change ORDER BY seq LIMIT 1) AS "
             "min_at) AS f");
DB_STATEMENT(feed_last, "", "SELECT coalesce((SELECT seq FROM change ORDER BY seq DESC LIMIT 1), 0)");

static void send_rows(struct db *db, const struct feed_query *query)
{
    static const struct db_statement *const statements[2][2] = {{&feed_all, &feed_segment}, {&feed_all_reachable, &feed_segment_reachable}};
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_long(&args, query->after);
    db_arg_int(&args, query->limit);
    if (query->n_reachable)
        db_arg_texts(&args, query->reachable, query->n_reachable);
    if (query->segment)
        db_arg_text(&args, query->segment);
    db_send(db, statements[query->n_reachable > 0][query->segment != NULL], &args);
}

/* The rows first, then whether the place has expired: in this order a row deleted in between is noticed. */
enum db_status db_feed_read(struct db *db, const struct feed_query *query, struct db_rows *ret_rows)
{
    AUTO_DB_ROWS struct db_rows expired = DB_ROWS_INIT;
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    enum db_status rows_status, status, end;

    db_arg_long(&args, query->after);
    send_rows(db, query);
    db_send(db, &feed_expired, &args);
    db_sync(db);
    rows_status = db_receive(db, ret_rows);
    status = db_receive(db, &expired);
    end = db_receive_sync(db);
    if (end != DB_OK)
        return end;
    if (rows_status != DB_OK && rows_status != DB_NONE)
        return rows_status;
    if (status != DB_OK)
        return status;
    return query->after >= 0 && db_bool(&expired, 0, 0) ? DB_NONE : DB_OK;
}

enum db_status db_feed_knows(struct db *db, const char *segment)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_text(&args, segment);
    return db_run(db, &feed_knows, &args, NULL);
}

struct feed_row db_feed_row(const struct db_rows *rows, size_t i)
{
    return (struct feed_row){.seq = db_int(rows, i, 0),
                             .segment = db_text(rows, i, 1),
                             .who = db_who(rows, i, 2),
                             .op = db_text(rows, i, 5),
                             .at_us = db_instant(rows, i, 6),
                             .cause = db_text(rows, i, 7)};
}

enum db_status db_feed_last(struct db *db, int64_t *ret_seq)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run(db, &feed_last, NULL, &rows);

    if (status == DB_OK)
        *ret_seq = db_int(&rows, 0, 0);
    return status;
}
