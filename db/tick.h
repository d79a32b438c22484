/* The frame of all that the worker does: its lease, the transaction of a tick, and the watermark. All on the worker's connection. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"
#include "db/touched.h"

/* Takes the lead when the leader's beat is older than 5 s (or ahead of the clock by as much) and it has no transaction open, or when
 * nobody has led since *epoch, the caller's own of an earlier connection (0: none). DB_OK with the epoch to show from now on; DB_NONE:
 * another one leads. */
enum db_status db_worker_lead(struct db *db, int64_t *epoch) MUST_CHECK;
/* Ends the sessions of workers and writers, of any process, whose client has let a transaction hang for 15 s in the middle of a
 * pipeline: they hold the lease or locks of ids. Healthy ones never wait there. */
enum db_status db_worker_unblock(struct db *db) MUST_CHECK;
/* A fresh beat after a transaction that took long and was rolled back; outside any. Failing is no harm. */
void db_worker_keep(struct db *db, int64_t epoch);
/* Gives the lead back, so that the next one need not wait. Failing is no harm. */
void db_worker_resign(struct db *db, int64_t epoch);

struct db_frame {
    int64_t clock_us; /* the database's */
    int64_t as_of_us; /* of the last tick; DB_INSTANT_PAST before the first */
    int64_t
        floor_us; /* events count only with ts > it; as late as the oldest event allows, so that the empty partitions before it are not looked into */
    bool deleted; /* segments wait to be cleared */
};

/* Opens a REPEATABLE READ transaction that only the leader can commit: the row it begins with is lease, fence and heartbeat. DB_NONE: no
 * longer the leader; nothing is open then. After any other failure the caller rolls back. */
enum db_status db_frame_begin(struct db *db, int64_t epoch, struct db_frame *ret_frame) MUST_CHECK;
/* A frame around one step, which must give DB_OK or DB_NONE to be committed: DB_OK then. DB_NONE: no longer the leader. Nothing is open afterwards. */
enum db_status db_frame_run(struct db *db, int64_t epoch, enum db_status (*step)(struct db *db)) MUST_CHECK;
/* Opens a frame with what waits in the queue up to a weight, in one round trip. */
enum db_status db_tick_begin(struct db *db, int64_t epoch, size_t max_weight, struct db_frame *ret_frame,
                             struct touched *ret_touched) MUST_CHECK;
/* Ends a tick: counts of names, the rows of the queue deleted, the watermark, COMMIT, in one round trip. */
enum db_status db_tick_end(struct db *db, int64_t epoch, int64_t as_of_us, const struct touched *touched) MUST_CHECK;

/* Tells other processes that the feed has grown (NOTIFY cohortd_change); outside any transaction. */
enum db_status db_tick_notify(struct db *db, int64_t max_seq) MUST_CHECK;

/* What /v1/status says, in one statement. */
struct db_worker_status {
    int64_t clock_us;
    int64_t epoch;
    int64_t beat_us;
    int64_t as_of_us;
    int64_t
        pending; /* 0: everything committed is reflected up to as_of. Rows in the queue, edits of lists, rebuilds of serving versions, profiles set aside */
    int64_t lag_ms; /* clock − as_of, or the age of the oldest row in the queue if that is more */
};
enum db_status db_worker_status(struct db *db, struct db_worker_status *ret_status) MUST_CHECK;
