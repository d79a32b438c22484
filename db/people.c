/* People under their locks. The one idea: which locks are needed is known only from rows that may change until the locks are held; so they
 * are read again under the locks, and if others are needed now, all are let go and more are taken, as ingest does for a merge. What is
 * done to the people then is the caller's. */
#include "db/people.h"

DB_STATEMENT(edit_lock, "I", "SELECT pg_advisory_xact_lock(" DB_LOCK_CLASS_IDENTITY ", number) FROM unnest($1::integer[]) AS l (number)");
DB_STATEMENT(edit_people, "U",
             "SELECT k.nth::integer, i.profile_id, p.profile_id IS NOT NULL, p.user_id IS NOT NULL,"
             " ARRAY(SELECT a.raw_id FROM identity a WHERE a.profile_id = i.profile_id)"
             " FROM unnest($1::uuid[]) WITH ORDINALITY AS k (raw_id, nth) JOIN identity i ON i.raw_id = k.raw_id"
             " LEFT JOIN profile p ON p.profile_id = i.profile_id WHERE i.profile_id <> " NOBODY " ORDER BY k.nth");
DB_STATEMENT(edit_touched, "", "SELECT currval(pg_get_serial_sequence('touched', 'touched_id')), pg_notify('cohortd_touched', '')");

void people_release(struct people *people)
{
    db_rows_release(&people->rows);
}

enum db_status people_lock(struct db *db, const struct people *people)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_array_begin(&args, 'I');
    for (int i = 0; i < LOCKS; i++)
        if (people->locks[i])
            db_array_int(&args, i);
    db_array_end(&args);
    return db_run(db, &edit_lock, &args, NULL);
}

bool people_need(struct people *people, struct id raw)
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

        missing |= people_need(people, db_id(&people->rows, row, PERSON_PROFILE));
        while (raws.left)
            missing |= people_need(people, db_array_next_id(&raws));
    }
    return !missing;
}

enum db_status people_begin(struct db *db, struct people *people)
{
    for (size_t i = 0; i < people->n; i++)
        (void)people_need(people, people->raws[i]);
    for (int i = 0; i <= LOCKS; i++) {
        AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
        enum db_status status = db_begin(db, DB_READ_COMMITTED);

        if (status == DB_OK)
            status = people_lock(db, people);
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

bool people_find(const struct people *people, size_t n, size_t *ret_row)
{
    for (size_t row = 0; row < db_rows_count(&people->rows); row++) {
        if (db_int(&people->rows, row, PERSON_NTH) != (int64_t)n + 1)
            continue;
        *ret_row = row;
        return db_bool(&people->rows, row, PERSON_EXISTS);
    }
    return false;
}

enum db_status people_commit(struct db *db, int64_t *ret_touched_id)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_run(db, &edit_touched, NULL, &rows);

    if (status == DB_OK && ret_touched_id)
        *ret_touched_id = db_int(&rows, 0, 0);
    return status == DB_OK ? db_commit(db) : status;
}
