/* One tick: takes what was touched and what time alone has moved since the last tick, evaluates, and writes the differences, in one transaction. Worker thread
 * only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"
#include "db/touched.h"
#include "server/differ.h"
#include "server/lists.h"
#include "server/roster.h"

/* Lives as long as the lead. */
struct tick {
    struct db *db;         /* borrowed */
    struct roster *roster; /* borrowed */
    int64_t epoch;
    struct differ differ;
    size_t weight;                 /* how much of the queue the next tick takes */
    bool catching_up;              /* far behind: the queue is emptied first, then versions are rebuilt */
    VEC(struct touched_pair) seen; /* some of the pairs of late ticks, one for a name: the audit samples their properties and clears them */
};

struct tick_result {
    int64_t as_of_us;
    int64_t oldest_us; /* when the oldest row it took was written, INSTANT_NONE: it took none */
    int64_t clock_us;  /* the database's, when it began */
    int64_t max_seq;   /* of the changes written, 0: none */
    size_t changes;
    size_t touched; /* weight of what it took */
    size_t evaluated;
    size_t decided; /* of these without a statement (server/sift.h) */
    size_t failed;
    size_t set_aside;
    size_t swapped; /* versions that went live */
    struct lists_result lists;
    bool more; /* the queue was not emptied */
};

void tick_init(struct tick *tick, struct db *db, struct roster *roster, int64_t epoch);
void tick_release(struct tick *tick);

/* Runs one tick. now_us INSTANT_NONE: as_of by the database's clock; tests give an instant. DB_OK; DB_NONE: the lead is lost; else nothing was done, the
 * roster is dropped, and the same again later is right. The roster must be loaded. */
enum db_status tick_run(struct tick *tick, int64_t now_us, struct tick_result *ret_result) MUST_CHECK;
