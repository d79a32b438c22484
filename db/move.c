/* Moving events between profiles. The one idea: events are taken out and put in again by one statement, never updated in place:
 * profile_id leads the unique key, and an event that is there already under the survivor (a double sent under both ids) must not stop
 * the others. Consent and orders have statements of their own (db/consent.h, db/order.h), list memberships follow in the next tick;
 * whatever else may one day hang on a profile is to be moved here, too. */
#include "db/move.h"

DB_STATEMENT(
    move_events, "UU",
    "WITH pair AS MATERIALIZED (SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS p (gone, into_id)),"
    " taken AS (DELETE FROM event e USING pair p WHERE e.profile_id = p.gone"
    " RETURNING p.gone, p.into_id, e.name_id, e.source_id, e.ts, e.message_id, e.received_at, e.properties, e.context),"
    " put AS (INSERT INTO event (profile_id, name_id, source_id, ts, message_id, received_at, properties, context)"
    " SELECT into_id, name_id, source_id, ts, message_id, received_at, properties, context FROM taken"
    " ORDER BY into_id, name_id, ts, message_id ON CONFLICT DO NOTHING),"
    " dead AS (DELETE FROM profile d USING pair p WHERE d.profile_id = p.gone),"
    " logged AS (INSERT INTO merge_log (gone, into_id, events)"
    " SELECT p.gone, p.into_id, (SELECT count(*) FROM taken t WHERE t.gone = p.gone) FROM pair p),"
    " moved AS (SELECT DISTINCT into_id, name_id FROM taken WHERE name_id > 3)"
    " INSERT INTO touched (max_ts, pair_profile, pair_name, gone, gone_into)"
    " SELECT coalesce((SELECT max(ts) FROM taken), '-infinity'),"
    " ARRAY(SELECT into_id FROM moved ORDER BY into_id, name_id), ARRAY(SELECT name_id FROM moved ORDER BY into_id, name_id), $1, $2");

void db_moves_send(struct db *db, const struct db_statement *statement, const struct move *moves, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    DB_ARRAY(&args, 'U', i, n, db_array_id(&args, &moves[i].gone));
    DB_ARRAY(&args, 'U', i, n, db_array_id(&args, &moves[i].into));
    db_send(db, statement, &args);
}

void db_move_send(struct db *db, const struct move *moves, size_t n)
{
    db_moves_send(db, &move_events, moves, n);
}
