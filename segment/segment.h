/* The segment language (docs/segments.md): JSON text → tree → SQL. Pure: knows no connection, no clock, no thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/err.h"
#include "server/base/sql.h"

struct segment; /* a checked definition: the tree (segment/ast.h) */

#define AUTO_SEGMENT CLEANUP(segment_free_at)
void segment_free(struct segment *segment);
void segment_free_at(struct segment **segment);

/* Parses and checks a definition: JSON text of len bytes (copied; it need not be NUL-terminated) with its IANA time zone name ("UTC"; taken as it
 * is, whether it exists is the database's to say). On true *ret_segment is the caller's. On false *err has the pointer, a detail, and one of the codes
 * bad_json, wrong_type, unknown_member, duplicate_member, missing_member, bad_operand, bad_path, bad_window, bad_sequence, limit, reserved.
 * Regular expressions are tried by the database when a segment is saved: segment_patterns gives them. */
bool segment_parse(const char *text, size_t len, const char *timezone, struct segment **ret_segment, struct err *err) MUST_CHECK;

/* What a definition depends on, so that the worker knows what can move it. All texts and arrays live as long as the segment. */
struct segment_names {
    bool any_event;           /* "*" stands among them */
    const char *const *names; /* distinct */
    size_t n_names;
};

/* Time alone moves a profile when one of its events of these names has a ts in (t0 − d, t1 − d]. */
struct segment_expiry {
    int64_t after_us; /* d */
    struct segment_names events;
};

/* At the end of a calendar period (`calendar` window) profiles with these events in the period of t0 or of t1, and where it looks back,
 * the one before, move. */
enum segment_period { PERIOD_DAY, PERIOD_WEEK, PERIOD_MONTH, PERIOD_QUARTER, PERIOD_YEAR };
struct segment_calendar {
    enum segment_period period; /* of `timezone` */
    bool last;                  /* last_… rather than this_…; yesterday rather than today */
    struct segment_names events;
};

/* A date of the person (trait, or "$first_seen") that time alone moves past: within_last, within_next, anniversary_in. A value at instant v moves its
 * profile when v + offset_us lies in (t0, t1] (offset negative for within_next); for an anniversary the profile may move at each local midnight. */
struct segment_date {
    const char *path; /* dotted trait path as in the definition, or "$first_seen" */
    int64_t offset_us;
    bool anniversary;
    int64_t days; /* of anniversary_in */
};

struct segment_depends {
    struct segment_names events; /* an event of one of these can change the answer */
    const char *const *traits;   /* top-level trait keys, distinct */
    size_t n_traits;
    bool first_seen;             /* asks the profile's first_seen (pseudo-path "$first_seen" in touched) */
    const char *const *channels; /* consent channels: pseudo-path "$consent.CHANNEL" */
    size_t n_channels;
    const char *const *segments; /* keys referred to, distinct */
    size_t n_segments;
    const struct segment_expiry *expiries; /* distinct durations, names united */
    size_t n_expiries;
    const struct segment_calendar *calendars;
    size_t n_calendars;
    const struct segment_date *dates;
    size_t n_dates;
    bool empty_can_hold; /* may a profile without events, traits and consents be a member? false only when it surely cannot */
};

/* Both live as long as the segment. */
const struct segment_depends *segment_depends(const struct segment *segment);
const char *segment_timezone(const struct segment *segment);
/* The definition as it was given. */
const char *segment_text(const struct segment *segment);

/* The patterns of `matches`, each with its pointer, for the database to try. */
struct segment_pattern {
    const char *pattern;
    const char *pointer;
    bool ignore_case;
};
size_t segment_patterns(const struct segment *segment, const struct segment_pattern **ret_patterns);

/* The heads. Runner's parameters: $1 as_of timestamptz, $2 the retention floor timestamptz (events count only with ts > $2);
 * then by head, given below; the segment's own follow (sql.first). The population is `profile`: one row is a live profile.
 * Statements are prepared with the types of all parameters (a text may not name $1 or $2), and run with jit off, plan_cache_mode =
 * force_generic_plan and enable_seqscan off: a plan made while a partition was empty must not walk it once it is full. */
enum segment_head {
    HEAD_CHANGED, /* $3 version_id integer, $4 profile ids uuid[] → rows (profile_id, is_member boolean, was_member boolean, entered_at, user_id, anonymous_id, email)
                     of just those ids whose membership of version $3 differs from the answer; an id without a profile row is a member nowhere */
    HEAD_RANGE, /* $3, $4 uuid: profiles with $3 <= profile_id <= $4 → rows (profile_id, user_id, anonymous_id, email), members only, by profile_id */
    HEAD_COUNT,  /* $3, $4 uuid as above → one row (members bigint, population bigint) */
    HEAD_DIFF,   /* $3, $4 uuid, $5 version_id → rows as HEAD_CHANGED for the whole range: the verify head */
    HEAD_WHY,    /* $3 profile_id, $4 integer: how many instants to come are tried → one row (node integer, …): see segment_why */
    HEAD_WHY_NOW /* the same without WHY_CHANGES and WHY_STEPS: where these cost too much */
};

/* Where the definitions of other segments come from, to evaluate a reference in place: for preview, diff, verify, a past instant. look_up gives the
 * segment of a key, lent and alive until compile returns, or NULL for one that is a list (then membership is asked) or unknown. */
struct segment_others {
    const struct segment *(*look_up)(void *context, const char *key);
    void *context;
};

/* Compiles to one statement. others NULL: references are answered by membership of the other segment's serving version, as the tick and the build
 * want it. On true *ret_sql is initialised and the caller's. False, with *err, only when references in place make a cycle (segment_cycle) or pass a
 * limit (limit: 20 in a chain, 4,000 parameters, SQL_TEXT_MAX). */
bool segment_compile(const struct segment *segment, enum segment_head head, const struct segment_others *others, struct sql *ret_sql,
                     struct err *err) MUST_CHECK;
