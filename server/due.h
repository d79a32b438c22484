/* What time alone moves: for the versions in the roster, which ranges of event times to scan between two ticks. Pure.
 *
 * If the last tick ran at t0 and this one at t1 (t0 < t1), a profile that nothing touched can only have moved when
 *   - one of its events left or entered a window: its ts lies in (t0 − D, t1 − D] for a distance D that a version uses with its name (`last`, `skip`,
 *     `absent … for`);
 *   - a calendar period ended: t0 and t1 lie in different days, weeks, …, and it has an event in the period of t0 or of t1 (or those before, for `last_…`);
 *   - its first_seen (or a date of its traits) plus an offset lies in (t0, t1].
 * A window with fixed ends (`from`, `to`) moves nobody by time: what counts is ts <= T and from <= ts < to, and every event with ts <= t1 was in the queue
 * when it came, since no tick has an as_of below a ts that it has read. Windows about a person's date likewise. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "segment/segment.h"
#include "server/base/id.h"
#include "server/base/vec.h"
#include "server/watch.h"

struct due_expiry {
    int64_t after_us;
    struct watch watch;
};

struct due_calendar {
    enum segment_period period;
    bool last;
    const char *timezone; /* borrowed from the version's segment */
    struct watch watch;
    /* Of the last tick's instant, once known: the first instants of the period before, of the period, and of the next. */
    bool known;
    int64_t before_us;
    int64_t start_us;
    int64_t end_us;
};

/* Versions that a date moves at an offset from it. */
struct due_offset {
    int64_t offset_us;
    VEC(uint32_t) versions;
};

struct due_offsets {
    VEC(struct due_offset) all;
};

/* A date in the traits, of one path read in one zone; db/trait_date.h keeps such dates by their instant. */
struct due_date {
    const char *path; /* borrowed from the version's segment, as the zone */
    const char *timezone;
    char *key; /* the trait's top-level key, owned */
    struct due_offsets offsets;
    struct due_offsets anniversaries; /* offset_us is a number of days */
    /* Of what is kept (server/dates.h): */
    bool started;
    bool filled; /* the dates of all profiles */
    struct id filled_to;
};

struct due {
    VEC(struct due_expiry) expiries; /* distinct distances */
    VEC(struct due_calendar) calendars;
    struct due_offsets first_seen;
    VEC(struct due_date) dates;
};

/* What a version is here. expiries and calendars hold the names of depends' own, by id, in the same order. All borrowed. */
struct due_version {
    const struct segment_depends *depends;
    const struct watch_names *expiries;
    const struct watch_names *calendars;
    const char *timezone;
    uint32_t version;
};
void due_add(struct due *due, const struct due_version *version);
void due_seal(struct due *due);
void due_clear(struct due *due);

struct due_asked {
    enum segment_period period;
    const char *timezone;
    int64_t at_us;
};

/* A range of ts: from_us < ts <= to_us; empty when from_us >= to_us. */
struct due_range {
    int64_t from_us;
    int64_t to_us;
};
/* What lies at a distance behind (t0, t1]. */
struct due_range due_shift(int64_t t0_us, int64_t t1_us, int64_t distance_us);
/* Whether at t1 the calendar's known period is over. */
bool due_calendar_over(const struct due_calendar *calendar, int64_t t1_us);
/* The period of an instant in a zone, as a calendar knows it: the first instants of the one before and of itself. False: none knows it. */
bool due_period(const struct due *due, const struct due_asked *asked, int64_t *ret_before_us, int64_t *ret_start_us);
/* The events that a change of period concerns, when t1 lies in a period that starts at start_us, ends at end_us and follows one from before_us. */
struct due_range due_calendar_range(const struct due_calendar *calendar, int64_t before_us, int64_t start_us, int64_t end_us);
/* May a local midnight of any time zone lie in (t0, t1]? Zones differ from UTC by quarters of an hour. */
bool due_midnight(int64_t t0_us, int64_t t1_us);
/* "day", "week", … */
const char *due_period_text(enum segment_period period);
/* Does time alone move anybody in or out? */
bool due_any(const struct segment_depends *depends);
