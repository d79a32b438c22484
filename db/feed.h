/* The feed of changes, as readers see it. What the worker writes is in db/change.h. */
#pragma once

#include "db/who.h"

enum { FEED_KEEP_DAYS = 30 }; /* what the feed keeps at least; the worker prunes what is older */

struct feed_query {
    const char *segment; /* key of a segment, also one deleted since; NULL: all */
    int64_t after;       /* seq; -1: from the oldest kept */
    int32_t limit;
    const char *const *reachable; /* leaves out who entered and is not reached by all these channels now; n_reachable 0: nobody */
    size_t n_reachable;
};

struct feed_row {
    int64_t seq;
    const char *segment;
    struct who who;
    const char *
        op; /* NULL: no change, but the seq to go on after; the last row may be one, with `reachable`: only so many changes are looked at in one go */
    int64_t at_us;
    const char *cause;
};

/* What the feed has after a place, in order. DB_OK also when there is nothing; DB_NONE: rows after that place are no longer kept. */
enum db_status db_feed_read(struct db *db, const struct feed_query *query, struct db_rows *ret_rows) MUST_CHECK;
/* DB_NONE: no segment has this key, nor had one that the feed still tells of. */
enum db_status db_feed_knows(struct db *db, const char *segment) MUST_CHECK;
struct feed_row db_feed_row(const struct db_rows *rows, size_t i);
/* The last seq of all, 0 when the feed is empty. */
enum db_status db_feed_last(struct db *db, int64_t *ret_seq) MUST_CHECK;
