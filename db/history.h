/* How large segments were: rows made from the feed by the worker, and read with what is not made into rows yet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"

/* --- For readers --- */

struct history_query {
    const char *key; /* of the segment */
    int64_t from_us;
    int64_t to_us;
};
struct history_row {
    int64_t at_us; /* the beginning of its minute, hour or day */
    int64_t size;  /* at its end */
    int64_t identified;
    int64_t entered;
    int64_t left;
    bool computed; /* identified, entered and left are not known */
};
/* Rows before to_us, in order: all from from_us on and the last one before it. *ret_live_us: since when the segment has members,
 * INSTANT_NONE: not yet. DB_NONE: no such segment; DB_OK also without any row. */
enum db_status db_history_read(struct db *db, const struct history_query *query, int64_t *ret_live_us, struct db_rows *ret_rows) MUST_CHECK;
struct history_row db_history_row(const struct db_rows *rows, size_t i);

/* --- For the worker; inside a frame (db/tick.h), but for db_history_wanted --- */

/* What is to be done: changes to be counted, and a rule that is live and has no history from before (segment_id, version_id; 0: none),
 * other than after_id and the lower ones. */
struct history_wanted {
    int64_t news; /* about how many changes; at most 0: none */
    int32_t segment_id;
    int32_t version_id;
};
enum db_status db_history_wanted(struct db *db, int32_t after_id, struct history_wanted *ret_wanted) MUST_CHECK;
/* Counts the changes that are not counted yet. */
enum db_status db_history_note(struct db *db) MUST_CHECK;
/* Makes hours of old minutes and days of old hours, and forgets segments that are gone. */
enum db_status db_history_fold(struct db *db) MUST_CHECK;
/* Keeps sizes at the ends of days (those below 0 are not known), and that the segment has its history. */
enum db_status db_history_backfill(struct db *db, int32_t segment_id, const int64_t *ends_us, const int64_t *sizes, size_t n) MUST_CHECK;
