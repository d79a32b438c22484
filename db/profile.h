/* People, as they are read: a profile, its segments, its events. A person is named by a raw id (server/base/id.h), which `identity`
 * resolves, so an id that was merged answers for the survivor. */
#pragma once

#include "db/who.h"

struct profile_row {
    struct id profile_id;
    const char *user_id;
    const char *traits; /* JSON */
    int64_t first_seen_us;
    int64_t last_seen_us;
    int64_t created_us;
    const struct db_rows *rows; /* for all its ids: db_array(rows, 0, PROFILE_USERS) and the others */
};
enum { PROFILE_USERS = 6, PROFILE_ANONYMOUS, PROFILE_EMAILS };
/* DB_NONE: nobody. What costs is last_seen: of who has a million events this quarter, a second. */
enum db_status db_profile_read(struct db *db, const struct id *raw, struct db_rows *ret_rows) MUST_CHECK;
struct profile_row db_profile_row(const struct db_rows *rows);
/* Who is it? DB_NONE: nobody. */
enum db_status db_profile_find(struct db *db, const struct id *raw, struct id *ret_profile) MUST_CHECK;

/* The segments a profile is in: columns key, entered_at; by key. */
enum { PROFILE_SEGMENT_KEY, PROFILE_SEGMENT_ENTERED };
enum db_status db_profile_segments(struct db *db, const struct id *profile_id, struct db_rows *ret_rows) MUST_CHECK;
/* For each raw id, in order: columns known boolean, keys text[]. */
enum { PROFILES_KNOWN, PROFILES_KEYS };
enum db_status db_profiles_segments(struct db *db, const struct id *raw, size_t n, struct db_rows *ret_rows) MUST_CHECK;

/* The public segments that a visitor is in: column key, by key. The visitor is who the first of n raw ids means that means anybody. */
enum db_status db_visitor_segments(struct db *db, const struct id *raw, size_t n, struct db_rows *ret_rows) MUST_CHECK;

/* A place in the order of events (ts, received_at, message_id). */
struct event_place {
    int64_t ts_us;
    int64_t received_us;
    struct id message_id;
};
struct event_row {
    struct event_place place;
    const char *name;
    const char *source;     /* NULL: deleted since */
    const char *properties; /* JSON, or NULL */
    const char *context;
    struct who who; /* of db_event_recent_open */
};
/* Events, newest first, inside a transaction of the caller's that opens them once, and takes as many at a time as it has room for: of a person, those
 * before a place (NULL: all); or of everybody, the newest `limit`. */
enum db_status db_profile_events_open(struct db *db, const struct id *profile_id, const struct event_place *before) MUST_CHECK;
enum db_status db_event_recent_open(struct db *db, int32_t limit) MUST_CHECK;
/* The next n of them, or fewer at the end; DB_NONE: no more. */
enum db_status db_events_next(struct db *db, int32_t n, struct db_rows *ret_rows) MUST_CHECK;
struct event_row db_event_row(const struct db_rows *rows, size_t i);
