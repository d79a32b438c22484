/* Keys. The one idea: whoever changes a key says so on cohortd_keys in the same statement, so a key works, or no longer works,
 * in every process within moments. Keys are revoked and never deleted, except with their source. Making a key is the caller's: here only
 * its hash is seen. */
#include "db/key.h"

DB_STATEMENT(key_load, "",
             "SELECT k.hash, k.role, coalesce(k.source_id, 0), coalesce(s.allowed_origins, '{}'), s.privacy"
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
