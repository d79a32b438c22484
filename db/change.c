/* The feed as the worker writes it. The one idea: one writer, one transaction at a time, so seq grows in the order
 * in which changes become visible and a reader that asks for what came after a seq misses nothing. Reading it is
 * elsewhere. */
#include "db/change.h"

#include <string.h>

#define CHANGE_COPY                                                                                                                        \
    "COPY change (segment_id, segment_key, profile_id, user_id, anonymous_id, email, op, cause, at) FROM STDIN (FORMAT binary)"
DB_STATEMENT(change_newest, "", "SELECT seq FROM change ORDER BY seq DESC LIMIT 1");
/* The newest stays however old it is: in a quiet feed it is where readers are, and their place must not expire while they miss nothing. */
DB_STATEMENT(change_prune, "zl",
             "DELETE FROM change WHERE ctid = ANY (ARRAY(SELECT ctid FROM change WHERE at < $1"
             " AND seq < (SELECT seq FROM change ORDER BY seq DESC LIMIT 1) ORDER BY at LIMIT $2))");

static const char *cause_text(enum change_cause cause)
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

enum db_status db_change_insert(struct db *db, const struct db_change *changes, size_t n, int64_t at_us, int64_t *ret_seq)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = DB_OK;

    db_copy_begin(&args);
    for (size_t i = 0; i < n && status == DB_OK; i++) {
        db_copy_row(&args, 9);
        db_array_int(&args, changes[i].segment_id);
        array_text(&args, changes[i].key);
        db_array_id(&args, &changes[i].profile);
        array_text(&args, changes[i].who.user_id);
        array_text(&args, changes[i].who.anonymous_id);
        array_text(&args, changes[i].who.email);
        array_text(&args, changes[i].enter ? "enter" : "exit");
        array_text(&args, cause_text(changes[i].cause));
        db_array_instant(&args, at_us);
        if (i + 1 == n || db_copy_is_due(&args))
            status = db_copy(db, CHANGE_COPY, &args);
    }
    if (status == DB_OK)
        status = db_run(db, &change_newest, NULL, &rows);
    if (status == DB_OK)
        *ret_seq = db_int(&rows, 0, 0);
    return status;
}

enum db_status db_change_prune(struct db *db, int64_t before_us, size_t limit)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_instant(&args, before_us);
    db_arg_long(&args, (int64_t)limit);
    return db_run(db, &change_prune, &args, NULL);
}
