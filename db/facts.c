/* The facts of many profiles. The one idea: a profile's events are one short range of each partition's index (profile_id, name_id, ts, …), and their names and
 * times are in the index itself: reading them once costs less than one or two conditions of one segment do. They travel as two arrays for each profile; the
 * memberships as a third, since whoever knows the answer must know what was stored. Of traits and consents it is told only whether there are any; large
 * traits are known by their size, without being unpacked. */
#include "db/facts.h"

#include <stdlib.h>

DB_STATEMENT(
    facts_of_people, "U",
    "SELECT p.profile_id IS NOT NULL, p.first_seen, p.user_id, p.anonymous_id, p.email,"
    " pg_column_size(p.traits) < 16 AND p.traits = '{}',"
    " NOT EXISTS (SELECT FROM consent WHERE profile_id = c.profile_id OFFSET 0),"
    " ARRAY(SELECT m.version_id FROM membership m WHERE m.profile_id = c.profile_id ORDER BY m.version_id)"
    " FROM unnest($1) AS c(profile_id) LEFT JOIN LATERAL (SELECT * FROM profile WHERE profile_id = c.profile_id OFFSET 0) p ON true");
DB_STATEMENT(
    facts_of_events, "Uzzl",
    "SELECT e.names, e.times FROM unnest($1) AS c(profile_id) CROSS JOIN LATERAL"
    " (SELECT array_agg(name_id) AS names, array_agg(ts) AS times FROM"
    " (SELECT name_id, ts FROM event WHERE profile_id = c.profile_id AND name_id >= 4 AND ts > $3 AND ts <= $2 LIMIT $4) x OFFSET 0) e");

enum { EXISTS, FIRST_SEEN, WHO, NO_TRAITS = WHO + 3, NO_CONSENTS, MEMBERS };
enum { NAMES, TIMES };

enum db_status db_facts_read(struct db *db, const struct facts_ask *ask, struct db_rows *ret_people, struct db_rows *ret_events)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    enum db_status people, events, end;

    db_arg_ids(&args, ask->profiles, ask->n);
    db_send(db, &facts_of_people, &args);
    db_arg_instant(&args, ask->as_of_us);
    db_arg_instant(&args, ask->since_us);
    db_arg_long(&args, FACTS_EVENTS_MAX + 1);
    db_send(db, &facts_of_events, &args);
    db_sync(db);
    people = db_receive(db, ret_people);
    events = db_receive(db, ret_events);
    end = db_receive_sync(db);
    if (people != DB_OK && people != DB_NONE)
        return people;
    return events == DB_OK || events == DB_NONE ? end : events;
}

struct facts_person facts_person(const struct db_rows *people, size_t i)
{
    return (struct facts_person){.exists = db_bool(people, i, EXISTS),
                                 .first_seen_us = db_instant(people, i, FIRST_SEEN),
                                 .no_traits = db_bool(people, i, NO_TRAITS),
                                 .no_consents = db_bool(people, i, NO_CONSENTS),
                                 .who = db_who(people, i, WHO),
                                 .members = db_array(people, i, MEMBERS)};
}

static int compare_events(const void *a, const void *b)
{
    const struct judge_event *x = a, *y = b;

    if (x->name_id != y->name_id)
        return x->name_id < y->name_id ? -1 : 1;
    return (x->ts_us > y->ts_us) - (x->ts_us < y->ts_us);
}

/* Partitions come one after the other, each in order. */
bool facts_events(const struct db_rows *events, size_t i, struct judge_event ret_events[FACTS_EVENTS_MAX], size_t *ret_n)
{
    struct db_array names = db_array(events, i, NAMES), times = db_array(events, i, TIMES);
    size_t n = names.left;
    bool ordered = true;

    if (n > FACTS_EVENTS_MAX)
        return false;
    for (size_t k = 0; k < n; k++) {
        ret_events[k] = (struct judge_event){.name_id = (int32_t)db_array_next_int(&names), .ts_us = db_array_next_instant(&times)};
        ordered &= k == 0 || compare_events(&ret_events[k - 1], &ret_events[k]) <= 0;
    }
    if (!ordered)
        qsort(ret_events, n, sizeof *ret_events, compare_events);
    *ret_n = n;
    return true;
}
