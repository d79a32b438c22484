/* Sources. The one idea: a statement that changes one says so on cohortd_keys, so its settings hold in every process within moments. A new source
 * has no keys and need not. One that has sent something stays: its number stands in the events. What
 * origins mean is not known here. */
#include "db/source.h"

#include <string.h>

#include <string.h>

#define COLUMNS "name, allowed_origins, privacy, created_at, provider, hook, cardinality(secrets)"

DB_STATEMENT(source_list, "ti", "SELECT " COLUMNS " FROM source WHERE name > $1 ORDER BY name LIMIT $2");
DB_STATEMENT(source_insert, "tTtbtjT",
             "INSERT INTO source (name, allowed_origins, privacy, provider, hook, secrets)"
             " SELECT $1, coalesce($2, '{}'), coalesce($3, 'first_party'), $5, $6, coalesce($7, '{}') WHERE $4 IS NOT NULL"
             " ON CONFLICT (name) DO NOTHING RETURNING " COLUMNS);
DB_STATEMENT(source_update, "tTtbtjT",
             "WITH made AS (UPDATE source SET allowed_origins = coalesce($2, allowed_origins), privacy = coalesce($3, privacy),"
             "        provider = CASE WHEN $4 THEN $5 ELSE provider END, hook = CASE WHEN $4 THEN $6 ELSE hook END,"
             "        secrets = CASE WHEN $4 THEN coalesce($7, '{}') ELSE secrets END"
             "    WHERE name = $1 RETURNING *)"
             " SELECT " COLUMNS " FROM made, pg_notify('cohortd_keys', '')");
DB_STATEMENT(source_hook, "t", "SELECT source_id, provider, hook, secrets FROM source WHERE name = $1");
DB_STATEMENT(source_number, "t", "SELECT source_id, privacy FROM source WHERE name = $1");
DB_STATEMENT(source_used, "t",
             "SELECT EXISTS (SELECT FROM api_key k WHERE k.source_id = s.source_id AND k.revoked_at IS NULL)"
             "    OR EXISTS (SELECT FROM event_name n WHERE n.source_id = s.source_id)"
             "    OR EXISTS (SELECT FROM reject r WHERE r.source_id = s.source_id)"
             "  FROM source s WHERE s.name = $1 FOR UPDATE");
DB_STATEMENT(source_delete_keys, "t", "DELETE FROM api_key k USING source s WHERE k.source_id = s.source_id AND s.name = $1");
DB_STATEMENT(source_delete, "t", "DELETE FROM source WHERE name = $1");

enum db_status db_source_list(struct db *db, const char *after, int32_t limit, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_text(&args, after);
    db_arg_int(&args, limit);
    return db_run(db, &source_list, &args, ret_rows);
}

struct source_row db_source_row(const struct db_rows *rows, size_t i)
{
    return (struct source_row){.name = db_text(rows, i, SOURCE_NAME),
                               .privacy = db_text(rows, i, SOURCE_PRIVACY),
                               .provider = db_text(rows, i, SOURCE_PROVIDER),
                               .hook = db_text(rows, i, SOURCE_HOOK),
                               .n_secrets = db_int(rows, i, SOURCE_SECRETS),
                               .rows = rows,
                               .row = i,
                               .created_us = db_instant(rows, i, SOURCE_CREATED)};
}

static enum db_status write_source(struct db *db, const struct db_statement *statement, const char *name, const struct source_edit *edit,
                                   struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_text(&args, name);
    if (edit->has_origins)
        db_arg_texts(&args, edit->origins, edit->n_origins);
    else
        db_arg_null(&args, 'T');
    db_arg_text(&args, edit->privacy);
    db_arg_bool(&args, edit->has_hook);
    db_arg_text(&args, edit->provider);
    if (edit->hook)
        db_arg_json(&args, edit->hook, strlen(edit->hook));
    else
        db_arg_null(&args, 'j');
    if (edit->has_hook)
        db_arg_texts(&args, edit->secrets, edit->n_secrets);
    else
        db_arg_null(&args, 'T');
    return db_run(db, statement, &args, ret_rows);
}

enum db_status db_source_insert(struct db *db, const char *name, const struct source_edit *edit, struct db_rows *ret_rows)
{
    return write_source(db, &source_insert, name, edit, ret_rows);
}

enum db_status db_source_update(struct db *db, const char *name, const struct source_edit *edit, struct db_rows *ret_rows)
{
    return write_source(db, &source_update, name, edit, ret_rows);
}

enum db_status db_source_ensure(struct db *db, const char *name)
{
    enum db_status status = db_source_insert(db, name, &(struct source_edit){.privacy = NULL}, NULL);

    return status == DB_NONE ? DB_OK : status;
}

enum db_status db_source_id(struct db *db, const char *name, int32_t *ret_source_id, enum privacy *ret_privacy)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_text(&args, name);
    status = db_run(db, &source_number, &args, &rows);
    if (status == DB_OK) {
        *ret_source_id = (int32_t)db_int(&rows, 0, 0);
        *ret_privacy = db_source_privacy(db_text(&rows, 0, 1));
    }
    return status;
}

enum privacy db_source_privacy(const char *word)
{
    if (word && strcmp(word, "drop") == 0)
        return PRIVACY_DROP;
    return word && strcmp(word, "ignore") == 0 ? PRIVACY_IGNORE : PRIVACY_FIRST_PARTY;
}

enum db_status db_source_hook(struct db *db, const char *name, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_text(&args, name);
    return db_run(db, &source_hook, &args, ret_rows);
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
