/* Members as the worker writes them. The one idea: a tick gathers all differences in C and writes them by a COPY and a few statements whose parameters
 * are arrays. Only the worker writes here, one transaction at a time, so nothing conflicts; but a COPY that meets a row refuses all of them,
 * so after a failed tick they are written by a statement that gets over it. Who reads members for the API does so elsewhere. */
#include "db/membership.h"

#include "server/base/log.h"

DB_STATEMENT(membership_delete, "IU",
             "DELETE FROM membership m USING unnest($1::integer[], $2::uuid[]) AS d(v, p) WHERE m.version_id = d.v AND m.profile_id = d.p");
DB_STATEMENT(membership_insert_missing, "IUZ",
             "INSERT INTO membership (version_id, profile_id, entered_at) SELECT v, p, e"
             " FROM unnest($1::integer[], $2::uuid[], $3::timestamptz[]) AS d(v, p, e) ON CONFLICT DO NOTHING");
DB_STATEMENT(membership_earlier, "IUZ",
             "UPDATE membership m SET entered_at = d.e FROM (SELECT v, p, min(e) AS e"
             " FROM unnest($1::integer[], $2::uuid[], $3::timestamptz[]) AS a(v, p, e) GROUP BY v, p) AS d "
             "WHERE m.version_id = d.v AND m.profile_id = d.p AND m.entered_at > d.e");
DB_STATEMENT(membership_gone, "U",
             "WITH gone AS (DELETE FROM membership WHERE profile_id = ANY ($1) RETURNING version_id, profile_id, entered_at)"
             " SELECT g.version_id, g.profile_id, g.entered_at, CASE WHEN i.kind = 'user' THEN i.external_id END,"
             " CASE WHEN i.kind = 'anonymous' THEN i.external_id END, CASE WHEN i.kind = 'email' THEN i.external_id END"
             " FROM gone g LEFT JOIN LATERAL (SELECT * FROM identity WHERE raw_id = g.profile_id OFFSET 0) i ON true");
DB_STATEMENT(
    membership_sizes, "ILL",
    "UPDATE segment_version s SET size = size + d.m, identified = identified + d.i "
    "FROM (SELECT v, sum(m) AS m, sum(i) AS i FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS a(v, m, i) GROUP BY v) AS d "
    "WHERE s.version_id = d.v");
DB_STATEMENT(profiles_missing, "U", "SELECT p FROM unnest($1::uuid[]) AS d(p) WHERE NOT EXISTS (SELECT FROM profile WHERE profile_id = p)");
/* Before the first ANALYZE by the size of the table. */
DB_STATEMENT(profiles_estimate, "",
             "SELECT greatest(CASE WHEN reltuples > 0 THEN reltuples ELSE pg_relation_size(oid) / 200 END, 1)::bigint "
             "FROM pg_class WHERE oid = 'profile'::regclass");
DB_STATEMENT(aside_put, "iuzi",
             "INSERT INTO aside (version_id, profile_id, retry_at, attempt) VALUES ($1, $2, $3, $4) "
             "ON CONFLICT (version_id, profile_id) DO UPDATE SET retry_at = excluded.retry_at, attempt = excluded.attempt");
DB_STATEMENT(aside_drop, "iu", "DELETE FROM aside WHERE version_id = $1 AND profile_id = $2");
DB_STATEMENT(aside_all, "l", "SELECT version_id, profile_id, retry_at, attempt FROM aside ORDER BY retry_at LIMIT $1");

static void keys(const struct db_member *members, size_t n, struct db_args *args)
{
    DB_ARRAY(args, 'I', i, n, db_array_int(args, members[i].version_id));
    DB_ARRAY(args, 'U', i, n, db_array_id(args, &members[i].profile));
}

enum db_status db_membership_insert(struct db *db, const struct db_member *members, size_t n)
{
    AUTO_DB_ARGS struct db_args rows = DB_ARGS_INIT;
    enum db_status status = DB_OK;

    db_copy_begin(&rows);
    for (size_t i = 0; i < n && status == DB_OK; i++) {
        db_copy_row(&rows, 3);
        db_array_int(&rows, members[i].version_id);
        db_array_id(&rows, &members[i].profile);
        db_array_instant(&rows, members[i].entered_us);
        if (i + 1 == n || db_copy_is_due(&rows))
            status = db_copy(db, "COPY membership (version_id, profile_id, entered_at) FROM STDIN (FORMAT binary)", &rows);
    }
    return status;
}

static void keys_and_times(const struct db_member *members, size_t n, struct db_args *args)
{
    keys(members, n, args);
    DB_ARRAY(args, 'Z', i, n, db_array_instant(args, members[i].entered_us));
}

enum db_status db_membership_insert_missing(struct db *db, const struct db_member *members, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    keys_and_times(members, n, &args);
    status = db_run(db, &membership_insert_missing, &args, &rows);
    if (status == DB_OK && (size_t)db_rows_affected(&rows) < n)
        log_error("found not to be members, and were", LOG_FIELD("members", LOG_INT((int64_t)n - db_rows_affected(&rows))), );
    return status;
}

void db_membership_send_delete(struct db *db, const struct db_member *members, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    keys(members, n, &args);
    db_send(db, &membership_delete, &args);
}

void db_membership_send_earlier(struct db *db, const struct db_member *members, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    keys_and_times(members, n, &args);
    db_send(db, &membership_earlier, &args);
}

static enum db_status run_ids(struct db *db, const struct db_statement *statement, const struct id *ids, size_t n, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_ids(&args, ids, n);
    return db_run(db, statement, &args, ret_rows);
}

enum db_status db_membership_gone(struct db *db, const struct id *profiles, size_t n, struct db_rows *ret_rows)
{
    return run_ids(db, &membership_gone, profiles, n, ret_rows);
}

void db_membership_send_sizes(struct db *db, const struct db_size *sizes, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    DB_ARRAY(&args, 'I', i, n, db_array_int(&args, sizes[i].version_id));
    DB_ARRAY(&args, 'L', i, n, db_array_long(&args, sizes[i].members));
    DB_ARRAY(&args, 'L', i, n, db_array_long(&args, sizes[i].identified));
    db_send(db, &membership_sizes, &args);
}

enum db_status db_profiles_missing(struct db *db, const struct id *profiles, size_t n, struct db_rows *ret_rows)
{
    return run_ids(db, &profiles_missing, profiles, n, ret_rows);
}

enum db_status db_profiles_estimate(struct db *db, int64_t *ret_profiles)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run(db, &profiles_estimate, NULL, &rows);

    if (status == DB_OK)
        *ret_profiles = db_int(&rows, 0, 0);
    return status;
}

enum db_status db_aside_put(struct db *db, const struct db_aside *aside)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_int(&args, aside->version_id);
    db_arg_id(&args, &aside->profile);
    db_arg_instant(&args, aside->retry_us);
    db_arg_int(&args, aside->attempt);
    return db_run(db, &aside_put, &args, NULL);
}

enum db_status db_aside_drop(struct db *db, const struct db_aside *aside)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_int(&args, aside->version_id);
    db_arg_id(&args, &aside->profile);
    return db_run(db, &aside_drop, &args, NULL);
}

enum db_status db_aside_all(struct db *db, size_t limit, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_long(&args, (int64_t)limit);
    return db_run(db, &aside_all, &args, ret_rows);
}
