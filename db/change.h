/* The feed, as the worker writes it; inside a frame (db/tick.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/who.h"

/* Why a membership changed; of several reasons the first counts. */
enum change_cause { CAUSE_ERASE, CAUSE_MERGE, CAUSE_LIST, CAUSE_EVENT, CAUSE_TRAIT, CAUSE_SEGMENT, CAUSE_TIME };

struct db_change {
    int32_t segment_id;
    const char *key; /* of the segment; this and the names borrowed until written */
    struct id profile;
    struct who who;
    bool enter;
    enum change_cause cause;
};

/* Writes them in this order, at least one; *ret_seq: the last one's. */
enum db_status db_change_insert(struct db *db, const struct db_change *changes, size_t n, int64_t at_us, int64_t *ret_seq) MUST_CHECK;
/* Deletes what is older than before_us, at most limit rows. */
enum db_status db_change_prune(struct db *db, int64_t before_us, size_t limit) MUST_CHECK;
