/* The statements by which an order counts once. The one idea: who inserts the row (person, order) first stores the event, whichever raw
 * id, connection or process it comes by, so nothing rests on a look before. (To look among the person's stored orders instead would need
 * no table, but costs their number at each order, and exclusive locks of all ids of the person.) A merge decides by received_at, not by who is
 * merged into whom: so what is left is the same however messages fall into batches. The row has the key of its event, so the one that
 * loses is found. Which messages are orders is said by api/collect; whom they are about by db/identity.c. */
#include "db/order.h"

/* order_hash raises nothing: api/collect gives strings and numbers only. */
DB_STATEMENT(
    order_take, "UJIZUZ",
    "WITH report AS MATERIALIZED (SELECT *, order_hash(order_id) FROM unnest($1::uuid[], $2::jsonb[], $3::integer[], $4::timestamptz[],"
    " $5::uuid[], $6::timestamptz[]) WITH ORDINALITY AS r (profile_id, order_id, name_id, ts, message_id, received_at, nth)),"
    " first AS MATERIALIZED (SELECT DISTINCT ON (profile_id, order_hash) * FROM report ORDER BY profile_id, order_hash, nth),"
    " taken AS (INSERT INTO order_seen (profile_id, order_hash, name_id, ts, message_id, received_at)"
    " SELECT profile_id, order_hash, name_id, ts, message_id, received_at FROM first ORDER BY profile_id, order_hash"
    " ON CONFLICT DO NOTHING RETURNING profile_id, order_hash)"
    " SELECT (nth - 1)::integer FROM first JOIN taken USING (profile_id, order_hash)"
    " UNION ALL SELECT (nth - 1)::integer FROM report r CROSS JOIN LATERAL (SELECT FROM order_seen WHERE profile_id = r.profile_id"
    " AND order_hash = r.order_hash AND ts = r.ts AND message_id = r.message_id OFFSET 0) o");

DB_STATEMENT(order_move, "UU",
             "INSERT INTO order_seen (profile_id, order_hash, name_id, ts, message_id, received_at)"
             " SELECT p.into_id, o.order_hash, o.name_id, o.ts, o.message_id, o.received_at"
             " FROM unnest($1::uuid[], $2::uuid[]) AS p (gone, into_id)"
             " CROSS JOIN LATERAL (SELECT * FROM order_seen WHERE profile_id = p.gone OFFSET 0) o"
             " ORDER BY p.into_id, o.order_hash ON CONFLICT DO NOTHING");

/* LATERAL … OFFSET 0: by the keys, also where the plan was made while the table was small; a join read all orders there are. */
DB_STATEMENT(order_clashes, "UU",
             "SELECT i.raw_id FROM (SELECT DISTINCT p.into_id FROM unnest($1::uuid[], $2::uuid[]) AS p (gone, into_id)"
             " JOIN order_seen g ON g.profile_id = p.gone"
             " CROSS JOIN LATERAL (SELECT FROM order_seen o WHERE o.profile_id = p.into_id AND o.order_hash = g.order_hash"
             "   AND (o.ts, o.message_id) <> (g.ts, g.message_id) OFFSET 0) AS other) AS s"
             " CROSS JOIN LATERAL (SELECT raw_id FROM identity WHERE profile_id = s.into_id OFFSET 0) AS i");

/* NOT IN, which is hashed once: of NOT EXISTS the planner, who knows nothing of `later`, makes a loop in a loop. */
DB_STATEMENT(
    order_settle, "UU",
    "WITH pair AS MATERIALIZED (SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS p (gone, into_id)),"
    " moved AS (DELETE FROM order_seen o USING pair p WHERE o.profile_id = p.gone"
    " RETURNING p.into_id, o.order_hash, o.name_id, o.ts, o.message_id, o.received_at),"
    " report AS MATERIALIZED (SELECT * FROM moved UNION SELECT o.profile_id, o.order_hash, o.name_id, o.ts, o.message_id, o.received_at"
    " FROM (SELECT DISTINCT into_id, order_hash FROM moved) m JOIN order_seen o ON o.profile_id = m.into_id AND o.order_hash = m.order_hash),"
    " first AS MATERIALIZED (SELECT DISTINCT ON (into_id, order_hash) * FROM report"
    " ORDER BY into_id, order_hash, received_at, ts, message_id),"
    " later AS MATERIALIZED (SELECT DISTINCT r.into_id, r.name_id, r.ts, r.message_id FROM report r JOIN first f USING (into_id, order_hash)"
    " WHERE (r.ts, r.message_id) <> (f.ts, f.message_id)),"
    " kept AS (UPDATE order_seen o SET ts = f.ts, message_id = f.message_id, received_at = f.received_at FROM first f"
    " WHERE o.profile_id = f.into_id AND o.order_hash = f.order_hash AND (o.ts, o.message_id) <> (f.ts, f.message_id)),"
    " dropped AS (DELETE FROM event e USING later l"
    " WHERE e.profile_id = l.into_id AND e.name_id = l.name_id AND e.ts = l.ts AND e.message_id = l.message_id),"
    " who AS MATERIALIZED (SELECT into_id, min(ts) AS first FROM later GROUP BY into_id),"
    " seen AS (UPDATE profile p SET first_seen = CASE WHEN p.first_seen < w.first THEN p.first_seen ELSE s.first END, last_seen = s.last"
    " FROM who w, LATERAL (SELECT min(e.ts) AS first, max(e.ts) AS last FROM event e WHERE e.profile_id = w.into_id AND e.name_id > 3"
    "   AND (e.profile_id, e.name_id, e.ts, e.message_id) NOT IN (SELECT into_id, name_id, ts, message_id FROM later)) s"
    " WHERE p.profile_id = w.into_id),"
    " remembered AS (INSERT INTO odd_message (message_id, name_id, raw_id, own_ts, repeated)"
    " SELECT message_id, name_id, into_id, ts, true FROM later ORDER BY message_id, name_id, into_id, ts ON CONFLICT DO NOTHING),"
    " marked AS (UPDATE odd_message o SET repeated = true FROM later l JOIN identity i ON i.profile_id = l.into_id"
    " WHERE o.message_id = l.message_id AND o.name_id = l.name_id AND o.raw_id = i.raw_id)"
    " INSERT INTO touched (max_ts, pair_profile, pair_name, fact_profile, fact_path)"
    " SELECT '-infinity', array_agg(into_id), array_agg(name_id), array_agg(into_id), array_agg('$first_seen'::text)"
    " FROM (SELECT DISTINCT into_id, name_id FROM later) AS l HAVING count(*) > 0");

static void put_profiles(struct db_args *args, const struct order_report *reports, size_t n)
{
    DB_ARRAY(args, 'U', i, n, db_array_id(args, &reports[i].profile));
    DB_ARRAY(args, 'J', i, n, db_array_json(args, reports[i].message->order_id.at, reports[i].message->order_id.len));
}

static void put_events(struct db_args *args, const struct order_report *reports, size_t n)
{
    DB_ARRAY(args, 'I', i, n, db_array_int(args, reports[i].name_id));
    DB_ARRAY(args, 'Z', i, n, db_array_instant(args, reports[i].message->ts_us));
    DB_ARRAY(args, 'U', i, n, db_array_id(args, &reports[i].message->message_id));
    DB_ARRAY(args, 'Z', i, n, db_array_instant(args, reports[i].message->received_us));
}

void db_order_send_take(struct db *db, const struct order_report *reports, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    put_profiles(&args, reports, n);
    put_events(&args, reports, n);
    db_send(db, &order_take, &args);
}

void db_order_send_move(struct db *db, const struct move *moves, size_t n)
{
    db_moves_send(db, &order_move, moves, n);
}

void db_order_send_clashes(struct db *db, const struct move *moves, size_t n)
{
    db_moves_send(db, &order_clashes, moves, n);
}

void db_order_send_settle(struct db *db, const struct move *moves, size_t n)
{
    db_moves_send(db, &order_settle, moves, n);
}
