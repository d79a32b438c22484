/* Range scans over event times. The one idea: if the last tick ran at t0 and this one at t1, a window of length D has lost exactly the events
 * with ts in (t0 − D, t1 − D]; a B-tree on ts finds them, so no timer is kept anywhere. Each scan has a limit: past it the caller rebuilds
 * instead. */
#include "db/due.h"

/* By ts twice: on the column, so that other partitions are left out, and as it stands in event_time_idx. */
DB_STATEMENT(due_events, "zzIl",
             "SELECT profile_id, name_id FROM event WHERE ts > $1 AND ts <= $2 "
             "AND ts AT TIME ZONE 'UTC' > $1 AT TIME ZONE 'UTC' AND ts AT TIME ZONE 'UTC' <= $2 AT TIME ZONE 'UTC' "
             "AND CASE WHEN $3::integer[] IS NULL THEN name_id > 3 ELSE name_id = ANY($3) END LIMIT $4");
DB_STATEMENT(due_first_seen, "zzl", "SELECT profile_id FROM profile WHERE first_seen > $1 AND first_seen <= $2 LIMIT $3");
DB_STATEMENT(due_period, "ttz", "SELECT period_start($3, $1, -1, $2), period_start($3, $1, 0, $2), period_start($3, $1, 1, $2)");

void db_due_send(struct db *db, const struct db_due_range *range, size_t limit)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_instant(&args, range->from_us);
    db_arg_instant(&args, range->to_us);
    if (range->names)
        db_arg_ints(&args, range->names, range->n_names);
    else
        db_arg_null(&args, 'I');
    db_arg_long(&args, (int64_t)limit);
    db_send(db, &due_events, &args);
}

enum db_status db_due_first_seen(struct db *db, int64_t from_us, int64_t to_us, size_t limit, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_instant(&args, from_us);
    db_arg_instant(&args, to_us);
    db_arg_long(&args, (int64_t)limit);
    return db_run(db, &due_first_seen, &args, ret_rows);
}

enum db_status db_period_of(struct db *db, const char *period, const char *zone, int64_t at_us, struct db_period *ret_period)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_text(&args, period);
    db_arg_text(&args, zone);
    db_arg_instant(&args, at_us);
    status = db_run(db, &due_period, &args, &rows);
    if (status == DB_OK)
        *ret_period = (struct db_period){
            .before_us = db_instant(&rows, 0, 0), .start_us = db_instant(&rows, 0, 1), .end_us = db_instant(&rows, 0, 2)};
    return status;
}
