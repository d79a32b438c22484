/* Reading members. The one idea: a page is an index range of membership by profile id, read with its segment and the watermark in one snapshot, so data and
 * as_of belong together; and as profile ids do not change when a version is swapped, who stays a member from the first page to the last comes exactly once.
 * A profile that was merged away or erased has no row and is a member nowhere, even before the worker has written so. */
#include "db/member.h"

#include <inttypes.h>

#include "db/consent.h"
#include "db/segment.h"

/* OFFSET 0: a profile is looked up for each member, in order, until the page is full. A join of all members would be made for each page. */
#define MEMBER_COLUMNS                                                                                                                     \
    "p.user_id, p.anonymous_id, p.email, m.entered_at,"                                                                                    \
    " CASE WHEN cardinality($4) > 0 THEN (SELECT jsonb_object_agg(k, p.traits -> k) FROM unnest($4) k) END"
/* A page whose traits are large ends early, after some MiB; every row says whether there are more behind it. */
#define MEMBER_BOUNDED(members)                                                                                                            \
    "SELECT profile_id, user_id, anonymous_id, email, entered_at, traits, more FROM (SELECT x.*, lead(true, 1, false) OVER w AS more,"     \
    " sum(octet_length(traits::text)) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before"                                 \
    " FROM (SELECT m.*, user_id IS NULL AND anonymous_id IS NULL AND email IS NULL AS nobody"                                              \
    " FROM (" members ") m (profile_id, user_id, anonymous_id, email, entered_at, traits)) x WINDOW w AS (ORDER BY profile_id, nobody)) y" \
    " WHERE coalesce(before, 0) < 8388608 ORDER BY profile_id, nobody"
#define MEMBER_OF                                                                                                                          \
    " WHERE m.version_id = (SELECT serving_version_id FROM segment WHERE key = $1 AND deleted_at IS NULL) AND m.profile_id > $2"
#define MEMBER_PAGE(more)                                                                                                                  \
    "SELECT m.profile_id, " MEMBER_COLUMNS more " FROM membership m"                                                                       \
    " JOIN LATERAL (SELECT * FROM profile p WHERE p.profile_id = m.profile_id OFFSET 0) p ON true" MEMBER_OF                               \
    " ORDER BY m.profile_id LIMIT $3"
DB_STATEMENT(member_page, "tuiT", MEMBER_PAGE(", false"));
DB_STATEMENT(member_page_traits, "tuiT", MEMBER_BOUNDED(MEMBER_PAGE()));
/* Looks at so many members at most: behind them comes a row of nobody that says how far it got. */
#define SCAN_MAX    "20000"
#define P_REACHABLE CONSENT_REACHABLE("p.profile_id", "p.traits", "$5")
#define MEMBER_REACHABLE(more)                                                                                                             \
    "SELECT CASE WHEN nth > " SCAN_MAX " THEN before ELSE m.profile_id END, " MEMBER_COLUMNS more                                          \
    " FROM (SELECT profile_id, entered_at, row_number() OVER w AS nth, lag(profile_id) OVER w AS before FROM membership m" MEMBER_OF       \
    "   WINDOW w AS (ORDER BY profile_id) ORDER BY profile_id LIMIT " SCAN_MAX " + 1) m"                                                   \
    " LEFT JOIN LATERAL (SELECT * FROM profile WHERE profile_id = m.profile_id AND nth <= " SCAN_MAX " OFFSET 0) p ON " P_REACHABLE        \
    " WHERE p.profile_id IS NOT NULL OR nth > " SCAN_MAX " ORDER BY m.profile_id LIMIT $3"
DB_STATEMENT(member_reachable, "tuiTT", MEMBER_REACHABLE(", false"));
DB_STATEMENT(member_reachable_traits, "tuiTT", MEMBER_BOUNDED(MEMBER_REACHABLE()));
/* The first change of a person after the instant says what they were at it (an odd number in `first`: they left later, so they were in); who has none
 * since is what they are. A full join, so that it is hashed or merged whatever the planner believes of the sizes; what is shown is looked up for
 * the page's people only. */
#define MEMBER_AT                                                                                                                          \
    "WITH s AS (SELECT segment_id, serving_version_id FROM segment WHERE key = $1 AND deleted_at IS NULL),"                                \
    " told AS (SELECT profile_id, min(seq * 2 + (op = 'exit')::integer) FILTER (WHERE at > $6) AS first,"                                  \
    "   max(at) FILTER (WHERE at <= $6 AND op = 'enter') AS entered_at"                                                                    \
    "   FROM change WHERE segment_id = (SELECT segment_id FROM s) AND profile_id > $2 GROUP BY profile_id HAVING max(at) > $6),"           \
    " now AS (SELECT profile_id, entered_at FROM membership WHERE version_id = (SELECT serving_version_id FROM s) AND profile_id > $2),"   \
    " were AS (SELECT profile_id, t.first / 2 AS seq, CASE WHEN t.first IS NULL THEN m.entered_at ELSE t.entered_at END AS entered_at"     \
    "   FROM now m FULL JOIN told t USING (profile_id) WHERE t.first IS NULL OR t.first % 2 = 1 ORDER BY profile_id OFFSET 0)"             \
    " SELECT w.profile_id, x.user_id, x.anonymous_id, x.email, w.entered_at,"                                                              \
    " CASE WHEN cardinality($4) > 0 THEN (SELECT jsonb_object_agg(k, coalesce(p.traits, '{}') -> k) FROM unnest($4) k) END"                \
    " FROM were w LEFT JOIN LATERAL (SELECT * FROM profile WHERE profile_id = w.profile_id OFFSET 0) p ON true"                            \
    " CROSS JOIN LATERAL (SELECT p.user_id, p.anonymous_id, p.email WHERE w.seq IS NULL AND p.profile_id IS NOT NULL"                      \
    "   UNION ALL SELECT c.user_id, c.anonymous_id, c.email FROM change c WHERE c.seq = w.seq) x"                                          \
    " WHERE cardinality($5) = 0 OR p.profile_id IS NOT NULL AND " CONSENT_REACHABLE("p.profile_id", "p.traits",                            \
                                                                                    "$5") " ORDER BY w.profile_id LIMIT $3"
DB_STATEMENT(member_at, "tuiTTz", MEMBER_BOUNDED(MEMBER_AT));
DB_STATEMENT(member_at_open, "tuiTTz", "DECLARE member_at NO SCROLL CURSOR FOR " MEMBER_AT);
DB_STATEMENT(
    member_count_at, "tz",
    "SELECT coalesce(v.size, 0) + (SELECT coalesce(sum(CASE c.op WHEN 'exit' THEN 1 WHEN 'enter' THEN -1 ELSE 0 END), 0) FROM change c"
    "   WHERE c.segment_id = s.segment_id AND c.at > $2)"
    " FROM segment s LEFT JOIN segment_version v ON v.version_id = s.serving_version_id WHERE s.key = $1 AND s.deleted_at IS NULL");
DB_STATEMENT(member_read, "tu",
             "SELECT m.profile_id, p.user_id, p.anonymous_id, p.email, m.entered_at, NULL::jsonb,"
             " nullif(w.as_of, '-infinity')"
             " FROM segment s JOIN identity i ON i.raw_id = $2 JOIN profile p USING (profile_id)"
             " JOIN membership m ON m.version_id = s.serving_version_id AND m.profile_id = p.profile_id CROSS JOIN worker w"
             " WHERE s.key = $1 AND s.deleted_at IS NULL");

/* Binds the query's values; the statement they are for. A stream has its own way to be bounded: fewer rows at a time. */
static const struct db_statement *bind(const struct member_query *query, bool page, struct db_args *args)
{
    bool bounded = page && query->n_traits;

    db_arg_text(args, query->key);
    db_arg_id(args, &query->after);
    db_arg_int(args, query->limit);
    db_arg_texts(args, query->traits, query->n_traits);
    if (query->at_us == INSTANT_NONE && !query->n_reachable)
        return bounded ? &member_page_traits : &member_page;
    db_arg_texts(args, query->reachable, query->n_reachable);
    if (query->at_us == INSTANT_NONE)
        return bounded ? &member_reachable_traits : &member_reachable;
    db_arg_instant(args, query->at_us);
    return &member_at;
}

enum db_status db_member_page(struct db *db, const struct member_query *query, struct db_rows *ret_segment, struct db_rows *ret_members)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    const struct db_statement *statement = bind(query, true, &args);
    enum db_status begin, segment, members, commit, end;

    db_send_sql(db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    db_segment_send_read(db, query->key);
    db_send(db, statement, &args);
    db_send_sql(db, "COMMIT");
    db_sync(db);
    begin = db_receive(db, NULL);
    segment = db_receive(db, ret_segment);
    members = db_receive(db, ret_members);
    commit = db_receive(db, NULL);
    end = db_receive_sync(db);
    if (end != DB_OK || begin != DB_OK || commit != DB_OK) {
        db_rollback(db);
        return end != DB_OK ? end : begin != DB_OK ? begin : commit;
    }
    return segment == DB_OK && members == DB_NONE ? DB_OK : segment != DB_OK ? segment : members;
}

/* Each page of the past reads the feed anew: a cursor reads it once for all of them. */
static enum db_status more_at(struct db *db, const struct member_query *query, struct db_rows *ret_members)
{
    static const struct id first;
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    struct member_query all = *query;
    enum db_status status = DB_OK;
    char fetch[64];

    all.limit = INT32_MAX;
    (void)bind(&all, false, &args);
    if (id_compare(&query->after, &first) == 0)
        status = db_run(db, &member_at_open, &args, NULL);
    (void)snprintf(fetch, sizeof fetch, "FETCH %" PRId32 " FROM member_at", query->limit);
    return status == DB_OK ? db_run_sql(db, fetch, NULL, ret_members) : status;
}

enum db_status db_member_more(struct db *db, const struct member_query *query, struct db_rows *ret_members)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    const struct db_statement *statement = bind(query, false, &args);

    if (query->at_us != INSTANT_NONE)
        return more_at(db, query, ret_members);
    return db_run(db, statement, &args, ret_members);
}

enum db_status db_member_count_at(struct db *db, const char *key, int64_t at_us, int64_t *ret_size)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_text(&args, key);
    db_arg_instant(&args, at_us);
    status = db_run(db, &member_count_at, &args, &rows);
    if (status == DB_OK)
        *ret_size = db_int(&rows, 0, 0);
    return status;
}

bool db_member_is_place(const struct db_rows *rows, size_t i)
{
    return db_null(rows, i, 1) && db_null(rows, i, 2) && db_null(rows, i, 3);
}

bool db_member_ends_early(const struct db_rows *rows)
{
    size_t n = db_rows_count(rows);

    return n && (db_member_is_place(rows, n - 1) || db_bool(rows, n - 1, 6));
}

struct member_row db_member_row(const struct db_rows *rows, size_t i)
{
    return (struct member_row){
        .profile_id = db_id(rows, i, 0), .who = db_who(rows, i, 1), .entered_us = db_instant(rows, i, 4), .traits = db_text(rows, i, 5)};
}

enum db_status db_member_read(struct db *db, const char *key, const struct id *raw, struct db_rows *ret_rows, int64_t *ret_as_of)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    enum db_status status;

    db_arg_text(&args, key);
    db_arg_id(&args, raw);
    status = db_run(db, &member_read, &args, ret_rows);
    if (status == DB_OK)
        *ret_as_of = db_instant(ret_rows, 0, 6);
    return status;
}
