/* Do stored members equal a fresh evaluation? Answered in one snapshot. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/who.h"

/* A profile whose stored membership is not what its events say. Texts live for the call. */
struct db_verify_row {
    struct id profile;
    struct who who;
    bool should_be; /* member, by a fresh evaluation */
    bool is;        /* by the store */
};

struct db_verify {
    const char *key;                                                 /* of the segment */
    struct id from;                                                  /* profiles from … */
    struct id to;                                                    /* … to, both in: all zero and all 0xff for everybody */
    void (*differs)(void *context, const struct db_verify_row *row); /* each that differs; may be NULL */
    void *context;
};

struct db_verified {
    int64_t as_of_us; /* the watermark in the snapshot: what was compared is the truth at this instant */
    bool kept;        /* false: no version serves, or it (or a segment it refers to) has failed or is being rebuilt: nothing was compared */
    int64_t differ;   /* profiles; must be 0 */
    int64_t left_out; /* that differ but wait in the queue or were set aside */
};

/* Evaluates the serving version and all it refers to from raw events, at the watermark, in one REPEATABLE READ snapshot of its own; profiles that wait in the
 * queue are left out. Also right while segments are changed, built or deleted. DB_NONE: no such rule. Any connection; not inside a transaction. */
enum db_status db_verify(struct db *db, const struct db_verify *verify, struct db_verified *ret_verified) MUST_CHECK;
