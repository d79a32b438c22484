/* Dates in traits, kept by their instant, so that the worker finds whom time moves without reading every profile. A date is kept for a path of the segment
 * language read in a time zone. Worker only; what writes runs inside a frame (db/tick.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"

struct db_date_path {
    const char *path;
    const char *timezone;
};

/* All that are kept: rows (kept path, timezone, filled_to). */
enum db_status db_date_paths(struct db *db, struct db_rows *ret_rows) MUST_CHECK;
/* Is it the path that the store names so? Long ones do not fit into an index and are named by their hash (kept_path in the migrations). */
bool db_date_is_kept_as(const char *path, const char *kept);
/* Stops keeping it and deletes its dates; path->path as kept. */
enum db_status db_date_drop(struct db *db, const struct db_date_path *path) MUST_CHECK;
/* Adds the dates of profiles from … to (both in), and marks the path as filled up to there. */
enum db_status db_date_fill(struct db *db, const struct db_date_path *path, const struct id *from, const struct id *to) MUST_CHECK;
/* After the last range of a path: what was planned for a smaller table is planned anew. */
enum db_status db_dates_analyze(struct db *db) MUST_CHECK;
/* Reads the dates of these profiles again. */
enum db_status db_date_refresh(struct db *db, const struct db_date_path *path, const struct id *profiles, size_t n) MUST_CHECK;

/* Between two instants, the later included. */
struct db_date_span {
    int64_t from_us;
    int64_t to_us;
    size_t limit; /* of rows */
};
/* Profiles with a date in the span: rows (profile_id). */
enum db_status db_date_due(struct db *db, const struct db_date_path *path, const struct db_date_span *span,
                           struct db_rows *ret_rows) MUST_CHECK;
/* Profiles of whom a date's yearly return has come in reach of `days` days within the span, or has passed in it: rows (profile_id). */
enum db_status db_date_anniversary(struct db *db, const struct db_date_path *path, const struct db_date_span *span, int64_t days,
                                   struct db_rows *ret_rows) MUST_CHECK;
