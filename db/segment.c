/* Segments. The one idea: what is shown of a segment is its own row beside its newest version (state, progress) and its serving version (size), read in
 * one statement together with the worker's watermark, so the parts of an answer belong together. A save writes the segment and at most one new version row; the
 * worker finds it, told by a notification that leaves with the commit, and does the rest. Saves run one at a time, under a lock that the worker never takes. */
#include "db/segment.h"

#include <string.h>

#include "db/lock.h"

#define SEGMENT_SHOWN(definition)                                                                                                          \
    "SELECT s.segment_id, s.key, s.name, s.description, s.kind, s.timezone, s.tags, s.public, n.version, n.state, n.progress, n.code, "    \
    "CASE WHEN s.kind = 'rule' AND " definition " THEN n.definition END, coalesce(v.version_id, 0), coalesce(v.version, 0), "              \
    "coalesce(v.size, 0), coalesce(v.identified, 0), s.created_at, s.updated_at, nullif(w.as_of, '-infinity'), "                           \
    "CASE WHEN w.as_of > '-infinity' THEN greatest(0, (extract(epoch FROM clock_timestamp() - w.as_of) * 1000)::bigint) END "              \
    "FROM segment s CROSS JOIN worker w LEFT JOIN segment_version v ON v.version_id = s.serving_version_id "                               \
    "JOIN LATERAL (SELECT * FROM segment_version x WHERE x.segment_id = s.segment_id ORDER BY x.version DESC, x.version_id DESC LIMIT 1) " \
    "n "                                                                                                                                   \
    "ON true WHERE s.deleted_at IS NULL AND "

DB_STATEMENT(segment_read, "t", SEGMENT_SHOWN("true") "s.key = $1");
DB_STATEMENT(
    segment_list, "tttttbi",
    SEGMENT_SHOWN("$6") "s.key > $1 AND ($2 IS NULL OR s.kind = $2) AND ($3 IS NULL OR $3 = ANY (s.tags)) AND ($4 IS NULL OR n.state = $4)"
                        " AND ($5 IS NULL OR position(lower($5) IN lower(s.key || ' ' || s.name || ' ' || s.description)) > 0)"
                        " ORDER BY s.key LIMIT $7");
DB_STATEMENT(segment_lock, "", "SELECT pg_advisory_xact_lock(" DB_LOCK_SEGMENTS "), pg_notify('cohortd_touched', '')");
/* A list has no definition and nothing to build: it is live at once. */
DB_STATEMENT(segment_insert, "tttttTbt",
             "WITH made AS (INSERT INTO segment (key, name, description, kind, timezone, tags, public) VALUES ($1, $2, $3, $4, $5, $6, $7)"
             "   ON CONFLICT (key) DO NOTHING RETURNING segment_id, timezone, kind)"
             " INSERT INTO segment_version (segment_id, version, definition, timezone, state, progress, live_at)"
             " SELECT segment_id, 1, coalesce($8, 'null'), timezone, CASE kind WHEN 'list' THEN 'live' ELSE 'building' END,"
             "   CASE kind WHEN 'list' THEN 1 ELSE 0 END, CASE kind WHEN 'list' THEN now() END FROM made RETURNING version_id");
DB_STATEMENT(segment_serve_list, "t",
             "UPDATE segment s SET serving_version_id = v.version_id FROM segment_version v"
             " WHERE s.key = $1 AND s.kind = 'list' AND v.segment_id = s.segment_id");
DB_STATEMENT(
    segment_version_add, "ttt",
    "INSERT INTO segment_version (segment_id, version, definition, timezone)"
    " SELECT s.segment_id, n.version + 1, $2, $3 FROM segment s"
    " JOIN LATERAL (SELECT * FROM segment_version x WHERE x.segment_id = s.segment_id ORDER BY x.version DESC, x.version_id DESC LIMIT 1) n"
    "   ON true"
    " WHERE s.key = $1 AND s.kind = 'rule' AND s.deleted_at IS NULL AND (n.definition::jsonb <> $2::jsonb OR n.timezone <> $3)");
DB_STATEMENT(segment_update, "ttttTbb",
             "UPDATE segment SET name = $2, description = $3, timezone = $4, tags = $5, public = $6, updated_at = clock_timestamp()"
             " WHERE key = $1 AND deleted_at IS NULL"
             "   AND ($7 OR (name, description, timezone, tags, public) IS DISTINCT FROM ($2, $3, $4, $5, $6))");
DB_STATEMENT(segment_exists, "t", "SELECT 1 FROM segment WHERE key = $1 AND deleted_at IS NULL FOR UPDATE");
/* The worker writes the clear under what follows the colon. */
DB_STATEMENT(
    segment_delete, "t",
    "UPDATE segment SET deleted_at = clock_timestamp(), key = '~' || segment_id || ':' || key WHERE key = $1 AND deleted_at IS NULL"
    " RETURNING 1");
DB_STATEMENT(segment_edges, "",
             "SELECT s.key, ARRAY(SELECT DISTINCT x #>> '{}' FROM jsonb_path_query(n.definition::jsonb, '$.**.segment') x"
             "   WHERE jsonb_typeof(x) = 'string')"
             " FROM segment s JOIN LATERAL (SELECT * FROM segment_version x WHERE x.segment_id = s.segment_id"
             "   ORDER BY x.version DESC, x.version_id DESC LIMIT 1) n ON true"
             " WHERE s.deleted_at IS NULL AND s.kind = 'rule' AND position('\"segment\"' IN n.definition) > 0 ORDER BY s.key");
DB_STATEMENT(segment_dependents, "t",
             "SELECT DISTINCT s.key FROM segment s JOIN segment_version v USING (segment_id)"
             " WHERE s.deleted_at IS NULL AND s.kind = 'rule' AND s.key <> $1 AND position('\"segment\"' IN v.definition) > 0"
             "   AND (v.state <> 'retired' OR v.version_id = s.serving_version_id)"
             "   AND jsonb_path_exists(v.definition::jsonb, '$.**.segment ? (@ == $key)', jsonb_build_object('key', $1)) ORDER BY s.key");
DB_STATEMENT(segment_known, "T", "SELECT key FROM segment WHERE key = ANY ($1) AND deleted_at IS NULL");
DB_STATEMENT(segment_definition, "tb",
             "SELECT n.definition, n.timezone, s.kind FROM segment s"
             " JOIN LATERAL (SELECT * FROM segment_version x WHERE x.segment_id = s.segment_id"
             "   ORDER BY $2 AND x.version_id = s.serving_version_id DESC NULLS LAST, x.version DESC, x.version_id DESC LIMIT 1) n"
             "   ON true WHERE s.key = $1 AND s.deleted_at IS NULL");
DB_STATEMENT(timezone_check, "t",
             "SELECT 1 FROM pg_timezone_names WHERE name = $1"
             " AND name !~ '^((posix|right)/.*|posixrules|localtime|Factory)$'"); /* files beside the zones of IANA */
DB_STATEMENT(pattern_check, "t", "SELECT '' ~ $1");

static enum db_status run_key(struct db *db, const struct db_statement *statement, const char *key, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_text(&args, key);
    return db_run(db, statement, &args, ret_rows);
}

enum db_status db_segment_read(struct db *db, const char *key, struct db_rows *ret_rows)
{
    return run_key(db, &segment_read, key, ret_rows);
}

void db_segment_send_read(struct db *db, const char *key)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_text(&args, key);
    db_send(db, &segment_read, &args);
}

enum db_status db_segment_list(struct db *db, const struct segment_filter *filter, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_text(&args, filter->after);
    db_arg_text(&args, filter->kind);
    db_arg_text(&args, filter->tag);
    db_arg_text(&args, filter->state);
    db_arg_text(&args, filter->text);
    db_arg_bool(&args, filter->definitions);
    db_arg_int(&args, filter->limit);
    return db_run(db, &segment_list, &args, ret_rows);
}

struct segment_row db_segment_row(const struct db_rows *rows, size_t i)
{
    return (struct segment_row){.segment_id = (int32_t)db_int(rows, i, 0),
                                .key = db_text(rows, i, 1),
                                .name = db_text(rows, i, 2),
                                .description = db_text(rows, i, 3),
                                .kind = db_text(rows, i, 4),
                                .timezone = db_text(rows, i, 5),
                                .is_public = db_bool(rows, i, 7),
                                .version = db_int(rows, i, 8),
                                .state = db_text(rows, i, 9),
                                .progress = db_real(rows, i, 10),
                                .code = db_text(rows, i, 11),
                                .definition = db_text(rows, i, 12),
                                .serving_id = (int32_t)db_int(rows, i, 13),
                                .serving = db_int(rows, i, 14),
                                .size = db_int(rows, i, 15),
                                .identified = db_int(rows, i, 16),
                                .created_us = db_instant(rows, i, 17),
                                .updated_us = db_instant(rows, i, 18),
                                .as_of_us = db_instant(rows, i, 19),
                                .lag_ms = db_int(rows, i, 20),
                                .rows = rows,
                                .row = i};
}

enum db_status db_segment_lock(struct db *db)
{
    return db_run(db, &segment_lock, NULL, NULL);
}

enum db_status db_segment_insert(struct db *db, const struct segment_new *segment)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_text(&args, segment->key);
    db_arg_text(&args, segment->name);
    db_arg_text(&args, segment->description);
    db_arg_text(&args, segment->kind);
    db_arg_text(&args, segment->timezone);
    db_arg_texts(&args, segment->tags, segment->n_tags);
    db_arg_bool(&args, segment->is_public);
    db_arg_text_len(&args, segment->definition, segment->definition_len);
    status = db_run(db, &segment_insert, &args, &rows);
    return status == DB_OK ? run_key(db, &segment_serve_list, segment->key, NULL) : status;
}

static enum db_status add_version(struct db *db, const struct segment_new *segment, bool *ret_added)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_text(&args, segment->key);
    db_arg_text_len(&args, segment->definition, segment->definition_len);
    db_arg_text(&args, segment->timezone);
    status = db_run(db, &segment_version_add, &args, &rows);
    *ret_added = status == DB_OK && db_rows_affected(&rows) > 0;
    return status;
}

enum db_status db_segment_update(struct db *db, const struct segment_new *segment)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    bool added = false;
    enum db_status status = run_key(db, &segment_exists, segment->key, NULL);

    if (status == DB_OK && segment->definition)
        status = add_version(db, segment, &added);
    if (status != DB_OK)
        return status;
    db_arg_text(&args, segment->key);
    db_arg_text(&args, segment->name);
    db_arg_text(&args, segment->description);
    db_arg_text(&args, segment->timezone);
    db_arg_texts(&args, segment->tags, segment->n_tags);
    db_arg_bool(&args, segment->is_public);
    db_arg_bool(&args, added);
    return db_run(db, &segment_update, &args, NULL);
}

enum db_status db_segment_delete(struct db *db, const char *key)
{
    return run_key(db, &segment_delete, key, NULL);
}

enum db_status db_segment_edges(struct db *db, struct db_rows *ret_rows)
{
    return db_run(db, &segment_edges, NULL, ret_rows);
}

enum db_status db_segment_dependents(struct db *db, const char *key, struct db_rows *ret_rows)
{
    return run_key(db, &segment_dependents, key, ret_rows);
}

enum db_status db_segment_known(struct db *db, const char *const *keys, size_t n, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_texts(&args, keys, n);
    return db_run(db, &segment_known, &args, ret_rows);
}

enum db_status db_segment_definition(struct db *db, const char *key, bool serving, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_text(&args, key);
    db_arg_bool(&args, serving);
    return db_run(db, &segment_definition, &args, ret_rows);
}

enum db_status db_timezone_check(struct db *db, const char *name)
{
    return strcmp(name, "UTC") == 0 ? DB_OK : run_key(db, &timezone_check, name, NULL);
}

enum db_status db_pattern_check(struct db *db, const char *pattern)
{
    enum db_status status = run_key(db, &pattern_check, pattern, NULL);

    return status == DB_ERROR && strcmp(db_sqlstate(db), "2201B") == 0 ? DB_NONE : status;
}
