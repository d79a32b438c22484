/* Members of segments, as they are read. */
#pragma once

#include "db/who.h"

struct member_query {
    const char *key; /* of the segment */
    struct id after; /* profiles after this one; zero: all */
    int32_t limit;
    int64_t at_us;             /* members at that instant, by the feed; INSTANT_NONE: as they are stored */
    const char *const *traits; /* top-level traits to give, n_traits 0: none */
    size_t n_traits;
    const char *const *reachable; /* only whom these channels all reach, now; n_reachable 0: everybody */
    size_t n_reachable;
};

struct member_row {
    struct id profile_id;
    struct who who;
    int64_t entered_us; /* INSTANT_NONE: before the feed's memory */
    const char *traits; /* JSON, or NULL when none were asked for */
};

/* The segment (as db_segment_read) and members of its serving version by profile id, of one snapshot. DB_NONE: no such segment. */
enum db_status db_member_page(struct db *db, const struct member_query *query, struct db_rows *ret_segment,
                              struct db_rows *ret_members) MUST_CHECK;
/* Further members inside a REPEATABLE READ transaction of the caller's, which reads one segment so, from after = zero on; DB_NONE: no more. */
enum db_status db_member_more(struct db *db, const struct member_query *query, struct db_rows *ret_members) MUST_CHECK;
/* How many members there were at an instant, by the feed. */
enum db_status db_member_count_at(struct db *db, const char *key, int64_t at_us, int64_t *ret_size) MUST_CHECK;
struct member_row db_member_row(const struct db_rows *rows, size_t i);
/* Is the row nobody, but the profile to go on after? The last one may be, with `reachable`: only so many people are looked at in one go. */
bool db_member_is_place(const struct db_rows *rows, size_t i);

/* Is there more behind a page that has fewer rows than were asked for? What was looked at, or the bytes of its traits, came to an end. */
bool db_member_ends_early(const struct db_rows *rows);

/* The membership of one person (raw id: server/base/id.h) in one segment: a row as above, with traits NULL; DB_NONE: no such segment,
 * person or membership. *ret_as_of is the worker's, of the same snapshot. */
enum db_status db_member_read(struct db *db, const char *key, const struct id *raw, struct db_rows *ret_rows,
                              int64_t *ret_as_of) MUST_CHECK;
