/* What segment/judge.h needs to know of profiles: read for many at once, inside a tick's transaction. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"
#include "db/who.h"
#include "segment/judge.h"

/* Whoever has more events than this that count is not judged by them. */
enum { FACTS_EVENTS_MAX = 1000 };

struct facts_ask {
    const struct id *profiles; /* distinct */
    size_t n;
    int64_t as_of_us;
    int64_t since_us; /* older events are left out; not below the retention floor */
};

/* In one round trip: *ret_people has a row for each profile, in their order, for facts_person; *ret_events likewise, for facts_events. The caller's. */
enum db_status db_facts_read(struct db *db, const struct facts_ask *ask, struct db_rows *ret_people, struct db_rows *ret_events) MUST_CHECK;

struct facts_person {
    bool exists;
    int64_t first_seen_us; /* INSTANT_NONE: null */
    bool no_traits;
    bool no_consents;
    struct who who;          /* borrowed from the rows */
    struct db_array members; /* integer[]: the versions that it is a member of, in order; as borrowed */
};
/* Of row i of ret_people. */
struct facts_person facts_person(const struct db_rows *people, size_t i);

/* Of row i of ret_events: its ordinary events with since < ts <= as_of, by name, then time, at most FACTS_EVENTS_MAX. False: it has more. */
bool facts_events(const struct db_rows *events, size_t i, struct judge_event ret_events[FACTS_EVENTS_MAX], size_t *ret_n);
