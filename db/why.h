/* Why a person is a member of a segment, or is not. */
#pragma once

#include "db/others.h"
#include "db/who.h"
#include "segment/segment.h"

/* What is asked about, of one snapshot; texts live as long as the rows. */
struct db_why_frame {
    const char *definition; /* of the serving version, else of the newest; NULL: a list */
    const char *timezone;
    struct id profile_id;
    struct who who;
    int64_t as_of_us; /* the worker's; INSTANT_NONE: no tick yet */
    int64_t floor_us;
    bool member;
};

/* raw: of the person (server/base/id.h). DB_NONE: no such segment or person. */
enum db_status db_why_frame(struct db *db, const char *key, const struct id *raw, struct db_rows *ret_rows,
                            struct db_why_frame *ret_frame) MUST_CHECK;
/* Evaluates each node of the definition for that person: rows as segment/segment_why.h has them. References are evaluated in place, by
 * the definitions that others looks up; where that would be too large, they are answered by membership and have no rows. Where it takes
 * too long, fewer instants to come are tried, or neither changes nor steps are given. Outside any transaction. */
enum db_status db_why_run(struct db *db, const struct segment *segment, const struct db_why_frame *frame, struct db_others *others,
                          struct db_rows *ret_rows) MUST_CHECK;
