/* What names and times say of a condition on events: each rule with both of its sides, to the microsecond. */
#include "tests/unit/segment/judged.h"

static const struct judged COUNTS[] = {
    {"{'event': 'A'}", "A-1d", 'Y'},
    {"{'event': 'A'}", "B-1d", 'N'},
    {"{'event': 'A'}", "", 'N'},
    {"{'event': 'Z'}", "A-1d", 'N'},
    {"{'event': 'Z', 'eq': 0}", "A-1d", 'Y'},
    {"{'event': '*'}", "B-1d", 'Y'},
    {"{'event': '*'}", "", 'N'},
    {"{'event': '*', 'eq': 4}", "A-1d B-1d C*2-1d", 'Y'},
    {"{'event': '*', 'window': {'last': '1d'}, 'eq': 3}", "A-1d B-1d+1 C*2-1s B-2d D-3d", 'Y'},
    {"{'event': ['C', 'A', 'C'], 'eq': 3}", "A-1d B-1d C*2-1d", 'Y'},
    {"{'event': ['Z', 'A', 'B'], 'window': {'last': '1d'}, 'eq': 2}", "A-2d A-1s A-1d B-1s B-9d C-1s", 'Y'},
    {"{'event': 'A', 'gte': 2}", "A-1d", 'N'},
    {"{'event': 'A', 'gte': 2}", "A*2-1d", 'Y'},
    {"{'event': 'A', 'gt': 2}", "A*2-1d", 'N'},
    {"{'event': 'A', 'gt': 2}", "A*3-1d", 'Y'},
    {"{'event': 'A', 'gt': 1.5}", "A*2-1d", 'Y'},
    {"{'event': 'A', 'gte': 1.5}", "A-1d", 'N'},
    {"{'event': 'A', 'lt': 2}", "A-1d", 'Y'},
    {"{'event': 'A', 'lt': 2}", "A*2-1d", 'N'},
    {"{'event': 'A', 'lt': 1.5}", "A-1d", 'Y'},
    {"{'event': 'A', 'lte': 2}", "A*2-1d", 'Y'},
    {"{'event': 'A', 'lte': 2}", "A*3-1d", 'N'},
    {"{'event': 'A', 'lte': 2.5}", "A*3-1d", 'N'},
    {"{'event': 'A', 'eq': 2}", "A*2-1d", 'Y'},
    {"{'event': 'A', 'eq': 2}", "A*3-1d", 'N'},
    {"{'event': 'A', 'eq': 2.5}", "A*2-1d", 'N'},
    {"{'event': 'A', 'neq': 2}", "A*2-1d", 'N'},
    {"{'event': 'A', 'neq': 2}", "A*3-1d", 'Y'},
    {"{'event': 'A', 'neq': 2.5}", "A*2-1d", 'Y'},
    {"{'event': 'A', 'between': [1, 2]}", "A*2-1d", 'Y'},
    {"{'event': 'A', 'between': [1, 2]}", "A*3-1d", 'N'},
    {"{'event': 'A', 'between': [2, 1]}", "A*2-1d", 'N'},
    {"{'event': 'A', 'gte': 1, 'neq': 2}", "A*2-1d", 'N'},
    {"{'event': 'A', 'gte': -1}", "", 'Y'},
    {"{'event': 'A', 'gte': 1e99}", "A*9-1d", 'N'},
    {"{'event': 'A', 'lt': 1e99}", "A*9-1d", 'Y'},
    /* what the properties may take away */
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}}", "B-1d", 'N'},
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}}", "A-1d", '?'},
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}, 'gte': 3}", "A*2-1d", 'N'},
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}, 'gte': 3}", "A*3-1d", '?'},
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}, 'lt': 3}", "A*2-1d", 'Y'},
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}, 'lt': 3}", "A*3-1d", '?'},
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}, 'eq': 0}", "B-1d", 'Y'},
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}, 'neq': 3}", "A*2-1d", 'Y'},
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}, 'neq': 3}", "A*3-1d", '?'},
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}, 'gte': 1, 'lte': 2, 'neq': 1}", "A-1d", 'N'},
    {"{'event': 'A', 'where': {'time': 'hour', 'eq': 1}}", "A-1d", '?'},
};

static const struct judged WINDOWS[] = {
    /* T − d < ts <= T − skip */
    {"{'event': 'A', 'window': {'last': '30d'}}", "A-30d", 'N'},
    {"{'event': 'A', 'window': {'last': '30d'}}", "A-30d+1", 'Y'},
    {"{'event': 'A', 'window': {'last': '30d'}}", "A-0s", 'Y'},
    {"{'event': 'A', 'window': {'last': '30d', 'skip': '10d'}}", "A-10d", 'Y'},
    {"{'event': 'A', 'window': {'last': '30d', 'skip': '10d'}}", "A-10d+1", 'N'},
    {"{'event': 'A', 'window': {'last': '30d', 'skip': '10d'}}", "A-30d", 'N'},
    {"{'event': 'A', 'window': {'last': '30d', 'skip': '10d'}}", "A-30d+1", 'Y'},
    /* from <= ts < to */
    {"{'event': 'A', 'window': {'from': '2026-03-10T00:00:00Z'}}", "A-12h", 'Y'},
    {"{'event': 'A', 'window': {'from': '2026-03-10T00:00:00Z'}}", "A-12h-1", 'N'},
    {"{'event': 'A', 'window': {'to': '2026-03-10T00:00:00Z'}}", "A-12h", 'N'},
    {"{'event': 'A', 'window': {'to': '2026-03-10T00:00:00Z'}}", "A-12h-1", 'Y'},
    {"{'event': 'A', 'window': {'from': '2026-03-10', 'to': '2026-03-10T06:00:00'}}", "A-12h", 'Y'},
    {"{'event': 'A', 'window': {'from': '2026-03-10', 'to': '2026-03-10T06:00:00'}}", "A-12h-1 A-6h", 'N'},
    {"{'event': 'A', 'window': {'from': '2090-01-01', 'to': '2091-01-01'}}", "A-1d", 'N'},
    /* calendar: from its start, and of one before to the start of this one */
    {"{'event': 'A', 'window': {'calendar': 'today'}}", "A-12h", 'Y'},
    {"{'event': 'A', 'window': {'calendar': 'today'}}", "A-12h-1", 'N'},
    {"{'event': 'A', 'window': {'calendar': 'yesterday'}}", "A-12h-1", 'Y'},
    {"{'event': 'A', 'window': {'calendar': 'yesterday'}}", "A-12h", 'N'},
    {"{'event': 'A', 'window': {'calendar': 'yesterday'}}", "A-36h", 'Y'},
    {"{'event': 'A', 'window': {'calendar': 'yesterday'}}", "A-36h-1", 'N'},
    {"{'event': 'A', 'window': {'calendar': 'this_week'}}", "A-36h", 'Y'},
    {"{'event': 'A', 'window': {'calendar': 'last_month'}}", "A-228h-1", 'Y'},
    {"{'event': 'A', 'window': {'calendar': 'last_month'}}", "A-228h", 'N'},
    {"{'event': 'A', 'window': {'calendar': 'this_quarter'}}", "A-228h", 'Y'},
    {"{'event': 'A', 'window': {'calendar': 'last_year'}}", "A-68d", 'N'},
    {"{'event': 'A', 'window': {'calendar': 'today'}}", "A-1s noperiods", '?'},
    {"{'event': 'A', 'window': {'calendar': 'today'}}", "B-1s noperiods", 'N'},
    /* d <= ts < d + for, d − for <= ts < d */
    {"{'event': 'A', 'window': {'after': {'profile': 'first_seen'}, 'for': '7d'}}", "A-10d", 'Y'},
    {"{'event': 'A', 'window': {'after': {'profile': 'first_seen'}, 'for': '7d'}}", "B-10d A-3d", 'N'},
    {"{'event': 'A', 'window': {'after': {'profile': 'first_seen'}, 'for': '7d'}}", "B-10d A-3d-1", 'Y'},
    {"{'event': 'A', 'window': {'before': {'profile': 'last_seen'}, 'for': '7d'}}", "A-8d B-1d", 'Y'},
    {"{'event': 'A', 'window': {'before': {'profile': 'last_seen'}, 'for': '7d'}}", "A-8d-1 B-1d", 'N'},
    {"{'event': 'A', 'window': {'before': {'profile': 'last_seen'}, 'for': '7d'}}", "A-1d", 'N'},
    {"{'event': 'A', 'window': {'after': {'profile': 'last_seen'}, 'for': '1d'}}", "A-1d", 'Y'},
    {"{'event': 'A', 'window': {'after': {'profile': 'first_seen'}, 'for': '1d'}}", "A-1d first", 'N'},
    {"{'event': 'A', 'window': {'after': {'trait': 'x'}, 'for': '1d'}}", "A-1d", '?'},
    {"{'event': 'A', 'window': {'after': {'trait': 'x'}, 'for': '1d'}}", "B-1d", 'N'},
    {"{'event': 'A', 'window': {'after': {'trait': 'x'}, 'for': '1d'}, 'gte': 2}", "A-1d", 'N'},
    /* first_seen: the column, but the oldest event when that is not above the floor; nothing when it is after T */
    {"{'event': 'A', 'window': {'after': {'profile': 'first_seen'}, 'for': '1d'}}", "A-1d first-9d floor-9d", 'Y'},
    {"{'event': 'A', 'window': {'after': {'profile': 'first_seen'}, 'for': '1d'}}", "A-1d first-9d+1 floor-9d", 'N'},
    {"{'event': 'A', 'window': {'after': {'profile': 'first_seen'}, 'for': '1d'}}", "A-0s first-0s", 'Y'},
    {"{'event': 'A', 'window': {'before': {'profile': 'first_seen'}, 'for': '1d'}}", "A-0s first-0s+1", 'N'},
};

static const struct judged MEASURES[] = {
    /* the picked event, and only it */
    {"{'event': 'A', 'pick': 'first', 'window': {'last': '7d'}}", "A-8d A-1d", 'N'},
    {"{'event': 'A', 'pick': 'first', 'window': {'last': '7d'}}", "A-6d A-1d", 'Y'},
    {"{'event': 'A', 'pick': 'last', 'window': {'last': '7d', 'skip': '2d'}}", "A-3d A-1d", 'N'},
    {"{'event': 'A', 'pick': 'last', 'window': {'last': '7d', 'skip': '2d'}}", "A-9d A-3d", 'Y'},
    {"{'event': ['A', 'B'], 'pick': 'first', 'window': {'last': '7d'}}", "A-6d B-8d", 'N'},
    {"{'event': '*', 'pick': 'last', 'window': {'last': '7d', 'skip': '2d'}}", "A-6d C-1d", 'N'},
    {"{'event': 'A', 'pick': 'first', 'gte': 2}", "A*3-1d", 'N'},
    {"{'event': 'A', 'pick': 'first'}", "B-1d", 'N'},
    {"{'event': 'A', 'pick': 'first', 'where': {'property': 'x', 'eq': 1}}", "A-1d", '?'},
    {"{'event': 'A', 'pick': 'first', 'where': {'property': 'x', 'eq': 1}, 'gte': 2}", "A*3-1d", 'N'},
    {"{'event': 'A', 'pick': 'first', 'where': {'property': 'x', 'eq': 1}, 'window': {'last': '7d'}}", "A-8d A-1d", 'N'},
    {"{'event': 'A', 'pick': 'first', 'measure': 'days', 'eq': 1}", "A-5d A-1d", 'Y'},
    {"{'event': 'A', 'pick': 'first', 'measure': {'sum': 'x'}, 'window': {'last': '1d'}, 'eq': 0}", "A-1d A-1s", 'Y'},
    /* over nothing a sum is 0; avg, min and max are none, of which no comparator holds */
    {"{'event': 'A', 'measure': {'sum': 'x'}, 'gte': 0}", "B-1d", 'Y'},
    {"{'event': 'A', 'measure': {'sum': 'x'}, 'gt': 0}", "B-1d", 'N'},
    {"{'event': 'A', 'measure': {'sum': 'x'}, 'gt': -0.5}", "B-1d", 'Y'},
    {"{'event': 'A', 'measure': {'sum': ['x', 'y']}, 'lt': 5}", "B-1d", 'Y'},
    {"{'event': 'A', 'measure': {'sum': 'x'}, 'gte': 0}", "A-1d", '?'},
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}, 'measure': {'sum': 'x'}, 'gte': 0}", "A-1d", '?'},
    {"{'event': 'A', 'measure': {'min': 'x'}, 'neq': 5}", "B-1d", 'N'},
    {"{'event': 'A', 'measure': {'max': 'x'}, 'lt': 5}", "B-1d", 'N'},
    {"{'event': 'A', 'measure': {'avg': ['x', 'y']}, 'gte': 0}", "B-1d", 'N'},
    {"{'event': 'A', 'measure': {'avg': 'x'}, 'lt': 5}", "A-1d", '?'},
    {"{'event': 'A', 'measure': {'max': 'x'}, 'window': {'last': '1d'}, 'gte': 5}", "A-1d", 'N'},
    /* as many different texts as events, with [] more */
    {"{'event': 'A', 'measure': {'distinct': 'x'}, 'gte': 3}", "A*2-1d", 'N'},
    {"{'event': 'A', 'measure': {'distinct': 'x'}, 'gte': 3}", "A*3-1d", '?'},
    {"{'event': 'A', 'measure': {'distinct': 'x'}, 'lt': 3}", "A*2-1d", 'Y'},
    {"{'event': 'A', 'measure': {'distinct': 'x'}}", "A-1d", '?'},
    {"{'event': 'A', 'measure': {'distinct': 'x[]'}, 'gte': 3}", "A*2-1d", '?'},
    {"{'event': 'A', 'measure': {'distinct': 'x[].y'}, 'gte': 3}", "B*9-1d", 'N'},
    {"{'event': 'A', 'measure': {'distinct': 'x'}, 'eq': 0}", "B-1d", 'Y'},
    /* calendar periods of UTC; T is at noon on a Tuesday, the tenth */
    {"{'event': 'A', 'measure': 'days', 'eq': 2}", "A-12h A-1s A-12h-1", 'Y'},
    {"{'event': 'A', 'measure': 'days', 'eq': 1}", "A-12h A-1s A-0s", 'Y'},
    {"{'event': ['A', 'B'], 'measure': 'days', 'gte': 3}", "A-1s B-1s A-1d B-1d B-2d", 'Y'},
    {"{'event': ['A', 'B'], 'measure': 'days', 'gte': 4}", "A-1s B-1s A-1d B-1d B-2d", 'N'},
    {"{'event': 'A', 'measure': 'days', 'neq': 3}", "A-1s A-1d A-2d A-3d", 'Y'},
    {"{'event': 'A', 'measure': 'days', 'between': [1, 2]}", "A-1s A-1d A-2d A-3d", 'N'},
    {"{'event': '*', 'measure': 'days', 'window': {'last': '2d'}, 'eq': 2}", "A-1s C-1d B-2d", 'Y'},
    {"{'event': 'A', 'measure': 'weeks', 'eq': 2}", "A-36h A-1s A-36h-1", 'Y'},
    {"{'event': 'A', 'measure': 'weeks', 'eq': 1}", "A-36h A-1s", 'Y'},
    {"{'event': 'A', 'measure': 'weeks', 'eq': 1}", "A-204h A-36h-1", 'Y'},
    {"{'event': 'A', 'measure': 'weeks', 'eq': 2}", "A-204h-1 A-36h-1", 'Y'},
    {"{'event': 'A', 'measure': 'months', 'eq': 2}", "A-228h A-1s A-228h-1", 'Y'},
    {"{'event': 'A', 'measure': 'months', 'eq': 1}", "A-228h A-1s", 'Y'},
    {"{'event': 'A', 'measure': 'months', 'eq': 1}", "A-900h A-228h-1", 'Y'},
    {"{'event': 'A', 'measure': 'months', 'eq': 2}", "A-900h-1 A-228h-1", 'Y'},
    {"{'event': 'A', 'measure': 'months', 'where': {'property': 'x', 'eq': 1}, 'gte': 2}", "A-1s A-5s", 'N'},
    {"{'event': 'A', 'measure': 'months', 'where': {'property': 'x', 'eq': 1}}", "A-1s", '?'},
    {"{'event': 'A', 'measure': 'days', 'eq': 0}", "B-1d", 'Y'},
};

static const struct judged ZONES[] = {
    /* of a local instant only what no zone's offset can change */
    {"{'event': 'A', 'window': {'from': '2026-03-10'}}", "A-1s", '?'},
    {"{'event': 'A', 'window': {'from': '2026-03-10'}}", "A-40h", 'N'},
    {"{'event': 'A', 'window': {'from': '2026-03-08'}}", "A-1s", 'Y'},
    {"{'event': 'A', 'window': {'from': '2026-03-10T00:00:00Z'}}", "A-12h", 'Y'},
    {"{'event': 'A', 'window': {'to': '2026-03-12'}}", "A-1s", 'Y'},
    {"{'event': 'A', 'window': {'to': '2026-03-10'}}", "A-1s", '?'},
    {"{'event': 'A', 'window': {'to': '2026-03-08'}}", "A-1s", 'N'},
    {"{'event': 'A', 'window': {'from': '2026-03-10', 'to': '2026-03-11'}, 'gte': 2}", "A-1s", 'N'},
    {"{'profile': 'first_seen', 'before': '2026-03-10'}", "A-1s", '?'},
    {"{'profile': 'first_seen', 'before': '2026-03-10'}", "A-40h", 'Y'},
    {"{'profile': 'first_seen', 'after': '2026-03-08'}", "A-1s", 'Y'},
    {"{'profile': 'first_seen', 'after': '2026-03-08T00:00:00Z'}", "A-60h+1", 'Y'},
    {"{'event': 'A', 'measure': 'days', 'eq': 1}", "A-1s", 'Y'},
    {"{'event': 'A', 'measure': 'days', 'eq': 1}", "A-1s A-2s", '?'},
    {"{'event': 'A', 'measure': 'days', 'gte': 3}", "A-1d A-9d", 'N'},
    {"{'event': 'A', 'measure': 'weeks'}", "A-1d A-9d", 'Y'},
    {"{'event': 'A', 'measure': 'months', 'eq': 0}", "B-1s", 'Y'},
};

START_TEST(counts)
{
    check(&COUNTS[_i], "UTC");
    check(&COUNTS[_i], "Asia/Kolkata");
}
END_TEST

START_TEST(windows)
{
    check(&WINDOWS[_i], "UTC");
}
END_TEST

START_TEST(measures)
{
    check(&MEASURES[_i], "UTC");
}
END_TEST

START_TEST(zones)
{
    check(&ZONES[_i], "America/New_York");
}
END_TEST

RUN_CASES("segment judge event", {counts, ARRAY_LEN(COUNTS)}, {windows, ARRAY_LEN(WINDOWS)}, {measures, ARRAY_LEN(MEASURES)},
          {zones, ARRAY_LEN(ZONES)})
