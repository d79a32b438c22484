/* The history of sizes: kept up with the feed, and computed for the time before a segment was there. On the worker's connection, between
 * ticks. Worker thread only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "db/conn.h"
#include "server/roster.h"

enum { HISTORY_DAYS = 30 };

/* Lives as long as the lead. */
struct history {
    struct db *db;         /* borrowed */
    struct roster *roster; /* borrowed */
    int64_t epoch;
    int64_t noted_us; /* monotonic: when changes were counted, */
    int64_t folded_us;
    /* The segment whose past is being computed; 0: none is. */
    int32_t segment_id;
    int32_t version_id;
    int32_t skipped_id; /* it and the lower ones cannot be computed now */
    int64_t ends_us[HISTORY_DAYS];
    int64_t sizes[HISTORY_DAYS]; /* -1: not known */
    size_t n_done;               /* days, */
    size_t n_days;               /* of so many */
    int64_t rest_until_us;       /* monotonic: while events come in, no further day before then */
};

void history_init(struct history *history, struct db *db, struct roster *roster, int64_t epoch);

/* Counts what is new in the feed, tidies up when it is time, and looks for segments without a past. To be called each second or so.
 * DB_NONE: no longer the leader. */
enum db_status history_chore(struct history *history) MUST_CHECK;
/* Is there a past to be computed, and is it time? Quiet: no events come in, so it is; else it takes a twentieth of the time and no more, but that for certain.
 * now_us: monotonic. */
bool history_wants(const struct history *history, bool quiet, int64_t now_us);
/* Computes one day of it, within some 50 ms. */
enum db_status history_step(struct history *history, int64_t as_of_us) MUST_CHECK;
