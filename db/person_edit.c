/* Merging and changing people by hand, each in one transaction under the locks of all their ids (people.h). The one idea: a merge by hand is
 * the one that ingest makes, by the same statements, but for what decides it: here the caller does, unless it would be too large or
 * lose a user. Deciding who is one person from messages is not here. */
#include "db/person_edit.h"

#include <string.h>

#include "db/consent.h"
#include "db/order.h"
#include "db/people.h"

DB_STATEMENT(edit_taken, "l", "SELECT NOT EXISTS (SELECT FROM touched WHERE touched_id = $1)");

DB_STATEMENT(join_size, "ul", "SELECT count(*) FROM (SELECT FROM event WHERE profile_id = $1 LIMIT $2) AS most");
DB_STATEMENT(join_traits, "uu",
             "WITH gone AS MATERIALIZED (SELECT traits, first_seen, last_seen FROM profile WHERE profile_id = $1),"
             " changed AS (UPDATE profile p SET traits = g.traits || p.traits, first_seen = least(p.first_seen, g.first_seen),"
             "   last_seen = greatest(p.last_seen, g.last_seen) FROM gone g WHERE p.profile_id = $2)"
             " INSERT INTO touched (max_ts, fact_profile, fact_path) SELECT '-infinity', array_agg($2), array_agg(path)"
             " FROM (SELECT jsonb_object_keys(traits) AS path FROM gone UNION SELECT '$first_seen') AS f");
DB_STATEMENT(join_ids, "uu", "UPDATE identity SET profile_id = $2, former = (ARRAY[$1] || former)[1:32] WHERE profile_id = $1");

/* A row of nobody (erased, and its exits not told yet) means the person, too; a tombstone stays one. */
DB_STATEMENT(readdress_new, "utu",
             "INSERT INTO identity AS i (raw_id, kind, external_id, profile_id) VALUES ($1, 'email', $2, $3) ON CONFLICT (raw_id)"
             " DO UPDATE SET profile_id = excluded.profile_id WHERE i.profile_id <> " NOBODY
             "   AND NOT EXISTS (SELECT FROM profile p WHERE p.profile_id = i.profile_id) RETURNING 1");

DB_STATEMENT(patch_traits, "uj",
             "WITH changed AS (UPDATE profile p SET traits = merge_patch(p.traits, $2) FROM identity i"
             "   WHERE i.raw_id = $1 AND p.profile_id = i.profile_id RETURNING p.profile_id)"
             " INSERT INTO touched (max_ts, fact_profile, fact_path)"
             " SELECT '-infinity', array_agg(profile_id), array_agg(k) FROM changed, jsonb_object_keys($2) AS k HAVING count(*) > 0");

/* profile_traits_check */
static bool is_too_large(const struct db *db, enum db_status status)
{
    return status == DB_ERROR && strcmp(db_sqlstate(db), "23514") == 0;
}

enum db_status db_touched_taken(struct db *db, int64_t touched_id, bool *ret_taken)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_long(&args, touched_id);
    status = db_run(db, &edit_taken, &args, &rows);
    if (status == DB_OK)
        *ret_taken = db_bool(&rows, 0, 0);
    return status;
}

/* --- Merging --- */

static enum db_status judge_size(struct db *db, const struct id *from, enum join_refusal *ret_refusal)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_id(&args, from);
    db_arg_long(&args, MOVE_MAX + 1);
    status = db_run(db, &join_size, &args, &rows);
    if (status == DB_OK && db_int(&rows, 0, 0) > MOVE_MAX)
        *ret_refusal = JOIN_TOO_LARGE;
    return status;
}

/* JOIN_DONE: nothing speaks against it. */
static enum db_status judge(struct db *db, const struct people *people, const struct id *from, size_t into, enum join_refusal *ret_refusal)
{
    *ret_refusal = db_bool(&people->rows, into, PERSON_IS_USER) ? JOIN_DONE : JOIN_NOT_A_USER;
    return *ret_refusal ? DB_OK : judge_size(db, from, ret_refusal);
}

static enum db_status join(struct db *db, const struct id *from, const struct id *into)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    struct move move = {.gone = *from, .into = *into};

    db_arg_id(&args, from);
    db_arg_id(&args, into);
    db_send(db, &join_traits, &args);
    db_consent_send_move(db, &move, 1);
    db_order_send_move(db, &move, 1);
    db_move_send(db, &move, 1);
    db_send(db, &join_ids, &args);
    db_order_send_settle(db, &move, 1);
    db_sync(db);
    return db_receive_rest(db, 6);
}

enum db_status db_person_join(struct db *db, const struct id *from, const struct id *into, struct joined *ret_joined)
{
    struct id raws[PEOPLE_MAX] = {*from, *into}, gone, stays;
    AUTO_PEOPLE struct people people = {.raws = raws, .n = PEOPLE_MAX, .rows = DB_ROWS_INIT};
    enum db_status status = people_begin(db, &people);
    struct joined joined = {.refusal = JOIN_DONE};
    size_t from_row, into_row;

    if (status == DB_OK && !(people_find(&people, 0, &from_row) && people_find(&people, 1, &into_row)))
        status = DB_NONE;
    if (status == DB_OK) {
        gone = db_id(&people.rows, from_row, PERSON_PROFILE);
        stays = db_id(&people.rows, into_row, PERSON_PROFILE);
        if (!id_equal(&gone, &stays)) {
            status = judge(db, &people, &gone, into_row, &joined.refusal);
            if (status == DB_OK && !joined.refusal)
                status = join(db, &gone, &stays);
            if (status == DB_OK && !joined.refusal)
                status = people_commit(db, &joined.touched_id);
        }
    }
    if (is_too_large(db, status)) {
        joined.refusal = JOIN_TRAITS_TOO_LARGE;
        status = DB_OK;
    }
    db_rollback(db);
    if (status == DB_OK)
        *ret_joined = joined;
    return status;
}

/* --- Addresses --- */

static enum db_status add_address(struct db *db, const struct id *raw, const char *address, const struct id *profile)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    enum db_status status;

    db_arg_id(&args, raw);
    db_arg_text(&args, address);
    db_arg_id(&args, profile);
    status = db_run(db, &readdress_new, &args, NULL);
    return status == DB_NONE ? DB_OK : status;
}

/* Of two rows that are people. */
static enum db_status join_addresses(struct db *db, const struct people *people, size_t was, size_t is)
{
    bool into_new = db_bool(&people->rows, is, PERSON_IS_USER);
    struct id gone = db_id(&people->rows, into_new ? was : is, PERSON_PROFILE);
    struct id stays = db_id(&people->rows, into_new ? is : was, PERSON_PROFILE);
    enum join_refusal refusal = JOIN_DONE;
    enum db_status status;

    if (id_equal(&gone, &stays) || (into_new && db_bool(&people->rows, was, PERSON_IS_USER)))
        return DB_OK;
    status = judge_size(db, &gone, &refusal);
    if (status == DB_OK && !refusal)
        status = join(db, &gone, &stays);
    return status == DB_OK && !refusal ? people_commit(db, NULL) : status;
}

enum db_status db_person_readdress(struct db *db, const char *was, const char *is)
{
    const char *kind = person_kind_text(PERSON_EMAIL);
    struct id raws[PEOPLE_MAX] = {id_person(kind, was, strlen(was)), id_person(kind, is, strlen(is))}, profile = raws[1];
    AUTO_PEOPLE struct people people = {.raws = raws, .n = PEOPLE_MAX, .rows = DB_ROWS_INIT};
    enum db_status status = people_begin(db, &people);
    bool was_known, is_known;
    size_t was_row = 0, is_row = 0;

    was_known = status == DB_OK && people_find(&people, 0, &was_row);
    is_known = status == DB_OK && people_find(&people, 1, &is_row);
    if (was_known && is_known) {
        status = join_addresses(db, &people, was_row, is_row);
    } else if (status == DB_OK) { /* of neither: the profile is made by the first message with one of them */
        if (was_known || is_known)
            profile = db_id(&people.rows, was_known ? was_row : is_row, PERSON_PROFILE);
        status = was_known ? DB_OK : add_address(db, &raws[0], was, &profile);
        if (status == DB_OK && !is_known)
            status = add_address(db, &raws[1], is, &profile);
        if (status == DB_OK)
            status = db_commit(db);
    }
    if (is_too_large(db, status))
        status = DB_OK;
    db_rollback(db);
    return status;
}

/* --- Traits --- */

/* The lock of the raw id is enough: a merge takes those of all ids that mean the profile that goes. */
enum db_status db_person_patch(struct db *db, const struct id *raw, struct span patch, bool *ret_too_large)
{
    AUTO_PEOPLE struct people people = {.raws = raw, .n = 1, .rows = DB_ROWS_INIT};
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    enum db_status status = people_begin(db, &people);
    size_t row;

    if (status == DB_OK && !people_find(&people, 0, &row))
        status = DB_NONE;
    db_arg_id(&args, raw);
    db_arg_json(&args, patch.at, patch.len);
    if (status == DB_OK)
        status = db_run(db, &patch_traits, &args, NULL);
    *ret_too_large = is_too_large(db, status);
    if (status == DB_OK)
        status = people_commit(db, NULL);
    db_rollback(db);
    return *ret_too_large ? DB_OK : status;
}
