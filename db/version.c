/* The life of a version. The one idea: a version's row says all (built_to, state, cause), so a worker that dies is followed by one that reads the rows and goes
 * on. Members of a version that serves no more are not deleted at once but put on the list to sweep, so that no step is long. What a segment serves changes
 * only in db_version_swap. */
#include "db/version.h"

#include <string.h>

#define VERSION_COLUMNS                                                                                                                    \
    "SELECT v.version_id, v.segment_id, v.version, s.key, v.definition, v.timezone, v.cause, v.state = 'live',"                            \
    " s.serving_version_id IS NOT DISTINCT FROM v.version_id, v.built_to, v.attempt "                                                      \
    "FROM segment_version v JOIN segment s USING (segment_id) WHERE s.deleted_at IS NULL AND s.kind = 'rule' AND "

DB_STATEMENT(versions_all, "", VERSION_COLUMNS "v.state IN ('building', 'live') ORDER BY version_id");
DB_STATEMENT(versions_new, "I", VERSION_COLUMNS "v.state = 'building' AND NOT v.version_id = ANY($1) ORDER BY version_id");
DB_STATEMENT(
    segments_read, "",
    "SELECT segment_id, coalesce(serving_version_id, 0), kind = 'list', key FROM segment WHERE deleted_at IS NULL ORDER BY segment_id");
DB_STATEMENT(
    chores_read, "",
    "SELECT EXISTS (SELECT FROM segment_version WHERE state = 'failed' AND retry_at <= clock_timestamp()), EXISTS (SELECT FROM sweep)");
DB_STATEMENT(
    versions_supersede, "",
    "WITH old AS (UPDATE segment_version v SET state = 'retired' WHERE state IN ('building', 'failed') AND EXISTS"
    " (SELECT FROM segment_version n WHERE n.segment_id = v.segment_id AND (n.version, n.version_id) > (v.version, v.version_id)"
    " AND n.state IN ('building', 'live'))"
    " RETURNING version_id),"
    " swept AS (INSERT INTO sweep SELECT version_id FROM old WHERE NOT EXISTS (SELECT FROM segment WHERE serving_version_id = old.version_id)"
    " ON CONFLICT DO NOTHING) "
    "SELECT version_id FROM old");
DB_STATEMENT(version_fail, "itz", "UPDATE segment_version SET state = 'failed', code = $2, retry_at = $3 WHERE version_id = $1");
#define REBUILD(which)                                                                                                                     \
    "WITH old AS (UPDATE segment_version v SET state = 'retired' WHERE " which " RETURNING v.*),"                                          \
    " told AS (SELECT old.*, EXISTS (SELECT FROM segment s WHERE s.serving_version_id = old.version_id) AS serving FROM old),"             \
    " swept AS (INSERT INTO sweep SELECT version_id FROM told WHERE NOT serving ON CONFLICT DO NOTHING) "                                  \
    "INSERT INTO segment_version (segment_id, version, definition, timezone, cause, attempt) "                                             \
    "SELECT segment_id, version, definition, timezone, CASE WHEN serving THEN 'build' ELSE cause END,"                                     \
    " attempt + CASE WHEN code IS NULL THEN 0 ELSE 1 END FROM told ORDER BY version_id"
DB_STATEMENT(version_rebuild, "i", REBUILD("v.version_id = $1 AND v.state <> 'retired'"));
DB_STATEMENT(versions_retry, "", REBUILD("v.state = 'failed' AND v.retry_at <= clock_timestamp()"));
DB_STATEMENT(
    version_progress, "iufll",
    "UPDATE segment_version SET built_to = $2, progress = $3, size = size + $4, identified = identified + $5 WHERE version_id = $1");

/* The difference of two versions, in order of profiles. $1 the new one, $2 its segment. */
#define SWAP_DIFFERENCE                                                                                                                    \
    "(SELECT coalesce(n.profile_id, o.profile_id) AS profile_id, CASE WHEN o.profile_id IS NULL THEN 'enter' ELSE 'exit' END AS op "       \
    "FROM (SELECT profile_id FROM membership WHERE version_id = $1) n FULL JOIN (SELECT profile_id FROM membership"                        \
    " WHERE version_id = (SELECT serving_version_id FROM segment WHERE segment_id = $2)) o USING (profile_id) "                            \
    "WHERE n.profile_id IS NULL OR o.profile_id IS NULL) AS d "
DB_STATEMENT(version_swap_profiles, "iil", "SELECT profile_id FROM " SWAP_DIFFERENCE "LIMIT $3");
/* One who is gone, and whose row of the queue is not read yet, leaves here: by the name that its id was made of, and for the true cause. */
DB_STATEMENT(
    version_swap_feed, "iittz",
    "WITH told AS (INSERT INTO change (segment_id, segment_key, profile_id, user_id, anonymous_id, email, op, at, cause) "
    "SELECT $2, $3, d.profile_id, CASE WHEN p.profile_id IS NOT NULL THEN p.user_id WHEN i.kind = 'user' THEN i.external_id END,"
    " CASE WHEN p.profile_id IS NOT NULL THEN p.anonymous_id WHEN i.kind = 'anonymous' THEN i.external_id END,"
    " CASE WHEN p.profile_id IS NOT NULL THEN p.email WHEN i.kind = 'email' THEN i.external_id END, d.op, $5,"
    " CASE WHEN p.profile_id IS NOT NULL THEN $4 WHEN i.profile_id <> d.profile_id AND i.profile_id <> '00000000-0000-0000-0000-000000000000' THEN 'merge' ELSE 'erase' END FROM " SWAP_DIFFERENCE
    "LEFT JOIN profile p USING (profile_id) LEFT JOIN identity i ON p.profile_id IS NULL AND i.raw_id = d.profile_id"
    " ORDER BY d.profile_id RETURNING seq) SELECT coalesce(max(seq), 0) FROM told");
DB_STATEMENT(version_swap_stay, "ii",
             "UPDATE membership n SET entered_at = o.entered_at FROM membership o WHERE n.version_id = $1 AND o.profile_id = n.profile_id "
             "AND o.version_id = (SELECT serving_version_id FROM segment WHERE segment_id = $2) AND n.entered_at <> o.entered_at");
DB_STATEMENT(version_swap_old, "i",
             "WITH old AS (UPDATE segment_version SET state = 'retired' "
             "WHERE version_id = (SELECT serving_version_id FROM segment WHERE segment_id = $1) RETURNING version_id) "
             "INSERT INTO sweep SELECT version_id FROM old");
DB_STATEMENT(version_swap_new, "iz",
             "UPDATE segment_version SET state = 'live', progress = 1, code = NULL, attempt = 0, retry_at = NULL, live_at = $2 "
             "WHERE version_id = $1");
DB_STATEMENT(version_swap_serve, "ii", "UPDATE segment SET serving_version_id = $1 WHERE segment_id = $2");

DB_STATEMENT(versions_sweep, "l",
             "DELETE FROM membership WHERE ctid = ANY (ARRAY(SELECT ctid FROM membership "
             "WHERE version_id = (SELECT min(version_id) FROM sweep) LIMIT $1))");
DB_STATEMENT(versions_swept, "",
             "DELETE FROM sweep WHERE version_id = (SELECT min(version_id) FROM sweep) "
             "AND NOT EXISTS (SELECT FROM membership m WHERE m.version_id = sweep.version_id)");
DB_STATEMENT(aside_swept, "", "DELETE FROM aside USING sweep WHERE aside.version_id = sweep.version_id");

DB_STATEMENT(segments_clear_feed, "z",
             "WITH told AS (INSERT INTO change (segment_id, segment_key, op, at, cause) "
             "SELECT segment_id, regexp_replace(key, '^~[0-9]+[:~]', ''), 'clear', $1, 'clear' FROM segment "
             "WHERE deleted_at IS NOT NULL ORDER BY segment_id RETURNING seq) SELECT coalesce(max(seq), 0) FROM told");
DB_STATEMENT(segments_clear_sweep, "",
             "INSERT INTO sweep SELECT version_id FROM segment_version JOIN segment USING (segment_id) WHERE deleted_at IS NOT NULL "
             "ON CONFLICT DO NOTHING");
DB_STATEMENT(segments_clear_versions, "",
             "DELETE FROM segment_version v USING segment s WHERE s.segment_id = v.segment_id AND s.deleted_at IS NOT NULL");
DB_STATEMENT(segments_clear, "", "DELETE FROM segment WHERE deleted_at IS NOT NULL");

enum db_status db_versions_all(struct db *db, struct db_rows *ret_rows)
{
    return db_run(db, &versions_all, NULL, ret_rows);
}

enum db_status db_versions_new(struct db *db, const int32_t *known, size_t n_known, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_ints(&args, known, n_known);
    return db_run(db, &versions_new, &args, ret_rows);
}

struct db_version db_version_at(const struct db_rows *rows, size_t row)
{
    return (struct db_version){.version_id = (int32_t)db_int(rows, row, 0),
                               .segment_id = (int32_t)db_int(rows, row, 1),
                               .number = (int32_t)db_int(rows, row, 2),
                               .key = db_text(rows, row, 3),
                               .definition = db_text(rows, row, 4),
                               .timezone = db_text(rows, row, 5),
                               .cause = db_text(rows, row, 6),
                               .live = db_bool(rows, row, 7),
                               .serving = db_bool(rows, row, 8),
                               .started = !db_null(rows, row, 9),
                               .built_to = db_id(rows, row, 9),
                               .attempt = (int32_t)db_int(rows, row, 10)};
}

enum db_status db_segments_read(struct db *db, struct db_segments *ret_segments)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run(db, &segments_read, NULL, &rows);

    if (status != DB_OK && status != DB_NONE)
        return status;
    db_segments_free(ret_segments);
    for (size_t i = 0; i < db_rows_count(&rows); i++)
        *VEC_ADD(&ret_segments->all) = (struct db_segment){.segment_id = (int32_t)db_int(&rows, i, 0),
                                                           .serving = (int32_t)db_int(&rows, i, 1),
                                                           .list = db_bool(&rows, i, 2),
                                                           .key = mem_strdup(db_text(&rows, i, 3))};
    return DB_OK;
}

void db_segments_free(struct db_segments *segments)
{
    for (size_t i = 0; i < segments->all.n; i++)
        free(segments->all.at[i].key);
    vec_free(&segments->all);
}

enum db_status db_chores_read(struct db *db, struct db_chores *ret_chores)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run(db, &chores_read, NULL, &rows);

    if (status == DB_OK)
        *ret_chores = (struct db_chores){.retry = db_bool(&rows, 0, 0), .sweep = db_bool(&rows, 0, 1)};
    return status;
}

enum db_status db_versions_supersede(struct db *db, struct db_rows *ret_rows)
{
    return db_run(db, &versions_supersede, NULL, ret_rows);
}

enum db_status db_version_fail(struct db *db, int32_t version_id, const char *code, int64_t retry_us)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_int(&args, version_id);
    db_arg_text(&args, code);
    db_arg_instant(&args, retry_us);
    return db_run(db, &version_fail, &args, NULL);
}

enum db_status db_version_rebuild(struct db *db, int32_t version_id)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_int(&args, version_id);
    return db_run(db, &version_rebuild, &args, NULL);
}

enum db_status db_versions_retry(struct db *db)
{
    return db_run(db, &versions_retry, NULL, NULL);
}

enum db_status db_version_progress(struct db *db, const struct db_version_progress *progress)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_int(&args, progress->version_id);
    db_arg_id(&args, &progress->built_to);
    db_arg_real(&args, progress->progress);
    db_arg_long(&args, progress->size);
    db_arg_long(&args, progress->identified);
    return db_run(db, &version_progress, &args, NULL);
}

/* Version and segment: the first parameters of every step. */
static void swap_args(const struct db_swap *swap, struct db_args *args)
{
    db_arg_int(args, swap->version_id);
    db_arg_int(args, swap->segment_id);
}

static enum db_status swap_profiles(struct db *db, const struct db_swap *swap, size_t limit, struct db_rows *ret_profiles)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    swap_args(swap, &args);
    db_arg_long(&args, (int64_t)limit);
    return db_run(db, &version_swap_profiles, &args, ret_profiles);
}

static enum db_status swap_feed(struct db *db, const struct db_swap *swap, int64_t *ret_seq)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    swap_args(swap, &args);
    db_arg_text(&args, swap->key);
    db_arg_text(&args, swap->cause);
    db_arg_instant(&args, swap->at_us);
    status = db_run(db, &version_swap_feed, &args, &rows);
    if (status == DB_OK)
        *ret_seq = db_int(&rows, 0, 0);
    return status;
}

enum db_status db_version_swap(struct db *db, const struct db_swap *swap, size_t limit, struct db_rows *ret_profiles, int64_t *ret_seq)
{
    AUTO_DB_ARGS struct db_args both = DB_ARGS_INIT, old = DB_ARGS_INIT, live = DB_ARGS_INIT;
    enum db_status status = swap_profiles(db, swap, limit, ret_profiles);

    if (status == DB_OK || status == DB_NONE)
        status = swap_feed(db, swap, ret_seq);
    if (status != DB_OK)
        return status;
    swap_args(swap, &both);
    db_arg_int(&old, swap->segment_id);
    db_arg_int(&live, swap->version_id);
    db_arg_instant(&live, swap->at_us);
    db_send(db, &version_swap_stay, &both);
    db_send(db, &version_swap_old, &old);
    db_send(db, &version_swap_new, &live);
    db_send(db, &version_swap_serve, &both);
    db_sync(db);
    return db_receive_rest(db, 4);
}

enum db_status db_versions_sweep(struct db *db, size_t limit)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT, done = DB_ROWS_INIT;
    enum db_status status;

    db_arg_long(&args, (int64_t)limit);
    status = db_run(db, &aside_swept, NULL, NULL);
    if (status == DB_OK)
        status = db_run(db, &versions_sweep, &args, &rows);
    if (status != DB_OK || (size_t)db_rows_affected(&rows) == limit)
        return status;
    status = db_run(db, &versions_swept, NULL, &done);
    return status == DB_OK && db_rows_affected(&done) == 0 ? DB_NONE : status;
}

enum db_status db_segments_clear(struct db *db, int64_t at_us, int64_t *ret_seq)
{
    static const struct db_statement *const steps[] = {&segments_clear_sweep, &segments_clear_versions, &segments_clear};
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_instant(&args, at_us);
    status = db_run(db, &segments_clear_feed, &args, &rows);
    if (status == DB_OK)
        *ret_seq = db_int(&rows, 0, 0);
    for (size_t i = 0; i < ARRAY_LEN(steps) && status == DB_OK; i++)
        status = db_run(db, steps[i], NULL, NULL);
    return status;
}
