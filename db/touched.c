/* The worker's queue. The one idea: rows become visible with their commit and are deleted by the tick that has acted on them, so nothing is
 * skipped and nothing is lost, in whatever order transactions commit. A tick reads the oldest rows up to a weight, so a backlog is worked off in
 * pieces. */
#include "db/touched.h"

#include <string.h>

/* At most so many rows at once, whatever they weigh. */
enum { ROWS_MAX = 4000 };

DB_STATEMENT(
    touched_read, "ll",
    "SELECT touched_id, max_ts, at, pair_profile, pair_name, fact_profile, fact_path, created, gone, gone_into, stat_name, stat_events,"
    " stat_first, stat_last FROM ("
    "SELECT *, coalesce(sum(cardinality(pair_profile) + cardinality(fact_profile) + cardinality(created) + cardinality(gone))"
    " OVER (ORDER BY touched_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS weight"
    " FROM (SELECT * FROM touched ORDER BY touched_id LIMIT $2) oldest) weighed "
    "WHERE weight < $1 ORDER BY touched_id");
DB_STATEMENT(touched_delete, "L", "DELETE FROM touched WHERE touched_id = ANY($1)");
DB_STATEMENT(touched_count, "", "SELECT count(*) FROM touched");
DB_STATEMENT(
    touched_stats, "ILZZ",
    "INSERT INTO event_name_stat AS s (name_id, events, first_seen, last_seen) "
    "SELECT n, sum(e), min(f), max(l) FROM unnest($1::integer[], $2::bigint[], $3::timestamptz[], $4::timestamptz[]) AS d(n, e, f, l) "
    "GROUP BY n ORDER BY n "
    "ON CONFLICT (name_id) DO UPDATE SET events = s.events + excluded.events,"
    " first_seen = least(s.first_seen, excluded.first_seen), last_seen = greatest(s.last_seen, excluded.last_seen)");

enum {
    ID,
    MAX_TS,
    AT,
    PAIR_PROFILE,
    PAIR_NAME,
    FACT_PROFILE,
    FACT_PATH,
    CREATED,
    GONE,
    GONE_INTO,
    STAT_NAME,
    STAT_EVENTS,
    STAT_FIRST,
    STAT_LAST
};

void touched_release(struct touched *touched)
{
    db_rows_release(&touched->rows);
    vec_free(&touched->ids);
    vec_free(&touched->pairs);
    vec_free(&touched->facts);
    vec_free(&touched->created);
    vec_free(&touched->gone);
    vec_free(&touched->stats);
}

size_t touched_weight(const struct touched *touched)
{
    return touched->pairs.n + touched->facts.n + touched->created.n + touched->gone.n;
}

void db_touched_send(struct db *db, size_t max_weight)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_long(&args, (int64_t)max_weight);
    db_arg_long(&args, ROWS_MAX);
    db_send(db, &touched_read, &args);
}

static void read_pairs(struct touched *touched, size_t row)
{
    struct db_array profiles = db_array(&touched->rows, row, PAIR_PROFILE), names = db_array(&touched->rows, row, PAIR_NAME);

    for (size_t n = profiles.left; n > 0; n--) {
        struct touched_pair *pair = VEC_ADD(&touched->pairs);

        pair->profile = db_array_next_id(&profiles);
        pair->name_id = (int32_t)db_array_next_int(&names);
    }
}

static void read_facts(struct touched *touched, size_t row)
{
    struct db_array profiles = db_array(&touched->rows, row, FACT_PROFILE), paths = db_array(&touched->rows, row, FACT_PATH);

    for (size_t n = profiles.left; n > 0; n--) {
        struct touched_fact *fact = VEC_ADD(&touched->facts);

        fact->profile = db_array_next_id(&profiles);
        fact->path = db_array_next_text(&paths, &fact->len);
    }
}

static void read_profiles(struct touched *touched, size_t row)
{
    struct db_array created = db_array(&touched->rows, row, CREATED);
    struct db_array gone = db_array(&touched->rows, row, GONE), into = db_array(&touched->rows, row, GONE_INTO);

    for (size_t n = created.left; n > 0; n--)
        *VEC_ADD(&touched->created) = db_array_next_id(&created);
    for (size_t n = gone.left; n > 0; n--) {
        struct touched_gone *one = VEC_ADD(&touched->gone);

        one->profile = db_array_next_id(&gone);
        one->into = db_array_next_id(&into);
    }
}

static void read_stats(struct touched *touched, size_t row)
{
    struct db_array names = db_array(&touched->rows, row, STAT_NAME), events = db_array(&touched->rows, row, STAT_EVENTS);
    struct db_array first = db_array(&touched->rows, row, STAT_FIRST), last = db_array(&touched->rows, row, STAT_LAST);

    for (size_t n = names.left; n > 0; n--) {
        struct touched_stat *stat = VEC_ADD(&touched->stats);

        stat->name_id = (int32_t)db_array_next_int(&names);
        stat->events = db_array_next_int(&events);
        stat->first_us = db_array_next_instant(&first);
        stat->last_us = db_array_next_instant(&last);
    }
}

enum db_status db_touched_receive(struct db *db, size_t max_weight, struct touched *ret_touched)
{
    enum db_status status = db_receive(db, &ret_touched->rows);
    size_t n;

    if (status == DB_NONE)
        return DB_OK;
    if (status != DB_OK)
        return status;
    n = db_rows_count(&ret_touched->rows);
    for (size_t row = 0; row < n; row++) {
        int64_t max_ts_us = db_instant(&ret_touched->rows, row, MAX_TS), at_us = db_instant(&ret_touched->rows, row, AT);

        *VEC_ADD(&ret_touched->ids) = db_int(&ret_touched->rows, row, ID);
        read_pairs(ret_touched, row);
        read_facts(ret_touched, row);
        read_profiles(ret_touched, row);
        read_stats(ret_touched, row);
        if (max_ts_us > ret_touched->max_ts_us)
            ret_touched->max_ts_us = max_ts_us;
        if (ret_touched->oldest_us == INSTANT_NONE || at_us < ret_touched->oldest_us)
            ret_touched->oldest_us = at_us;
    }
    ret_touched->more = n >= ROWS_MAX || touched_weight(ret_touched) >= max_weight;
    return DB_OK;
}

void db_touched_send_delete(struct db *db, const struct touched *touched)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    DB_ARRAY(&args, 'L', i, touched->ids.n, db_array_long(&args, touched->ids.at[i]));
    db_send(db, &touched_delete, &args);
}

enum db_status db_touched_backlog(struct db *db, int64_t *ret_rows)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run(db, &touched_count, NULL, &rows);

    if (status == DB_OK)
        *ret_rows = db_int(&rows, 0, 0);
    return status;
}

void db_touched_send_stats(struct db *db, const struct touched *touched)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    DB_ARRAY(&args, 'I', i, touched->stats.n, db_array_int(&args, touched->stats.at[i].name_id));
    DB_ARRAY(&args, 'L', i, touched->stats.n, db_array_long(&args, touched->stats.at[i].events));
    DB_ARRAY(&args, 'Z', i, touched->stats.n, db_array_instant(&args, touched->stats.at[i].first_us));
    DB_ARRAY(&args, 'Z', i, touched->stats.n, db_array_instant(&args, touched->stats.at[i].last_us));
    db_send(db, &touched_stats, &args);
}
