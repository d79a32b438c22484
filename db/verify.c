/* Verification. The one idea: one REPEATABLE READ snapshot shows the watermark, the members, the events and the queue as they stood together, so the comparison
 * is exact while everything goes on. Segments referred to are evaluated in place, never read from membership, so an error cannot hide behind an error. A
 * profile with a row in the queue is not claimed to be right yet and is left out. Writes nothing. */
#include "db/verify.h"

#include <string.h>

#include "db/evaluate.h"
#include "db/membership.h"
#include "segment/segment.h"
#include "server/base/log.h"
#include "server/base/vec.h"

enum { SLICE_PROFILES = 20000 };

DB_STATEMENT(verify_frame, "", "SELECT as_of, floor_at FROM worker, retention");
DB_STATEMENT(verify_segment, "t",
             "SELECT v.definition, v.timezone, v.version_id, coalesce(v.state = 'live', false), s.kind = 'list' "
             "FROM segment s LEFT JOIN segment_version v ON v.version_id = s.serving_version_id WHERE s.key = $1 AND s.deleted_at IS NULL");
DB_STATEMENT(verify_settled, "iU",
             "SELECT p FROM unnest($2::uuid[]) AS d(p) WHERE NOT EXISTS (SELECT FROM aside a WHERE a.version_id = $1 AND a.profile_id = p) "
             "AND p NOT IN (SELECT unnest(pair_profile || fact_profile || created || gone || gone_into) FROM touched)");

/* A segment's definition, parsed once. */
struct known {
    char *key;
    struct segment *segment; /* NULL: a list, or none serves */
};

struct run {
    struct db *db;
    VEC(struct known) known;
    enum db_status status; /* of look-ups */
    bool kept;
    int32_t version_id;
    int64_t as_of_us;
    int64_t floor_us;
};

static enum db_status read_frame(struct run *run)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run(run->db, &verify_frame, NULL, &rows);

    if (status == DB_OK) {
        run->as_of_us = db_instant(&rows, 0, 0);
        run->floor_us = db_instant(&rows, 0, 1);
    }
    return status;
}

/* DB_NONE: no such segment. */
static enum db_status read_segment(struct run *run, const char *key, int32_t *ret_version_id, struct segment **ret_segment)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct err err = ERR_INIT;
    enum db_status status;
    const char *definition;

    *ret_segment = NULL;
    db_arg_text(&args, key);
    status = db_run(run->db, &verify_segment, &args, &rows);
    if (status != DB_OK)
        return status;
    if (db_bool(&rows, 0, 4))
        return DB_OK;
    run->kept &= db_bool(&rows, 0, 3);
    definition = db_text(&rows, 0, 0);
    *ret_version_id = (int32_t)db_int(&rows, 0, 2);
    if (definition && !segment_parse(definition, strlen(definition), db_text(&rows, 0, 1), ret_segment, &err))
        return DB_ERROR;
    return DB_OK;
}

static const struct segment *lookup(void *context, const char *key)
{
    struct run *run = context;
    struct segment *segment = NULL;
    int32_t version_id;
    enum db_status status;

    for (size_t i = 0; i < run->known.n; i++)
        if (strcmp(run->known.at[i].key, key) == 0)
            return run->known.at[i].segment;
    status = read_segment(run, key, &version_id, &segment);
    if (status != DB_OK)
        run->status = status == DB_NONE ? run->status : status;
    *VEC_ADD(&run->known) = (struct known){.key = mem_strdup(key), .segment = segment};
    return segment;
}

static void run_release(struct run *run)
{
    for (size_t i = 0; i < run->known.n; i++) {
        free(run->known.at[i].key);
        segment_free(run->known.at[i].segment);
    }
    vec_free(&run->known);
}

static bool settled(const struct db_rows *rows, const struct id *profile)
{
    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct id one = db_id(rows, i, 0);

        if (id_equal(&one, profile))
            return true;
    }
    return false;
}

static enum db_status report(struct run *run, const struct db_verify *verify, const struct db_rows *found, struct db_verified *verified)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_int(&args, run->version_id);
    db_array_begin(&args, 'U');
    for (size_t i = 0; i < db_rows_count(found); i++) {
        struct id profile = db_id(found, i, CHANGED_PROFILE);

        db_array_id(&args, &profile);
    }
    db_array_end(&args);
    status = db_run(run->db, &verify_settled, &args, &rows);
    if (status != DB_OK && status != DB_NONE)
        return status;
    verified->left_out += (int64_t)(db_rows_count(found) - db_rows_count(&rows));
    verified->differ += (int64_t)db_rows_count(&rows);
    for (size_t i = 0; i < db_rows_count(found) && verify->differs; i++) {
        struct db_verify_row row = {.profile = db_id(found, i, CHANGED_PROFILE),
                                    .who = db_who(found, i, CHANGED_WHO),
                                    .should_be = db_bool(found, i, CHANGED_IS),
                                    .is = db_bool(found, i, CHANGED_WAS)};

        if (settled(&rows, &row.profile))
            verify->differs(verify->context, &row);
    }
    return DB_OK;
}

static enum db_status compare(struct run *run, const struct sql *sql, const struct id *from, const struct id *to, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    enum db_status status;

    db_arg_instant(&args, run->as_of_us);
    db_arg_instant(&args, run->floor_us);
    db_arg_id(&args, from);
    db_arg_id(&args, to);
    db_arg_int(&args, run->version_id);
    status = db_evaluate_bind(run->db, sql, &args);
    return status == DB_OK ? db_run_sql(run->db, buf_text(&sql->text), &args, ret_rows) : status;
}

/* The first byte of an id and what a slice adds to it: slices end at whole bytes, 1 to 256 of them. */
static unsigned slice_bytes(int64_t profiles)
{
    int64_t slices = profiles / SLICE_PROFILES + 1;
    unsigned bytes = 256;

    while (bytes > 1 && slices > 256 / bytes)
        bytes /= 2;
    return bytes;
}

static enum db_status compare_all(struct run *run, const struct db_verify *verify, const struct sql *sql, struct db_verified *verified)
{
    struct id from = verify->from, to = verify->to;
    int64_t profiles;
    unsigned bytes, byte = from.bytes[0];
    enum db_status status = db_profiles_estimate(run->db, &profiles);

    bytes = slice_bytes(profiles);
    while (status == DB_OK) {
        AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
        unsigned end = (byte / bytes + 1) * bytes - 1;

        if (end < verify->to.bytes[0]) {
            to = id_last();
            to.bytes[0] = (uint8_t)end;
        } else {
            to = verify->to;
        }
        status = compare(run, sql, &from, &to, &rows);
        if (status == DB_OK)
            status = report(run, verify, &rows, verified);
        else if (status == DB_NONE)
            status = DB_OK;
        if (end >= verify->to.bytes[0])
            break;
        byte = end + 1;
        from = (struct id){{(uint8_t)byte}};
    }
    return status;
}

/* Inside the snapshot. */
static enum db_status verify_inside(struct run *run, const struct db_verify *verify, struct db_verified *verified)
{
    AUTO_SEGMENT struct segment *segment = NULL;
    AUTO_SQL struct sql sql;
    struct err err = ERR_INIT;
    enum db_status status = read_frame(run);

    sql_init(&sql, 1);
    if (status == DB_OK)
        status = read_segment(run, verify->key, &run->version_id, &segment);
    if (status != DB_OK)
        return status;
    verified->as_of_us = run->as_of_us;
    if (!segment || run->as_of_us == DB_INSTANT_PAST)
        return DB_OK;
    if (!segment_compile(segment, HEAD_DIFF, &(struct segment_others){lookup, run}, &sql, &err)) {
        log_error("cannot verify", LOG_FIELD("segment", LOG_TEXT(verify->key)), LOG_FIELD("why", LOG_TEXT(err.detail)), );
        return DB_ERROR;
    }
    verified->kept = run->kept;
    if (!run->kept || run->status != DB_OK)
        return run->status;
    return compare_all(run, verify, &sql, verified);
}

enum db_status db_verify(struct db *db, const struct db_verify *verify, struct db_verified *ret_verified)
{
    struct run run = {.db = db, .status = DB_OK, .kept = true};
    struct db_verified verified = {.as_of_us = INSTANT_NONE};
    enum db_status status = db_begin(db, DB_REPEATABLE_READ_ONLY);

    if (status == DB_OK)
        status = verify_inside(&run, verify, &verified);
    run_release(&run);
    db_rollback(db);
    if (status == DB_OK)
        *ret_verified = verified;
    return status;
}
