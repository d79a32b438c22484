/* Counting whom a definition holds, without storing anything: exactly, or from a fair sample when time runs out. */
#pragma once

#include "db/conn.h"
#include "db/evaluate.h"
#include "db/who.h"
#include "segment/segment.h"
#include "server/base/err.h"

/* Begins a read-only snapshot that plans what segment/ compiles as the worker does (segment/segment.h, "heads"). DB_OK: to be ended by db_rollback; else
 * nothing is open. */
enum db_status db_begin_evaluation(struct db *db) MUST_CHECK;

struct db_preview {
    const struct segment *segment; /* checked: api/definition.h */
    int64_t as_of_us;              /* INSTANT_NONE: now */
    int64_t budget_us;
    int64_t grace_us;       /* so much more while fewer than 500 people were seen: of a handful an estimate says little */
    struct id start;        /* where the sample begins: a hash of the definition, so that the same question gives the same sample */
    struct db_plans *plans; /* those of the connection, where it has some already; NULL: the preview's own */
    size_t sample;          /* members to give */
    void (*member)(void *context, const struct who *who); /* for each of those */
    void *context;
};

struct db_previewed {
    int64_t as_of_us;
    bool exact;
    double share;       /* of the id space that was evaluated, (0, 1] */
    int64_t population; /* profiles in it */
    int64_t members;    /* of them who are held */
    bool future;        /* as_of was after now: nothing was evaluated */
    bool timed_out;     /* with DB_RETRY: nobody could be evaluated in the time that there is */
};

/* DB_NONE: *err says what is wrong (references pass a limit). Outside any transaction. */
enum db_status db_preview(struct db *db, const struct db_preview *preview, struct db_previewed *ret_previewed, struct err *err) MUST_CHECK;
