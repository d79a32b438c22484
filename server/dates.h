/* What time moves through dates in traits (within_last, within_next, anniversary_in): keeping the dates, and finding whose have come. Worker thread only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/conn.h"
#include "db/touched.h"
#include "server/differ.h"
#include "server/roster.h"

/* Which of the roster's dates are kept already; dates that nobody needs any more are dropped. Inside a frame. */
enum db_status dates_load(struct db *db, struct roster *roster) MUST_CHECK;
/* Whether all dates that a version needs are kept: else it must not be built yet. */
bool dates_filled(const struct roster *roster, uint32_t version);
/* Adds the dates of one more range of profiles for one path that is not filled, in a frame of its own. DB_NONE: all are filled. */
enum db_status dates_fill(struct db *db, int64_t epoch, struct roster *roster) MUST_CHECK;
/* Reads again the dates of profiles whose traits were touched. Inside a tick. */
enum db_status dates_refresh(struct db *db, const struct roster *roster, const struct touched *touched) MUST_CHECK;
/* Adds as candidates those whose dates have come between two instants. Inside a tick. */
enum db_status dates_due(struct differ *differ, int64_t t0_us, size_t limit) MUST_CHECK;
