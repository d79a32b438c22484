/* What the names and times of a profile's events, its id, and that it has no traits or no consents say of its membership, in
 * three-valued logic (Kleene): yes, no, or unsure. Where it is sure it is the answer of the compiled SQL, to the microsecond; where
 * properties, or traits and consents that may be there, decide, it is unsure, and the SQL is asked. So it only ever saves statements,
 * and everything is right without it. Pure: knows no connection and no clock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "segment/segment.h"
#include "server/base/id.h"

enum verdict { VERDICT_NO, VERDICT_YES, VERDICT_UNSURE };

struct judge_event {
    int64_t ts_us;
    int32_t name_id;
};

/* What is known of one profile at one instant. */
struct judge_facts {
    int64_t as_of_us;
    /* All that count, of whatever ordinary names, by name_id, then ts_us: floor < ts <= as_of, and as far back as judge_since asks. */
    const struct judge_event *events;
    size_t n_events;
    int64_t floor_us;         /* the retention floor */
    int64_t first_seen_us;    /* profile.first_seen; INSTANT_NONE when null */
    bool identified;          /* has a user_id */
    bool no_traits;           /* profile.traits is empty: every path into it gives no value. False: not known */
    bool no_consents;         /* every channel's state is unknown. False: not known */
    const struct id *profile; /* decides its random shares (bucket). NULL: not known */
    /* Is it a member of the i-th of the segments that segment_depends names? NULL: not known. */
    bool (*is_member)(const void *context, size_t i);
    /* The calendar period of as_of in the segment's time zone: first instants of the one before, and of itself. False, or NULL: not known. */
    bool (*period)(const void *context, enum segment_period period, int64_t *ret_before_us, int64_t *ret_start_us);
    const void *context;
};

/* A definition made ready. Borrows the segment, which must outlive it. */
struct judge;
/* ids: of the names in segment_depends(segment)->events, in their order; 0 for one that no event ever had (a new judge when it gets one). Copied. The
 * caller's, to judge_free. */
struct judge *judge_new(const struct segment *segment, const int32_t *ids);
void judge_free(struct judge *judge);
/* May it ever be sure: of a bare person, who has neither traits nor consents, or of anybody? False when nothing but the SQL can say anything. */
bool judge_useful(const struct judge *judge, bool bare);
/* Events at or before this instant do not matter at as_of; INT64_MIN: all do. */
int64_t judge_since(const struct judge *judge, int64_t as_of_us);
/* Any thread. */
enum verdict judge_profile(const struct judge *judge, const struct judge_facts *facts);
