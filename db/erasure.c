/* Erasing a person. The one idea: what a person is named by in the feed is read by the tick from `identity`, so an erasure leaves such rows
 * until the tick has been, and ends when it has. What a message that comes meanwhile means is said by the rows that are left
 * (docs/exactness.md, "Merges"). */
#include "db/erasure.h"

#include "db/people.h"

enum { PIECE = 10000 };

DB_STATEMENT(erase_size, "ul",
             "SELECT count(*) FROM (SELECT FROM identity i JOIN event e USING (profile_id) WHERE i.raw_id = $1 LIMIT $2) AS most");
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
        status = people_begin(db, &people);
    if (status == DB_OK && people_find(&people, 0, &row)) {
        status = erase(db, &people, row, wish, &rows);
        if (status == DB_OK)
            status = people_commit(db, NULL);
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
        (void)people_need(&people, db_array_next_id(&raws));
    if (status == DB_OK)
        status = people_lock(db, &people);
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
