/* Reading people. The one idea: every look-up begins at `identity` with a hash that the caller computed, and goes on by profile id, so each is a few
 * index ranges whatever the size of the store. A profile that is gone has no row, and is nobody. What is written about people is ingest's and the
 * worker's. */
#include "db/profile.h"

#include <inttypes.h>
#include <stdio.h>

#define IDS(kind)                                                                                                                          \
    " ARRAY(SELECT external_id FROM identity a WHERE a.profile_id = p.profile_id AND a.kind = '" kind "' ORDER BY external_id LIMIT 1000)"
/* The stored last_seen is moved once an hour: what is newer lies within the hour after it. */
#define LAST_SEEN                                                                                                                          \
    " greatest(p.last_seen, (SELECT max(e.ts) FROM event e WHERE e.profile_id = p.profile_id AND e.name_id > 3 AND e.ts > p.last_seen"     \
    "   AND e.ts < p.last_seen + interval '1 hour')),"
DB_STATEMENT(profile_read, "u",
             "SELECT p.profile_id, p.user_id, p.traits, p.first_seen," LAST_SEEN " p.created_at," IDS("user") "," IDS("anonymous") "," IDS(
                 "email") " FROM identity i JOIN profile p USING (profile_id) WHERE i.raw_id = $1");
DB_STATEMENT(profile_find, "u", "SELECT p.profile_id FROM identity i JOIN profile p USING (profile_id) WHERE i.raw_id = $1");
DB_STATEMENT(profile_segments, "u",
             "SELECT s.key, m.entered_at FROM membership m JOIN segment s ON s.serving_version_id = m.version_id"
             " WHERE m.profile_id = $1 AND s.deleted_at IS NULL ORDER BY s.key");
DB_STATEMENT(
    profiles_segments, "U",
    "SELECT p.profile_id IS NOT NULL, ARRAY(SELECT s.key FROM membership m JOIN segment s ON s.serving_version_id = m.version_id"
    "   WHERE m.profile_id = p.profile_id AND s.deleted_at IS NULL ORDER BY s.key)"
    " FROM unnest($1) WITH ORDINALITY AS r (raw_id, place) LEFT JOIN identity i USING (raw_id) LEFT JOIN profile p USING (profile_id)"
    " ORDER BY r.place");
DB_STATEMENT(visitor_segments, "U",
             "WITH visitor AS MATERIALIZED (SELECT p.profile_id FROM unnest($1) WITH ORDINALITY AS r (raw_id, place)"
             "   JOIN identity i USING (raw_id) JOIN profile p USING (profile_id) ORDER BY r.place LIMIT 1)"
             " SELECT s.key FROM visitor v JOIN membership m USING (profile_id) JOIN segment s ON s.serving_version_id = m.version_id"
             "  WHERE s.public AND s.deleted_at IS NULL ORDER BY s.key");
#define EVENT_COLUMNS "SELECT e.ts, e.received_at, e.message_id, n.name, s.name, e.properties, e.context"
#define EVENT_JOINS   "JOIN event_name n USING (name_id) LEFT JOIN source s ON s.source_id = e.source_id "
#define EVENTS_CURSOR "DECLARE events NO SCROLL CURSOR FOR " EVENT_COLUMNS
#define EVENTS_ORDER  " ORDER BY e.ts DESC, e.received_at DESC, e.message_id DESC"
DB_STATEMENT(profile_events_open, "uzzu",
             EVENTS_CURSOR ", NULL::text, NULL::text, NULL::text FROM event e " EVENT_JOINS
                           "WHERE e.profile_id = $1 AND e.ts <= $2 AND (e.ts, e.received_at, e.message_id) < ($2, $3, $4)" EVENTS_ORDER);
DB_STATEMENT(event_recent_open, "i",
             EVENTS_CURSOR
             ", p.user_id, p.anonymous_id, p.email FROM (SELECT * FROM event ORDER BY ts AT TIME ZONE 'UTC' DESC LIMIT $1) e " EVENT_JOINS
             "LEFT JOIN profile p USING (profile_id)" EVENTS_ORDER);

enum db_status db_profile_read(struct db *db, const struct id *raw, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_id(&args, raw);
    return db_run(db, &profile_read, &args, ret_rows);
}

enum db_status db_profile_find(struct db *db, const struct id *raw, struct id *ret_profile)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_id(&args, raw);
    status = db_run(db, &profile_find, &args, &rows);
    if (status == DB_OK)
        *ret_profile = db_id(&rows, 0, 0);
    return status;
}

struct profile_row db_profile_row(const struct db_rows *rows)
{
    return (struct profile_row){.profile_id = db_id(rows, 0, 0),
                                .user_id = db_text(rows, 0, 1),
                                .traits = db_text(rows, 0, 2),
                                .first_seen_us = db_instant(rows, 0, 3),
                                .last_seen_us = db_instant(rows, 0, 4),
                                .created_us = db_instant(rows, 0, 5),
                                .rows = rows};
}

enum db_status db_profile_segments(struct db *db, const struct id *profile_id, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_id(&args, profile_id);
    return db_run(db, &profile_segments, &args, ret_rows);
}

enum db_status db_profiles_segments(struct db *db, const struct id *raw, size_t n, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_ids(&args, raw, n);
    return db_run(db, &profiles_segments, &args, ret_rows);
}

enum db_status db_visitor_segments(struct db *db, const struct id *raw, size_t n, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_ids(&args, raw, n);
    return db_run(db, &visitor_segments, &args, ret_rows);
}

enum db_status db_profile_events_open(struct db *db, const struct id *profile_id, const struct event_place *before)
{
    static const struct event_place end = {.ts_us = DB_INSTANT_FUTURE, .received_us = DB_INSTANT_FUTURE};
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    if (!before)
        before = &end;
    db_arg_id(&args, profile_id);
    db_arg_instant(&args, before->ts_us);
    db_arg_instant(&args, before->received_us);
    db_arg_id(&args, &before->message_id);
    return db_run(db, &profile_events_open, &args, NULL);
}

enum db_status db_event_recent_open(struct db *db, int32_t limit)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_arg_int(&args, limit);
    return db_run(db, &event_recent_open, &args, NULL);
}

enum db_status db_events_next(struct db *db, int32_t n, struct db_rows *ret_rows)
{
    char fetch[64];

    (void)snprintf(fetch, sizeof fetch, "FETCH %" PRId32 " FROM events", n);
    return db_run_sql(db, fetch, NULL, ret_rows);
}

struct event_row db_event_row(const struct db_rows *rows, size_t i)
{
    return (struct event_row){
        .place = {.ts_us = db_instant(rows, i, 0), .received_us = db_instant(rows, i, 1), .message_id = db_id(rows, i, 2)},
        .name = db_text(rows, i, 3),
        .source = db_text(rows, i, 4),
        .properties = db_text(rows, i, 5),
        .context = db_text(rows, i, 6),
        .who = db_who(rows, i, 7)};
}
