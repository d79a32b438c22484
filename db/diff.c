/* Trying a changed definition. The one idea: the head that verifies members (those whose stored membership differs from the answer) answers this
 * question, too, when it is compiled from another definition; it goes over the ids in slices, so that only a slice's differences are in memory. Reads
 * only. */
#include "db/diff.h"

#include "db/evaluate.h"
#include "db/membership.h"
#include "db/others.h"
#include "db/preview.h"

enum { SLICE_PROFILES = 5000, SLICES_MAX = 1 << 16 };

DB_STATEMENT(diff_frame, "t",
             "SELECT w.as_of, r.floor_at, coalesce(s.serving_version_id, 0) FROM segment s, worker w, retention r"
             " WHERE s.key = $1 AND s.deleted_at IS NULL");

struct run {
    struct db *db;
    const struct db_diff *diff;
    struct db_query query;
    int64_t floor_us;
    int32_t version_id;
    struct db_diffed found;
};

static void count_rows(struct run *run, const struct db_rows *rows)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        bool enters = db_bool(rows, i, CHANGED_IS);
        int64_t *count = enters ? &run->found.enter : &run->found.leave;
        struct who who = db_who(rows, i, CHANGED_WHO);

        if ((*count)++ < (int64_t)run->diff->sample)
            run->diff->differs(run->diff->context, enters, &who);
    }
}

/* The ids whose first two bytes are from first to last. */
static enum db_status compare_slice(struct run *run, unsigned first, unsigned last)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct id from = {{(uint8_t)(first >> 8), (uint8_t)first}}, to = id_last();
    enum db_status status;

    to.bytes[0] = (uint8_t)(last >> 8);
    to.bytes[1] = (uint8_t)last;
    db_arg_instant(&args, run->found.as_of_us);
    db_arg_instant(&args, run->floor_us);
    db_arg_id(&args, &from);
    db_arg_id(&args, &to);
    db_arg_int(&args, run->version_id);
    status = db_query_run(run->db, &run->query, &args, &rows);
    if (status == DB_OK)
        count_rows(run, &rows);
    return status == DB_NONE ? DB_OK : status;
}

static enum db_status compare_all(struct run *run)
{
    int64_t profiles;
    enum db_status status = db_profiles_estimate(run->db, &profiles);
    unsigned slices = 1;

    while (slices < SLICES_MAX && profiles / slices > SLICE_PROFILES)
        slices *= 2;
    for (unsigned i = 0; status == DB_OK && i < slices; i++)
        status = compare_slice(run, i * (SLICES_MAX / slices), (i + 1) * (SLICES_MAX / slices) - 1);
    return status;
}

static enum db_status inside(struct run *run)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_text(&args, run->diff->key);
    status = db_run(run->db, &diff_frame, &args, &rows);
    if (status != DB_OK)
        return status;
    run->found.as_of_us = db_instant(&rows, 0, 0);
    run->floor_us = db_instant(&rows, 0, 1);
    run->version_id = (int32_t)db_int(&rows, 0, 2);
    return run->found.as_of_us == DB_INSTANT_PAST ? DB_RETRY : compare_all(run);
}

/* Prepared outside the transaction, for names may be interned. */
static enum db_status run_prepared(struct run *run, struct db_plans *plans, const struct sql *sql)
{
    enum db_status status = db_query_open(run->db, plans, &(struct db_query_text){.sql = sql, .runner_types = "zzuui"}, &run->query);

    if (status != DB_OK)
        return status;
    status = db_begin_evaluation(run->db);
    if (status == DB_OK)
        status = inside(run);
    db_rollback(run->db);
    db_query_close(run->db, plans, &run->query);
    return status;
}

enum db_status db_diff(struct db *db, const struct db_diff *diff, struct db_diffed *ret_diffed, struct err *err)
{
    AUTO_DB_OTHERS struct db_others others = DB_OTHERS_INIT(db);
    struct segment_others look = {db_others_look_up, &others};
    struct run run = {.db = db, .diff = diff, .query = DB_QUERY_INIT};
    AUTO_SQL struct sql sql = {.params = NULL};
    struct db_plans *plans;
    enum db_status status;

    if (!segment_compile(diff->segment, HEAD_DIFF, &look, &sql, err))
        return DB_NONE;
    if (others.status != DB_OK)
        return others.status;
    plans = db_plans_new();
    status = run_prepared(&run, plans, &sql);
    db_plans_free(plans);
    if (status == DB_OK)
        *ret_diffed = run.found;
    return status;
}
