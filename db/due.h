/* Who may have moved because time went on: short range scans inside a tick. Pure arithmetic about which ranges is in server/due.h. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"

/* Events of these names (names NULL: all but the reserved ones) with from_us < ts <= to_us. */
struct db_due_range {
    int64_t from_us;
    int64_t to_us;
    const int32_t *names;
    size_t n_names;
};

/* Sends one scan; its rows are (profile_id, name_id), doubles and all, at most limit. Receive with db_receive. */
void db_due_send(struct db *db, const struct db_due_range *range, size_t limit);
/* Profiles whose first_seen lies in such a range: rows (profile_id), at most limit. */
enum db_status db_due_first_seen(struct db *db, int64_t from_us, int64_t to_us, size_t limit, struct db_rows *ret_rows) MUST_CHECK;

/* The calendar period ("day", "week", "month", "quarter", "year") of an instant in a time zone: the first instants of the one before, of itself and of the
 * next. DB_ERROR: no such time zone. */
struct db_period {
    int64_t before_us;
    int64_t start_us;
    int64_t end_us;
};
enum db_status db_period_of(struct db *db, const char *period, const char *zone, int64_t at_us, struct db_period *ret_period) MUST_CHECK;
