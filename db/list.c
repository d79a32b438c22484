/* Edits of lists. The one idea: a request leaves its edit as one row and waits; the tick that applies it writes what became of it into the
 * same row, in the same transaction as the members, so both are true or neither. An edit holds raw ids and is resolved by the tick, after
 * the merges of that tick. Profiles that an upload is the first to name are made here, in pieces of few locks each, so that ingest never
 * waits for long. */
#include "db/list.h"

#include <string.h>

#include "db/lock.h"
#include "server/base/attr.h"

enum { PEOPLE_PIECE = 1000 };

DB_STATEMENT(list_lock, "I",
             "SELECT pg_advisory_xact_lock_shared(" DB_LOCK_CLASS_IDENTITY ", number) FROM unnest($1::integer[]) AS l (number)");
/* Under shared locks others may make the same rows, in the same order, and no one else may change them. */
DB_STATEMENT(list_people, "UTt",
             "WITH new AS (SELECT raw_id, external_id FROM unnest($1::uuid[], $2::text[]) AS n (raw_id, external_id)"
             " WHERE NOT EXISTS (SELECT FROM identity i WHERE i.raw_id = n.raw_id) ORDER BY raw_id),"
             " named AS (INSERT INTO identity (raw_id, kind, external_id, profile_id)"
             " SELECT raw_id, $3, external_id, raw_id FROM new ON CONFLICT DO NOTHING),"
             " made AS (INSERT INTO profile (profile_id, user_id, anonymous_id, email)"
             " SELECT raw_id, CASE $3 WHEN 'user' THEN external_id END, CASE $3 WHEN 'anonymous' THEN external_id END,"
             " CASE $3 WHEN 'email' THEN external_id END FROM new"
             " ON CONFLICT DO NOTHING RETURNING profile_id)"
             " INSERT INTO touched (max_ts, created) SELECT '-infinity', array_agg(profile_id) FROM made HAVING count(*) > 0");
DB_STATEMENT(list_put, "ttU",
             "INSERT INTO list_op (segment_id, mode, people) SELECT segment_id, $2, $3 FROM segment"
             " WHERE key = $1 AND kind = 'list' AND deleted_at IS NULL RETURNING op_id, pg_notify('cohortd_touched', '')");
DB_STATEMENT(list_read, "l", "SELECT done_at IS NOT NULL, added, removed, unchanged FROM list_op WHERE op_id = $1");

DB_STATEMENT(
    list_waiting, "l",
    "SELECT o.op_id, o.segment_id, coalesce(s.serving_version_id, 0), s.key, o.mode FROM list_op o"
    " LEFT JOIN segment s ON s.segment_id = o.segment_id AND s.deleted_at IS NULL WHERE o.done_at IS NULL ORDER BY o.op_id LIMIT $1");
DB_STATEMENT(list_resolve, "l",
             "SELECT coalesce(array_agg(DISTINCT p.profile_id ORDER BY p.profile_id) FILTER (WHERE p.profile_id IS NOT NULL), '{}'),"
             " count(*) FILTER (WHERE p.profile_id IS NULL) FROM list_op o CROSS JOIN LATERAL unnest(o.people) AS r (raw_id)"
             " LEFT JOIN identity i ON i.raw_id = r.raw_id LEFT JOIN profile p ON p.profile_id = i.profile_id WHERE o.op_id = $1");
/* OFFSET 0: looked up one by one. A join would read all members of the list for each piece. */
DB_STATEMENT(
    list_ask, "iUb",
    "SELECT p.profile_id, p.user_id, p.anonymous_id, p.email FROM unnest($2::uuid[]) AS d (profile_id) JOIN profile p USING (profile_id)"
    " WHERE EXISTS (SELECT FROM membership m WHERE m.version_id = $1 AND m.profile_id = d.profile_id OFFSET 0) = $3"
    " ORDER BY p.profile_id");
DB_STATEMENT(list_members, "iul",
             "SELECT profile_id FROM membership WHERE version_id = $1 AND profile_id > $2 ORDER BY profile_id LIMIT $3");
DB_STATEMENT(list_done, "llll",
             "WITH old AS (DELETE FROM list_op WHERE done_at < clock_timestamp() - interval '1 hour')"
             " UPDATE list_op SET done_at = clock_timestamp(), people = '{}', added = $2, removed = $3, unchanged = $4 WHERE op_id = $1");
DB_STATEMENT(list_drop, "l", "DELETE FROM list_op WHERE op_id = $1");
DB_STATEMENT(list_inherit, "IUZ",
             "WITH heir AS (INSERT INTO membership SELECT s.serving_version_id, p.profile_id, min(d.entered_at)"
             " FROM unnest($1::integer[], $2::uuid[], $3::timestamptz[]) AS d (version_id, profile_id, entered_at)"
             " JOIN segment s ON s.serving_version_id = d.version_id AND s.kind = 'list' JOIN profile p ON p.profile_id = d.profile_id"
             " GROUP BY 1, 2 ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING version_id, profile_id)"
             " SELECT h.version_id, h.profile_id, p.user_id, p.anonymous_id, p.email, s.segment_id, s.key FROM heir h"
             " JOIN profile p USING (profile_id) JOIN segment s ON s.serving_version_id = h.version_id ORDER BY 1, 2");

/* --- For the API --- */

static void put_locks(const struct person *people, size_t n, struct db_args *args)
{
    db_array_begin(args, 'I');
    for (size_t i = 0; i < n; i++)
        if (i == 0 || people[i].raw.bytes[0] != people[i - 1].raw.bytes[0])
            db_array_int(args, people[i].raw.bytes[0]);
    db_array_end(args);
}

/* One transaction in one round trip: the second statement has a snapshot of its own, taken after the locks. Its plan must not be one for
 * the many people of the tables, but for the few that are asked for. */
static enum db_status make_people(struct db *db, const struct person *people, size_t n, enum person_kind kind)
{
    AUTO_DB_ARGS struct db_args locks = DB_ARGS_INIT, args = DB_ARGS_INIT;
    enum db_status status;

    put_locks(people, n, &locks);
    DB_ARRAY(&args, 'U', i, n, db_array_id(&args, &people[i].raw));
    DB_ARRAY(&args, 'T', i, n, db_array_text(&args, people[i].external.at, people[i].external.len));
    db_arg_text(&args, person_kind_text(kind));
    db_send_sql(db, "BEGIN");
    db_send_sql(db, "SET LOCAL plan_cache_mode = force_generic_plan");
    db_send_sql(db, "SET LOCAL enable_seqscan = off");
    db_send(db, &list_lock, &locks);
    db_send(db, &list_people, &args);
    db_send_sql(db, "COMMIT");
    db_sync(db);
    status = db_receive_rest(db, 6);
    if (status != DB_OK)
        db_rollback(db);
    return status;
}

enum db_status db_list_people(struct db *db, const struct person *people, size_t n, enum person_kind kind)
{
    enum db_status status = DB_OK;

    for (size_t i = 0; i < n && status == DB_OK; i += PEOPLE_PIECE)
        status = make_people(db, people + i, n - i < PEOPLE_PIECE ? n - i : PEOPLE_PIECE, kind);
    return status;
}

static const char *const modes[] = {[LIST_ADD] = "add", [LIST_REMOVE] = "remove", [LIST_REPLACE] = "replace"};

enum db_status db_list_put(struct db *db, const struct list_edit *edit, int64_t *ret_op_id)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_text(&args, edit->key);
    db_arg_text(&args, modes[edit->mode]);
    db_arg_ids(&args, edit->people, edit->n);
    status = db_run(db, &list_put, &args, &rows);
    if (status == DB_OK)
        *ret_op_id = db_int(&rows, 0, 0);
    return status;
}

static enum db_status run_op(struct db *db, const struct db_statement *statement, int64_t op_id, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_long(&args, op_id);
    return db_run(db, statement, &args, ret_rows);
}

enum db_status db_list_read(struct db *db, int64_t op_id, struct list_outcome *ret_outcome)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = run_op(db, &list_read, op_id, &rows);

    if (status == DB_OK)
        *ret_outcome = (struct list_outcome){
            .done = db_bool(&rows, 0, 0), .added = db_int(&rows, 0, 1), .removed = db_int(&rows, 0, 2), .unchanged = db_int(&rows, 0, 3)};
    return status;
}

/* --- For the worker --- */

enum db_status db_list_waiting(struct db *db, size_t limit, struct db_rows *ret_rows)
{
    return run_op(db, &list_waiting, (int64_t)limit, ret_rows);
}

static enum list_mode mode_of(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (strcmp(modes[i], text) == 0)
            return (enum list_mode)i;
    BUG("impossible list_mode");
}

struct list_op db_list_op(const struct db_rows *rows, size_t i)
{
    return (struct list_op){.op_id = db_int(rows, i, 0),
                            .segment_id = (int32_t)db_int(rows, i, 1),
                            .version_id = (int32_t)db_int(rows, i, 2),
                            .key = db_text(rows, i, 3),
                            .mode = mode_of(db_text(rows, i, 4))};
}

enum db_status db_list_resolve(struct db *db, int64_t op_id, struct db_rows *ret_rows)
{
    return run_op(db, &list_resolve, op_id, ret_rows);
}

enum db_status db_list_ask(struct db *db, const struct list_ask *ask, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_int(&args, ask->version_id);
    db_arg_ids(&args, ask->profiles, ask->n);
    db_arg_bool(&args, ask->members);
    return db_run(db, &list_ask, &args, ret_rows);
}

enum db_status db_list_members(struct db *db, int32_t version_id, const struct id *after, size_t limit, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_int(&args, version_id);
    db_arg_id(&args, after);
    db_arg_long(&args, (int64_t)limit);
    return db_run(db, &list_members, &args, ret_rows);
}

enum db_status db_list_done(struct db *db, int64_t op_id, const struct list_outcome *outcome)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_long(&args, op_id);
    db_arg_long(&args, outcome->added);
    db_arg_long(&args, outcome->removed);
    db_arg_long(&args, outcome->unchanged);
    return db_run(db, &list_done, &args, NULL);
}

enum db_status db_list_drop(struct db *db, int64_t op_id)
{
    return run_op(db, &list_drop, op_id, NULL);
}

enum db_status db_list_inherit(struct db *db, const struct db_member *members, size_t n, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    DB_ARRAY(&args, 'I', i, n, db_array_int(&args, members[i].version_id));
    DB_ARRAY(&args, 'U', i, n, db_array_id(&args, &members[i].profile));
    DB_ARRAY(&args, 'Z', i, n, db_array_instant(&args, members[i].entered_us));
    return db_run(db, &list_inherit, &args, ret_rows);
}
