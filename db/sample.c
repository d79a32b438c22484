/* The catalogue of event properties. The one idea: it need not be complete, only cheap and soon right, so the worker looks at one event for
 * each name that was seen lately. Paths are written as definitions write them. Bounded: 5 deep, 500 paths for a name, 5 short values for a
 * path. */
#include "db/sample.h"

#define PATH_KEY "regexp_replace(c.key, '([.]|\\[|\\]|\\\\)', '\\\\\\1', 'g')"

DB_STATEMENT(
    sample_properties, "UI",
    "WITH RECURSIVE walk(name_id, path, value, depth) AS ("
    "SELECT d.n, '', (SELECT e.properties FROM event e WHERE e.profile_id = d.p AND e.name_id = d.n ORDER BY ts DESC LIMIT 1), 0 "
    "FROM unnest($1::uuid[], $2::integer[]) AS d(p, n) "
    "UNION ALL SELECT w.name_id, CASE WHEN c.key IS NULL THEN w.path || '[]' WHEN w.depth = 0 THEN " PATH_KEY
    " ELSE w.path || '.' || " PATH_KEY " END, c.value, w.depth + 1 FROM walk w, LATERAL ("
    "SELECT key, value FROM jsonb_each(CASE WHEN jsonb_typeof(w.value) = 'object' THEN w.value ELSE '{}' END) "
    "UNION ALL (SELECT NULL, value FROM jsonb_array_elements("
    "CASE WHEN jsonb_typeof(w.value) = 'array' AND w.path NOT LIKE '%[]' THEN w.value ELSE '[]' END) LIMIT 3)) AS c WHERE w.depth < 5),"
    " seen AS (SELECT name_id, path, array_agg(DISTINCT jsonb_typeof(value)) AS types, coalesce(jsonb_agg(DISTINCT value) FILTER"
    " (WHERE jsonb_typeof(value) NOT IN ('object', 'array', 'null') AND length(value::text) <= 100), '[]') AS samples "
    "FROM walk WHERE depth > 0 AND length(path) BETWEEN 1 AND 200 AND value IS NOT NULL GROUP BY name_id, path) "
    "INSERT INTO event_property AS p (name_id, path, types, samples, seen_at) "
    "SELECT name_id, path, types, samples, now() FROM seen s WHERE (SELECT count(*) FROM event_property o WHERE o.name_id = s.name_id) < 500 "
    "OR EXISTS (SELECT FROM event_property o WHERE o.name_id = s.name_id AND o.path = s.path) ORDER BY name_id, path "
    "ON CONFLICT (name_id, path) DO UPDATE SET seen_at = excluded.seen_at,"
    " types = (SELECT array_agg(DISTINCT t) FROM unnest(p.types || excluded.types) AS u(t)),"
    " samples = (SELECT coalesce(jsonb_agg(v), '[]') FROM (SELECT DISTINCT v FROM jsonb_array_elements(excluded.samples || p.samples)"
    " AS u(v) LIMIT 5) AS few)");

enum db_status db_sample_properties(struct db *db, const struct touched_pair *pairs, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    DB_ARRAY(&args, 'U', i, n, db_array_id(&args, &pairs[i].profile));
    DB_ARRAY(&args, 'I', i, n, db_array_int(&args, pairs[i].name_id));
    return db_run(db, &sample_properties, &args, NULL);
}
