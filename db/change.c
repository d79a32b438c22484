/* The feed as the worker writes it. The one idea: one writer, one transaction at a time, so seq grows in the order
 * in which changes become visible and a reader that asks for what came after a seq misses nothing. Reading it is
 * elsewhere. */
#include "db/change.h"

#include <string.h>

DB_STATEMENT(
    change_write, "ITUTTTTTz",
    "WITH told AS (INSERT INTO change (segment_id, segment_key, profile_id, user_id, anonymous_id, email, op, cause, at) "
    "SELECT s, k, p, u, a, e, o, c, $9 FROM unnest($1::integer[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])"
    " WITH ORDINALITY AS d(s, k, p, u, a, e, o, c, i) ORDER BY i RETURNING seq) SELECT max(seq) FROM told");
/* The newest stays however old it is: in a quiet feed it is where readers are, and their place must not expire while they miss nothing. */
DB_STATEMENT(change_prune, "zl",
             "DELETE FROM change WHERE ctid = ANY (ARRAY(SELECT ctid FROM change WHERE at < $1"
             " AND seq < (SELECT seq FROM change ORDER BY seq DESC LIMIT 1) ORDER BY at LIMIT $2))");

const char *change_cause_text(enum change_cause cause)
{
    static const char *const texts[] = {
        [CAUSE_ERASE] = "erase", [CAUSE_MERGE] = "merge",     [CAUSE_LIST] = "list", [CAUSE_EVENT] = "event",
        [CAUSE_TRAIT] = "trait", [CAUSE_SEGMENT] = "segment", [CAUSE_TIME] = "time"};

    return texts[cause];
}

static void array_text(struct db_args *args, const char *text)
{
    db_array_text(args, text, text ? strlen(text) : 0);
}

void db_change_send(struct db *db, const struct db_change *changes, size_t n, int64_t at_us)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_array_begin(&args, 'I');
    for (size_t i = 0; i < n; i++)
        db_array_int(&args, changes[i].segment_id);
    db_array_end(&args);
    db_array_begin(&args, 'T');
    for (size_t i = 0; i < n; i++)
        array_text(&args, changes[i].key);
    db_array_end(&args);
    db_array_begin(&args, 'U');
    for (size_t i = 0; i < n; i++)
        db_array_id(&args, &changes[i].profile);
    db_array_end(&args);
    db_array_begin(&args, 'T');
    for (size_t i = 0; i < n; i++)
        array_text(&args, changes[i].who.user_id);
    db_array_end(&args);
    db_array_begin(&args, 'T');
    for (size_t i = 0; i < n; i++)
        array_text(&args, changes[i].who.anonymous_id);
    db_array_end(&args);
    db_array_begin(&args, 'T');
    for (size_t i = 0; i < n; i++)
        array_text(&args, changes[i].who.email);
    db_array_end(&args);
    db_array_begin(&args, 'T');
    for (size_t i = 0; i < n; i++)
        array_text(&args, changes[i].enter ? "enter" : "exit");
    db_array_end(&args);
    db_array_begin(&args, 'T');
    for (size_t i = 0; i < n; i++)
        array_text(&args, change_cause_text(changes[i].cause));
    db_array_end(&args);
    db_arg_instant(&args, at_us);
    db_send(db, &change_write, &args);
}

enum db_status db_change_prune(struct db *db, int64_t before_us, size_t limit)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_instant(&args, before_us);
    db_arg_long(&args, (int64_t)limit);
    return db_run(db, &change_prune, &args, NULL);
}
