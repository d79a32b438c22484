/* Changing people by hand. The one idea: which locks are needed is known only from rows that may change until the locks are held; so they are
 * read again under the locks, and if others are needed now, all are let go and more are taken, as ingest does for a merge. What a person is
 * named by in the feed is read by the tick from `identity`, so an erasure leaves such rows until the tick has been. Deciding who is one
 * person from messages is not here. */
#include "db/person_edit.h"

#include <string.h>

#include "db/consent.h"
#include "db/lock.h"
#include "db/order.h"

enum { LOCKS = 256, PEOPLE_MAX = 2, PIECE = 10000 };
#define NOBODY "'00000000-0000-0000-0000-000000000000'::uuid"

DB_STATEMENT(edit_lock, "I", "SELECT pg_advisory_xact_lock(" DB_LOCK_CLASS_IDENTITY ", number) FROM unnest($1::integer[]) AS l (number)");
DB_STATEMENT(edit_people, "U",
             "SELECT k.nth::integer, i.profile_id, p.profile_id IS NOT NULL, p.user_id IS NOT NULL,"
             " ARRAY(SELECT a.raw_id FROM identity a WHERE a.profile_id = i.profile_id)"
             " FROM unnest($1::uuid[]) WITH ORDINALITY AS k (raw_id, nth) JOIN identity i ON i.raw_id = k.raw_id"
             " LEFT JOIN profile p ON p.profile_id = i.profile_id WHERE i.profile_id <> " NOBODY " ORDER BY k.nth");
DB_STATEMENT(erase_size, "ul",
             "SELECT count(*) FROM (SELECT FROM identity i JOIN event e USING (profile_id) WHERE i.raw_id = $1 LIMIT $2) AS most");
DB_STATEMENT(edit_taken, "l", "SELECT NOT EXISTS (SELECT FROM touched WHERE touched_id = $1)");
DB_STATEMENT(edit_touched, "", "SELECT currval(pg_get_serial_sequence('touched', 'touched_id')), pg_notify('cohortd_touched', '')");

/* Some events of a person who has very many. */
DB_STATEMENT(
    erase_piece, "ul",
    "WITH who AS MATERIALIZED (SELECT p.profile_id FROM identity i JOIN profile p USING (profile_id) WHERE i.raw_id = $1),"
    " doomed AS MATERIALIZED (SELECT e.profile_id, e.name_id, e.ts, e.message_id FROM who JOIN event e USING (profile_id) LIMIT $2),"
    " deleted AS (DELETE FROM event e USING doomed d WHERE e.profile_id = d.profile_id AND e.name_id = d.name_id AND e.ts = d.ts"
    "   AND e.message_id = d.message_id RETURNING e.profile_id, e.name_id, e.message_id, e.properties),"
    " orders AS (DELETE FROM order_seen o USING deleted e WHERE o.profile_id = e.profile_id AND o.name_id = e.name_id"
    "   AND o.order_hash = order_hash(e.properties -> 'order_id')),"
    " odd AS (DELETE FROM odd_message o USING deleted e WHERE o.message_id = e.message_id AND o.name_id = e.name_id"
    "   AND o.raw_id IN (SELECT i.raw_id FROM identity i JOIN who USING (profile_id))),"
    " note AS (INSERT INTO touched (max_ts, pair_profile, pair_name) SELECT '-infinity', array_agg(profile_id), array_agg(name_id)"
    "   FROM (SELECT DISTINCT profile_id, name_id FROM deleted WHERE name_id > 3) AS p HAVING count(*) > 0)"
    " SELECT count(*) FROM deleted");
DB_STATEMENT(
    erase_data, "uUbl",
    "WITH person AS (DELETE FROM profile WHERE profile_id = $1 RETURNING traits),"
    " deleted AS (DELETE FROM event WHERE profile_id = $1 RETURNING message_id, name_id),"
    " odd AS (DELETE FROM odd_message o USING deleted e WHERE o.message_id = e.message_id AND o.name_id = e.name_id AND o.raw_id = ANY ($2)),"
    " orders AS (DELETE FROM order_seen WHERE profile_id = $1),"
    " repeats AS (DELETE FROM odd_message WHERE repeated AND raw_id = ANY ($2)),"
    " agreed AS (DELETE FROM consent WHERE profile_id = $1),"
    " fact AS (SELECT array_agg($1) AS profiles, array_agg(k) AS paths FROM person, jsonb_object_keys(traits) k),"
    " note AS (INSERT INTO touched (max_ts, gone, gone_into, fact_profile, fact_path)"
    "   SELECT '-infinity', ARRAY[$1], ARRAY[$1], coalesce(profiles, '{}'), coalesce(paths, '{}') FROM fact RETURNING touched_id)"
    " INSERT INTO erasure (profile_id, raw_ids, suppressed, events, touched_id)"
    " SELECT $1, $2, $3, $4 + (SELECT count(*) FROM deleted), touched_id FROM note RETURNING erasure_id, at, events, suppressed, false");
/* Rows that name exits which a tick has still to tell: of the profile itself, and of those merged into it just before. */
#define NAMES_EXITS "(raw_id = $1 OR EXISTS (SELECT FROM membership m WHERE m.profile_id = raw_id))"
DB_STATEMENT(erase_ids, "u", "DELETE FROM identity WHERE profile_id = $1 AND NOT " NAMES_EXITS);
DB_STATEMENT(erase_links, "u", "UPDATE identity SET profile_id = raw_id, former = '{}' WHERE profile_id = $1");
DB_STATEMENT(erase_suppress, "u",
             "UPDATE identity SET profile_id = " NOBODY ", former = '{}', external_id = CASE WHEN " NAMES_EXITS
             " THEN external_id ELSE '' END WHERE profile_id = $1");
#define ERASURE "SELECT erasure_id, at, events, suppressed, done_at IS NOT NULL FROM erasure "
DB_STATEMENT(erasure_find, "u", ERASURE "WHERE done_at IS NULL AND $1 = ANY (raw_ids) ORDER BY erasure_id DESC LIMIT 1");
DB_STATEMENT(erasure_read, "l", ERASURE "WHERE erasure_id = $1");
DB_STATEMENT(erasure_told, "l",
             "SELECT raw_ids || profile_id FROM erasure e WHERE erasure_id = $1 AND done_at IS NULL"
             " AND NOT EXISTS (SELECT FROM touched t WHERE t.touched_id = e.touched_id)");
DB_STATEMENT(erasure_end, "l",
             "WITH e AS (SELECT erasure_id, raw_ids || profile_id AS raws FROM erasure WHERE erasure_id = $1 AND done_at IS NULL),"
             " ended AS (UPDATE erasure SET done_at = clock_timestamp(), raw_ids = '{}' FROM e WHERE erasure.erasure_id = e.erasure_id),"
             " forgotten AS (DELETE FROM identity i USING e WHERE i.raw_id = ANY (e.raws) AND i.profile_id = i.raw_id"
             "   AND NOT EXISTS (SELECT FROM profile p WHERE p.profile_id = i.raw_id))"
             " UPDATE identity i SET external_id = '' FROM e WHERE i.raw_id = ANY (e.raws) AND i.profile_id = " NOBODY);
DB_STATEMENT(
    erasure_left, "",
    "SELECT erasure_id FROM erasure WHERE done_at IS NULL AND at < clock_timestamp() - interval '2 minutes' ORDER BY erasure_id LIMIT 1");

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

/* --- Locks --- */

/* People under their locks. */
struct people {
    const struct id *raws; /* as they were named */
    size_t n;
    bool locks[LOCKS];
    struct db_rows rows; /* of edit_people: a row for each that has a profile or had one */
};
#define AUTO_PEOPLE CLEANUP(people_release)

enum { PERSON_NTH, PERSON_PROFILE, PERSON_EXISTS, PERSON_IS_USER, PERSON_RAWS };

static void people_release(struct people *people)
{
    db_rows_release(&people->rows);
}

static enum db_status run_id(struct db *db, const struct db_statement *statement, const struct id *id, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_id(&args, id);
    return db_run(db, statement, &args, ret_rows);
}

static enum db_status run_number(struct db *db, const struct db_statement *statement, int64_t number, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_long(&args, number);
    return db_run(db, statement, &args, ret_rows);
}

static enum db_status lock(struct db *db, const struct people *people)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_array_begin(&args, 'I');
    for (int i = 0; i < LOCKS; i++)
        if (people->locks[i])
            db_array_int(&args, i);
    db_array_end(&args);
    return db_run(db, &edit_lock, &args, NULL);
}

static bool need(struct people *people, struct id raw)
{
    bool missing = !people->locks[raw.bytes[0]];

    people->locks[raw.bytes[0]] = true;
    return missing;
}

/* Takes up the locks of what was read; were they held? */
static bool locks_suffice(struct people *people)
{
    bool missing = false;

    for (size_t row = 0; row < db_rows_count(&people->rows); row++) {
        struct db_array raws = db_array(&people->rows, row, PERSON_RAWS);

        missing |= need(people, db_id(&people->rows, row, PERSON_PROFILE));
        while (raws.left)
            missing |= need(people, db_array_next_id(&raws));
    }
    return !missing;
}

/* Begins a transaction that holds the locks of all ids of the people, who have been read under them. DB_OK or not: it is to be ended. */
static enum db_status begin(struct db *db, struct people *people)
{
    for (size_t i = 0; i < people->n; i++)
        (void)need(people, people->raws[i]);
    for (int i = 0; i <= LOCKS; i++) {
        AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
        enum db_status status = db_begin(db, DB_READ_COMMITTED);

        if (status == DB_OK)
            status = lock(db, people);
        db_arg_ids(&args, people->raws, people->n);
        if (status == DB_OK)
            status = db_run(db, &edit_people, &args, &people->rows);
        if (status == DB_NONE || (status == DB_OK && locks_suffice(people)))
            return DB_OK;
        if (status != DB_OK)
            return status;
        db_rollback(db);
    }
    BUG("more locks than there are");
}

/* The row of the n-th person named, if there is such a person. */
static bool find(const struct people *people, size_t n, size_t *ret_row)
{
    for (size_t row = 0; row < db_rows_count(&people->rows); row++) {
        if (db_int(&people->rows, row, PERSON_NTH) != (int64_t)n + 1)
            continue;
        *ret_row = row;
        return db_bool(&people->rows, row, PERSON_EXISTS);
    }
    return false;
}

/* profile_traits_check */
static bool is_too_large(const struct db *db, enum db_status status)
{
    return status == DB_ERROR && strcmp(db_sqlstate(db), "23514") == 0;
}

/* Wakes the worker and commits; the last row of `touched` that the transaction wrote. */
static enum db_status commit(struct db *db, int64_t *ret_touched_id)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run(db, &edit_touched, NULL, &rows);

    if (status == DB_OK && ret_touched_id)
        *ret_touched_id = db_int(&rows, 0, 0);
    return status == DB_OK ? db_commit(db) : status;
}

enum db_status db_touched_taken(struct db *db, int64_t touched_id, bool *ret_taken)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = run_number(db, &edit_taken, touched_id, &rows);

    if (status == DB_OK)
        *ret_taken = db_bool(&rows, 0, 0);
    return status;
}

/* --- Erasing --- */

static struct erasure erasure_of(const struct db_rows *rows)
{
    return (struct erasure){.erasure_id = db_int(rows, 0, 0),
                            .at_us = db_instant(rows, 0, 1),
                            .events = db_int(rows, 0, 2),
                            .suppressed = db_bool(rows, 0, 3),
                            .done = db_bool(rows, 0, 4)};
}

/* While the locks are held, ingest may wait: most events of one who has very many are deleted before, each piece in a transaction of its own. */
static enum db_status thin_out(struct db *db, const struct id *raw, int64_t *ret_events)
{
    enum db_status status = DB_OK;
    bool more = true;

    *ret_events = 0;
    while (status == DB_OK && more) {
        AUTO_DB_ARGS struct db_args size = DB_ARGS_INIT, args = DB_ARGS_INIT;
        AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;

        db_arg_id(&size, raw);
        db_arg_long(&size, PIECE + 1);
        db_arg_id(&args, raw);
        db_arg_long(&args, PIECE);
        status = db_run(db, &erase_size, &size, &rows);
        more = status == DB_OK && db_int(&rows, 0, 0) > PIECE;
        if (more)
            status = db_run(db, &erase_piece, &args, &rows);
        if (more && status == DB_OK)
            *ret_events += db_int(&rows, 0, 0);
    }
    return status;
}

static enum db_status erase(struct db *db, const struct people *people, size_t row, struct erasure wish, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    struct id profile = db_id(&people->rows, row, PERSON_PROFILE);
    struct db_array raws = db_array(&people->rows, row, PERSON_RAWS);
    enum db_status status;

    db_arg_id(&args, &profile);
    db_array_begin(&args, 'U');
    while (raws.left) {
        struct id raw = db_array_next_id(&raws);

        db_array_id(&args, &raw);
    }
    db_array_end(&args);
    db_arg_bool(&args, wish.suppressed);
    db_arg_long(&args, wish.events);
    status = db_run(db, &erase_data, &args, ret_rows);
    if (status == DB_OK)
        status = run_id(db, wish.suppressed ? &erase_suppress : &erase_ids, &profile, NULL);
    if ((status == DB_OK || status == DB_NONE) && !wish.suppressed)
        status = run_id(db, &erase_links, &profile, NULL);
    return status == DB_NONE ? DB_OK : status;
}

enum db_status db_person_erase(struct db *db, const struct id *raw, bool suppress, struct erasure *ret_erasure)
{
    AUTO_PEOPLE struct people people = {.raws = raw, .n = 1, .rows = DB_ROWS_INIT};
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct erasure wish = {.suppressed = suppress};
    enum db_status status = thin_out(db, raw, &wish.events);
    size_t row;

    if (status == DB_OK)
        status = begin(db, &people);
    if (status == DB_OK && find(&people, 0, &row)) {
        status = erase(db, &people, row, wish, &rows);
        if (status == DB_OK)
            status = commit(db, NULL);
    } else if (status == DB_OK) {
        status = run_id(db, &erasure_find, raw, &rows);
    }
    db_rollback(db);
    if (status == DB_OK)
        *ret_erasure = erasure_of(&rows);
    return status;
}

/* Once its exits are told. The locks keep away messages that bring the person back. */
static enum db_status end(struct db *db, int64_t erasure_id, struct db_array raws)
{
    struct people people = {.locks = {false}, .rows = DB_ROWS_INIT};
    enum db_status status = db_begin(db, DB_READ_COMMITTED);

    while (raws.left)
        (void)need(&people, db_array_next_id(&raws));
    if (status == DB_OK)
        status = lock(db, &people);
    if (status == DB_OK)
        status = run_number(db, &erasure_end, erasure_id, NULL);
    if (status == DB_OK)
        status = db_commit(db);
    db_rollback(db);
    return status;
}

enum db_status db_erasure_end(struct db *db, int64_t erasure_id, struct erasure *ret_erasure)
{
    AUTO_DB_ROWS struct db_rows told = DB_ROWS_INIT, rows = DB_ROWS_INIT;
    enum db_status status = run_number(db, &erasure_told, erasure_id, &told);

    if (status == DB_OK)
        status = end(db, erasure_id, db_array(&told, 0, 0));
    if (status == DB_OK || status == DB_NONE)
        status = run_number(db, &erasure_read, erasure_id, &rows);
    if (status == DB_OK)
        *ret_erasure = erasure_of(&rows);
    return status;
}

enum db_status db_erasure_chore(struct db *db)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct erasure erasure;
    enum db_status status = db_run(db, &erasure_left, NULL, &rows);

    return status == DB_OK ? db_erasure_end(db, db_int(&rows, 0, 0), &erasure) : status;
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
    enum db_status status = begin(db, &people);
    struct joined joined = {.refusal = JOIN_DONE};
    size_t from_row, into_row;

    if (status == DB_OK && !(find(&people, 0, &from_row) && find(&people, 1, &into_row)))
        status = DB_NONE;
    if (status == DB_OK) {
        gone = db_id(&people.rows, from_row, PERSON_PROFILE);
        stays = db_id(&people.rows, into_row, PERSON_PROFILE);
        if (!id_equal(&gone, &stays)) {
            status = judge(db, &people, &gone, into_row, &joined.refusal);
            if (status == DB_OK && !joined.refusal)
                status = join(db, &gone, &stays);
            if (status == DB_OK && !joined.refusal)
                status = commit(db, &joined.touched_id);
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
    return status == DB_OK && !refusal ? commit(db, NULL) : status;
}

enum db_status db_person_readdress(struct db *db, const char *was, const char *is)
{
    const char *kind = person_kind_text(PERSON_EMAIL);
    struct id raws[PEOPLE_MAX] = {id_person(kind, was, strlen(was)), id_person(kind, is, strlen(is))}, profile = raws[1];
    AUTO_PEOPLE struct people people = {.raws = raws, .n = PEOPLE_MAX, .rows = DB_ROWS_INIT};
    enum db_status status = begin(db, &people);
    bool was_known, is_known;
    size_t was_row = 0, is_row = 0;

    was_known = status == DB_OK && find(&people, 0, &was_row);
    is_known = status == DB_OK && find(&people, 1, &is_row);
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
    enum db_status status = begin(db, &people);
    size_t row;

    if (status == DB_OK && !find(&people, 0, &row))
        status = DB_NONE;
    db_arg_id(&args, raw);
    db_arg_json(&args, patch.at, patch.len);
    if (status == DB_OK)
        status = db_run(db, &patch_traits, &args, NULL);
    *ret_too_large = is_too_large(db, status);
    if (status == DB_OK)
        status = commit(db, NULL);
    db_rollback(db);
    return *ret_too_large ? DB_OK : status;
}
