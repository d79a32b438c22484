/* Consent. The one idea: a row is two registers that merge in any order (the newest statement, the oldest signal), so one fragment serves
 * messages, merges and the API: fold what is given, and put it over what is there. Invariant: rows that would not change are neither written nor
 * locked, for a browser signals with each of its messages; and the worker is told of exactly the rows that were written. OFFSET 0: looked up one
 * by one, whatever the planner believes of the sizes. */
#include "db/consent.h"

#include "db/lock.h"

/* Of two statements of one instant the more cautious holds. */
#define CAUTION(stated) "CASE " stated " WHEN 'denied' THEN 2 WHEN 'granted' THEN 0 ELSE 1 END"
#define NEWER(a, b)                                                                                                                        \
    "(" a "stated_at IS NOT NULL AND (" b "stated_at IS NULL"                                                                              \
    " OR (" a "stated_at, " CAUTION(a "stated") ") > (" b "stated_at, " CAUTION(b "stated") ")))"
#define CHANNELS_MAX  "1000" /* of a person: anybody who has the public write key may invent some */
#define MOST_CAUTIOUS CAUTION("stated") " DESC"
#define GIVEN_NEWER   NEWER("f.", "o.")
#define PUT_NEWER     NEWER("excluded.", "c.")
/* After `given` (profile_id, channel, stated, stated_at, signal_at). */
#define PUT                                                                                                                                \
    ", folded AS (SELECT profile_id, channel, max(stated_at) AS stated_at, min(signal_at) AS signal_at,"                                   \
    "   (array_agg(stated ORDER BY stated_at DESC NULLS LAST, " MOST_CAUTIOUS "))[1] AS stated FROM given GROUP BY 1, 2),"                 \
    " put AS (INSERT INTO consent AS c (profile_id, channel, stated, stated_at, signal_at)"                                                \
    "   SELECT f.profile_id, f.channel, f.stated, f.stated_at, f.signal_at FROM folded f"                                                  \
    "   LEFT JOIN LATERAL (SELECT * FROM consent e WHERE e.profile_id = f.profile_id AND e.channel = f.channel OFFSET 0) o ON true"        \
    "   WHERE CASE WHEN o.channel IS NOT NULL THEN " GIVEN_NEWER " OR f.signal_at < coalesce(o.signal_at, 'infinity') ELSE"                \
    "     f.signal_at IS NOT NULL OR " CHANNELS_MAX " > (SELECT count(*) FROM consent h WHERE h.profile_id = f.profile_id) END"            \
    "   ORDER BY f.profile_id, f.channel COLLATE \"C\" ON CONFLICT (profile_id, channel) DO UPDATE SET"                                    \
    "   stated = CASE WHEN " PUT_NEWER " THEN excluded.stated ELSE c.stated END,"                                                          \
    "   stated_at = greatest(c.stated_at, excluded.stated_at), signal_at = least(c.signal_at, excluded.signal_at)"                         \
    "   RETURNING profile_id, channel)"
#define TOUCH                                                                                                                              \
    "INSERT INTO touched (max_ts, fact_profile, fact_path)"                                                                                \
    " SELECT '-infinity', array_agg(profile_id), array_agg('$consent.' || channel) FROM put HAVING count(*) > 0"

DB_STATEMENT(
    consent_said, "UJBZ",
    "WITH said AS (SELECT * FROM unnest($1::uuid[], $2::jsonb[], $3::boolean[], $4::timestamptz[]) AS s (profile_id, stated, signal, at)),"
    " given AS (SELECT s.profile_id, k.key AS channel, k.value AS stated, s.at AS stated_at, NULL::timestamptz AS signal_at"
    "   FROM said s CROSS JOIN LATERAL jsonb_each_text(s.stated) k"
    "   UNION ALL SELECT profile_id, '" CONSENT_SIGNAL_CHANNEL "', NULL, NULL, at FROM said WHERE signal)" PUT " " TOUCH);
DB_STATEMENT(consent_move, "UU",
             "WITH taken AS (DELETE FROM consent WHERE profile_id = ANY ($1) RETURNING profile_id, channel, stated, stated_at, signal_at),"
             " given AS (SELECT p.into_id AS profile_id, c.channel, c.stated, c.stated_at, c.signal_at"
             "   FROM taken c JOIN unnest($1, $2::uuid[]) AS p (gone, into_id) ON p.gone = c.profile_id)" PUT " " TOUCH);
DB_STATEMENT(consent_read, "u",
             "SELECT channel, state, CASE WHEN stated IS NULL THEN signal_at ELSE stated_at END, stated IS NOT NULL FROM consent"
             " WHERE profile_id = $1 AND state <> 'unknown' ORDER BY channel");

DB_STATEMENT(consent_lock, "i", "SELECT pg_advisory_xact_lock(" DB_LOCK_CLASS_IDENTITY ", $1)");
DB_STATEMENT(consent_set, "ujz",
             "WITH who AS (SELECT p.profile_id FROM identity i JOIN profile p USING (profile_id) WHERE i.raw_id = $1),"
             " given AS (SELECT w.profile_id, k.key AS channel, k.value AS stated,"
             "   greatest($3, o.stated_at + interval '1 microsecond') AS stated_at, NULL::timestamptz AS signal_at FROM who w"
             "   CROSS JOIN jsonb_each_text($2) k LEFT JOIN consent o ON o.profile_id = w.profile_id AND o.channel = k.key)" PUT
             ", note AS (" TOUCH ") SELECT profile_id, pg_notify('cohortd_touched', '') FROM who");

void db_consent_send_said(struct db *db, const struct consent_said *said, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    DB_ARRAY(&args, 'U', i, n, db_array_id(&args, &said[i].profile));
    DB_ARRAY(&args, 'J', i, n, db_array_json(&args, said[i].stated.at, said[i].stated.len));
    DB_ARRAY(&args, 'B', i, n, db_array_bool(&args, said[i].signal));
    DB_ARRAY(&args, 'Z', i, n, db_array_instant(&args, said[i].at_us));
    db_send(db, &consent_said, &args);
}

void db_consent_send_move(struct db *db, const struct move *moves, size_t n)
{
    db_moves_send(db, &consent_move, moves, n);
}

enum db_status db_consent_read(struct db *db, const struct id *profile_id, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_id(&args, profile_id);
    return db_run(db, &consent_read, &args, ret_rows);
}

struct consent_row db_consent_row(const struct db_rows *rows, size_t i)
{
    return (struct consent_row){
        .channel = db_text(rows, i, 0), .state = db_text(rows, i, 1), .at_us = db_instant(rows, i, 2), .stated = db_bool(rows, i, 3)};
}

/* The lock of the raw id is enough: a merge takes those of all ids that mean the profile that goes. The statement after it has a snapshot of its
 * own. */
enum db_status db_consent_set(struct db *db, const struct consent_edit *edit, struct id *ret_profile)
{
    AUTO_DB_ARGS struct db_args lock = DB_ARGS_INIT, set = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status begin, locked, found, rest;

    db_arg_int(&lock, edit->raw.bytes[0]);
    db_arg_id(&set, &edit->raw);
    db_arg_json(&set, edit->stated.at, edit->stated.len);
    db_arg_instant(&set, edit->at_us);
    db_send_sql(db, "BEGIN");
    db_send(db, &consent_lock, &lock);
    db_send(db, &consent_set, &set);
    db_send_sql(db, "COMMIT");
    db_sync(db);
    begin = db_receive(db, NULL);
    locked = db_receive(db, NULL);
    found = db_receive(db, &rows);
    rest = db_receive_rest(db, 1);
    if (begin != DB_OK || locked != DB_OK || rest != DB_OK) {
        db_rollback(db);
        return rest != DB_OK ? rest : begin != DB_OK ? begin : locked;
    }
    if (found == DB_OK)
        *ret_profile = db_id(&rows, 0, 0);
    return found;
}
