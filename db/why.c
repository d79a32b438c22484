/* Explaining a membership. The one idea: the tree that decides is compiled once more, to give every node's value for one profile at the worker's
 * watermark, so what is explained is what is stored. Segments referred to are explained with it, by the definitions that their members are of.
 * It reads only. */
#include "db/why.h"

#include "db/evaluate.h"
#include "segment/segment_why.h"

/* How many instants to come are tried, and for how long: for a person with very many events each one is dear, and fewer are better than no answer. */
static const struct {
    enum segment_head head;
    int32_t instants;
    int64_t ms;
} TRIES[] = {{HEAD_WHY, 1000, 2000}, {HEAD_WHY, 50, 2000}, {HEAD_WHY_NOW, 0, 5000}};

DB_STATEMENT(why_frame, "tu",
             "SELECT CASE s.kind WHEN 'rule' THEN v.definition END, v.timezone, p.profile_id, "
             " p.user_id, p.anonymous_id, p.email, nullif(w.as_of, '-infinity'), r.floor_at,"
             " EXISTS (SELECT FROM membership m WHERE m.version_id = s.serving_version_id AND m.profile_id = p.profile_id)"
             " FROM segment s CROSS JOIN worker w CROSS JOIN retention r JOIN identity i ON i.raw_id = $2 JOIN profile p USING (profile_id)"
             " JOIN LATERAL (SELECT * FROM segment_version x WHERE x.segment_id = s.segment_id"
             "   ORDER BY x.version_id = s.serving_version_id DESC NULLS LAST, x.version DESC, x.version_id DESC LIMIT 1) v ON true"
             " WHERE s.key = $1 AND s.deleted_at IS NULL");

enum db_status db_why_frame(struct db *db, const char *key, const struct id *raw, struct db_rows *ret_rows, struct db_why_frame *ret_frame)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    enum db_status status;

    db_arg_text(&args, key);
    db_arg_id(&args, raw);
    status = db_run(db, &why_frame, &args, ret_rows);
    if (status != DB_OK)
        return status;
    *ret_frame = (struct db_why_frame){.definition = db_text(ret_rows, 0, 0),
                                       .timezone = db_text(ret_rows, 0, 1),
                                       .profile_id = db_id(ret_rows, 0, 2),
                                       .who = db_who(ret_rows, 0, 3),
                                       .as_of_us = db_instant(ret_rows, 0, 6),
                                       .floor_us = db_instant(ret_rows, 0, 7),
                                       .member = db_bool(ret_rows, 0, 8)};
    return DB_OK;
}

/* The time for one try is this transaction's. The name of nothing is interned in here: that was done when the values were bound. */
static enum db_status run_within(struct db *db, const char *text, const struct db_args *args, int64_t ms, struct db_rows *ret_rows)
{
    enum db_status status = db_run_sql(db, "BEGIN READ ONLY", NULL, NULL);

    if (status == DB_OK)
        status = db_set_timeout(db, ms);
    if (status == DB_OK)
        status = db_run_sql(db, text, args, ret_rows);
    db_rollback(db);
    return status;
}

static enum db_status try_instants(struct db *db, const struct sql *sql, const struct db_why_frame *frame, size_t i,
                                   struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    enum db_status status;

    db_arg_instant(&args, frame->as_of_us);
    db_arg_instant(&args, frame->floor_us);
    db_arg_id(&args, &frame->profile_id);
    db_arg_int(&args, TRIES[i].instants);
    status = db_evaluate_bind(db, sql, &args);
    return status == DB_OK ? run_within(db, buf_text(&sql->text), &args, TRIES[i].ms, ret_rows) : status;
}

static bool compile(const struct segment *segment, enum segment_head head, struct db_others *others, struct sql *ret_sql)
{
    const struct segment_others in_place = {db_others_look_up, others};
    struct err err = ERR_INIT;

    return segment_compile(segment, head, &in_place, ret_sql, &err) || segment_compile(segment, head, NULL, ret_sql, &err);
}

enum db_status db_why_run(struct db *db, const struct segment *segment, const struct db_why_frame *frame, struct db_others *others,
                          struct db_rows *ret_rows)
{
    enum db_status status = DB_RETRY;

    for (size_t i = 0; i < ARRAY_LEN(TRIES); i++) {
        AUTO_SQL struct sql sql = {.params = NULL};

        if (!compile(segment, TRIES[i].head, others, &sql))
            return DB_ERROR;
        if (others->status != DB_OK)
            return others->status;
        status = try_instants(db, &sql, frame, i, ret_rows);
        if (!db_timed_out(db, status))
            break;
    }
    return status;
}
