/* What a changed definition would do to the members of a segment. */
#pragma once

#include "db/who.h"
#include "segment/segment.h"
#include "server/base/err.h"

struct db_diff {
    const char *key;                                                    /* of the segment */
    const struct segment *segment;                                      /* the changed definition, checked: api/definition.h */
    size_t sample;                                                      /* people to tell of, of each kind */
    void (*differs)(void *context, bool enters, const struct who *who); /* for each of those */
    void *context;
};

struct db_diffed {
    int64_t as_of_us; /* the worker's */
    int64_t enter;
    int64_t leave;
};

/* Evaluates the whole population beside the members of the serving version, in one snapshot, at the worker's watermark. DB_NONE: no such
 * segment, or (*err is set) references pass a limit. Outside any transaction; takes as long as a build. */
enum db_status db_diff(struct db *db, const struct db_diff *diff, struct db_diffed *ret_diffed, struct err *err) MUST_CHECK;
