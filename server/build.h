/* Builds of new and changed definitions, between ticks and on the worker's connection. Worker thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"
#include "db/evaluate.h"
#include "server/roster.h"

/* Lives as long as the lead. */
struct build {
    struct db *db;         /* borrowed */
    struct roster *roster; /* borrowed */
    int64_t epoch;
    int32_t version_id; /* under way; 0: none */
    struct db_query query;
    uint64_t share; /* of the id space (of 2^64) for one profile, about */
    uint64_t step;  /* how much of it the next slice takes */
    unsigned alone; /* so many of the next slices are one profile each: a slice took too long */
    bool set_aside; /* a profile was set aside: for the caller to notice and reset */
};

void build_init(struct build *build, struct db *db, struct roster *roster, int64_t epoch);
void build_release(struct build *build);

/* Builds one slice of the oldest version that can be built (all it refers to is live). DB_OK: something was done; DB_NONE: nothing can be; else the roster is
 * dropped and the same again later is right. *ret_complete: a version is built to its end and waits to be swapped in by the next tick. */
enum db_status build_step(struct build *build, bool *ret_complete) MUST_CHECK;

/* Pure: ids by their first 8 bytes. The next slice after built_to (NULL: from the start) of that step. */
struct build_range {
    struct id from;
    struct id to;
};
struct build_range build_range_after(const struct id *built_to, uint64_t step);
/* The share of the id space up to an id, 0 to 1. */
double build_progress(const struct id *built_to);
/* The next step, when one took so long. */
uint64_t build_next_step(uint64_t step, int64_t took_us);
