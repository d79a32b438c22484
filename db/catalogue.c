/* Reading the catalogue of event names. The one idea: counts and property paths are kept by the worker, so this is a page of a small table; a name that
 * only a definition has used, and nobody has sent, has no counts and is not shown.
 * It never looks at events. */
#include "db/catalogue.h"

DB_STATEMENT(catalogue_list, "tti",
             "SELECT n.name, t.events, t.first_seen, t.last_seen,"
             " coalesce((SELECT jsonb_agg(jsonb_build_object('path', p.path, 'types', p.types, 'samples', p.samples) ORDER BY p.path)"
             "   FROM event_property p WHERE p.name_id = n.name_id), '[]')"
             " FROM event_name n JOIN event_name_stat t USING (name_id)"
             " WHERE n.name > $1 AND n.name_id > 3 AND ($2 IS NULL OR position(lower($2) IN lower(n.name)) > 0) ORDER BY n.name LIMIT $3");

enum db_status db_catalogue_list(struct db *db, const char *after, const char *text, int32_t limit, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_text(&args, after);
    db_arg_text(&args, text);
    db_arg_int(&args, limit);
    return db_run(db, &catalogue_list, &args, ret_rows);
}

struct catalogue_row db_catalogue_row(const struct db_rows *rows, size_t i)
{
    return (struct catalogue_row){.name = db_text(rows, i, 0),
                                  .events = db_int(rows, i, 1),
                                  .first_seen_us = db_instant(rows, i, 2),
                                  .last_seen_us = db_instant(rows, i, 3),
                                  .properties = db_text(rows, i, 4)};
}
