/* The worker's queue: what ingest transactions have touched. Read and deleted by the worker only, inside a tick's transaction. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"
#include "server/base/vec.h"

struct touched_pair {
    struct id profile;
    int32_t name_id;
};

struct touched_fact {
    struct id profile;
    const char *path; /* a top-level trait key or a pseudo-path; borrowed from rows, not NUL-terminated */
    size_t len;
};

struct touched_gone {
    struct id profile;
    struct id into; /* itself when erased */
};

struct touched_stat {
    int32_t name_id;
    int64_t events;
    int64_t first_us;
    int64_t last_us;
};

/* Some rows of the queue, oldest first, laid flat. */
struct touched {
    struct db_rows rows; /* owns what the facts borrow */
    VEC(int64_t) ids;    /* of the rows themselves */
    VEC(struct touched_pair) pairs;
    VEC(struct touched_fact) facts;
    VEC(struct id) created;
    VEC(struct touched_gone) gone;
    VEC(struct touched_stat) stats;
    int64_t max_ts_us; /* newest ts stored by them; INSTANT_NONE when there is no row */
    int64_t oldest_us; /* when the oldest was written; INSTANT_NONE likewise */
    bool more;         /* there may be more rows */
};
#define TOUCHED_INIT                                                                                                                       \
    {                                                                                                                                      \
        .rows = DB_ROWS_INIT, .max_ts_us = INSTANT_NONE, .oldest_us = INSTANT_NONE                                                         \
    }
#define AUTO_TOUCHED CLEANUP(touched_release)
void touched_release(struct touched *touched);
/* How many (profile, something) it holds: the measure of a tick's work. */
size_t touched_weight(const struct touched *touched);

/* Sends the read of the oldest visible rows up to about max_weight (one row at least), and takes the answer into *ret_touched, which must be empty.
 * db_touched_receive: DB_OK, also when nothing is there. */
void db_touched_send(struct db *db, size_t max_weight);
enum db_status db_touched_receive(struct db *db, size_t max_weight, struct touched *ret_touched) MUST_CHECK;
/* Sends the deletion of those rows. */
void db_touched_send_delete(struct db *db, const struct touched *touched);
/* How many rows are visible. */
enum db_status db_touched_backlog(struct db *db, int64_t *ret_rows) MUST_CHECK;
/* Adds their counts to the catalogue of event names. */
void db_touched_send_stats(struct db *db, const struct touched *touched);
