/* Keys and sources. The one idea: whoever changes a key says so on cohortd_keys in the same statement, so a key works, or no longer works,
 * in every process within moments. Keys are revoked and never deleted, except with their source. Making a key is the caller's: here only
 * its hash is seen. */
#include "db/key.h"

DB_STATEMENT(key_load, "",
             "SELECT k.hash, k.role, coalesce(k.source_id, 0), coalesce(s.allowed_origins, '{}')"
             "  FROM api_key k LEFT JOIN source s USING (source_id) WHERE k.revoked_at IS NULL ORDER BY k.hash");
DB_STATEMENT(key_any, "", "SELECT 1 FROM api_key LIMIT 1");
DB_STATEMENT(key_list, "ui",
             "SELECT k.key_id, k.role, s.name, k.name, k.prefix, k.created_at, k.revoked_at"
             "  FROM api_key k LEFT JOIN source s USING (source_id) WHERE $1 IS NULL OR k.key_id > $1 ORDER BY k.key_id LIMIT $2");
DB_STATEMENT(
    key_insert, "yttttb",
    "WITH made AS (INSERT INTO api_key (hash, role, source_id, name, prefix)"
    "    SELECT $1, $2, s.source_id, $4, $5 FROM (SELECT) AS one LEFT JOIN source s ON s.name = $3 WHERE s.source_id IS NOT NULL OR NOT $6"
    "    RETURNING *)"
    " SELECT key_id, role, $3, name, prefix, created_at, revoked_at FROM made, pg_notify('cohortd_keys', '')");
DB_STATEMENT(key_revoke, "u",
             "WITH gone AS (UPDATE api_key SET revoked_at = now() WHERE key_id = $1 AND revoked_at IS NULL RETURNING 1)"
             " SELECT 1 FROM gone, pg_notify('cohortd_keys', '')");
DB_STATEMENT(source_list, "ti", "SELECT name, allowed_origins, created_at FROM source WHERE name > $1 ORDER BY name LIMIT $2");
DB_STATEMENT(
    source_insert, "tT",
    "INSERT INTO source (name, allowed_origins) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING name, allowed_origins, created_at");
DB_STATEMENT(source_number, "t", "SELECT source_id FROM source WHERE name = $1");
DB_STATEMENT(source_used, "t",
             "SELECT EXISTS (SELECT FROM api_key k WHERE k.source_id = s.source_id AND k.revoked_at IS NULL)"
             "    OR EXISTS (SELECT FROM event_name n WHERE n.source_id = s.source_id)"
             "    OR EXISTS (SELECT FROM reject r WHERE r.source_id = s.source_id)"
             "  FROM source s WHERE s.name = $1 FOR UPDATE");
DB_STATEMENT(source_delete_keys, "t", "DELETE FROM api_key k USING source s WHERE k.source_id = s.source_id AND s.name = $1");
DB_STATEMENT(source_delete, "t", "DELETE FROM source WHERE name = $1");

enum db_status db_key_load(struct db *db, struct db_rows *ret_rows)
{
    return db_run(db, &key_load, NULL, ret_rows);
}

enum db_status db_key_any(struct db *db)
{
    return db_run(db, &key_any, NULL, NULL);
}

enum db_status db_key_list(struct db *db, const struct id *after, int32_t limit, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_id(&args, after);
    db_arg_int(&args, limit);
    return db_run(db, &key_list, &args, ret_rows);
}

struct key_row db_key_row(const struct db_rows *rows, size_t i)
{
    return (struct key_row){.key_id = db_id(rows, i, 0),
                            .role = db_text(rows, i, 1),
                            .source = db_text(rows, i, 2),
                            .name = db_text(rows, i, 3),
                            .prefix = db_text(rows, i, 4),
                            .created_us = db_instant(rows, i, 5),
                            .revoked_us = db_instant(rows, i, 6)};
}

enum db_status db_key_insert(struct db *db, const struct key_new *key, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_bytes(&args, key->hash, KEY_HASH_SIZE);
    db_arg_text(&args, key->role);
    db_arg_text(&args, key->source);
    db_arg_text(&args, key->name);
    db_arg_text(&args, key->prefix);
    db_arg_bool(&args, key->source != NULL);
    return db_run(db, &key_insert, &args, ret_rows);
}

enum db_status db_key_revoke(struct db *db, const struct id *key_id)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_id(&args, key_id);
    return db_run(db, &key_revoke, &args, NULL);
}

enum db_status db_source_list(struct db *db, const char *after, int32_t limit, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_text(&args, after);
    db_arg_int(&args, limit);
    return db_run(db, &source_list, &args, ret_rows);
}

struct source_row db_source_row(const struct db_rows *rows, size_t i)
{
    return (struct source_row){
        .name = db_text(rows, i, SOURCE_NAME), .rows = rows, .row = i, .created_us = db_instant(rows, i, SOURCE_CREATED)};
}

enum db_status db_source_insert(struct db *db, const char *name, const char *const *origins, size_t n_origins, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_text(&args, name);
    db_arg_texts(&args, origins, n_origins);
    return db_run(db, &source_insert, &args, ret_rows);
}

enum db_status db_source_ensure(struct db *db, const char *name)
{
    enum db_status status = db_source_insert(db, name, NULL, 0, NULL);

    return status == DB_NONE ? DB_OK : status;
}

enum db_status db_source_id(struct db *db, const char *name, int32_t *ret_source_id)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_text(&args, name);
    status = db_run(db, &source_number, &args, &rows);
    if (status == DB_OK)
        *ret_source_id = (int32_t)db_int(&rows, 0, 0);
    return status;
}

struct deletion {
    struct db_args *name;
    bool in_use;
};

static enum db_status delete_source(struct db *db, void *context)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct deletion *deletion = context;
    enum db_status status = db_run(db, &source_used, deletion->name, &rows);

    if (status != DB_OK)
        return status;
    deletion->in_use = db_bool(&rows, 0, 0);
    if (deletion->in_use)
        return DB_NONE;
    status = db_run(db, &source_delete_keys, deletion->name, NULL);
    return status == DB_OK ? db_run(db, &source_delete, deletion->name, NULL) : status;
}

enum db_status db_source_delete(struct db *db, const char *name, bool *ret_in_use)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    struct deletion deletion = {.name = &args};
    enum db_status status;

    db_arg_text(&args, name);
    status = db_tx(db, DB_READ_COMMITTED, delete_source, &deletion);
    *ret_in_use = deletion.in_use;
    return status;
}
