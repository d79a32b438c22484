/* What names and times, and no traits and consents, say of a profile: each rule with both of its sides, to the microsecond. That it is never otherwise than the SQL is shown
 * against random histories in tests/golden/test_judge.py. */
#include "segment/judge.h"

#include <check.h>
#include <string.h>

#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/base/instant.h"

enum { EVENTS_MAX = 100 };
#define T   INT64_C(1773144000000000) /* 2026-03-10T12:00:00Z, a Tuesday */
#define DAY (86400 * US_PER_S)

/* A profile as text: words with a space between. `A-2d+1`: an event A two days and −1 µs before T (units s h d; the µs may be left out), `B*3-1d` three of
 * them. And: `first-9d` its first_seen (else that of its events; `first` alone: null), `floor-9d`, `anonymous`, `member` of the first segment referred to,
 * `noperiods`: calendar periods are not known, `notraits`, `noconsents`: it has none, `known`: its id is, bytes 0 to 15. */
struct profile {
    struct judge_event events[EVENTS_MAX];
    struct judge_facts facts;
    bool member;
    bool no_periods;
    struct id id;
};

/* Not in the order of the names. 0 is never seen. */
static int32_t id_of(const char *name)
{
    return *name == 'Z' ? 0 : 100 - *name;
}

static bool is_member(const void *context, size_t i)
{
    const struct profile *profile = context;

    return i == 0 && profile->member;
}

static bool period(const void *context, enum segment_period kind, int64_t *ret_before_us, int64_t *ret_start_us)
{
    static const int64_t hours[][2] = {
        [PERIOD_DAY] = {36, 12},
        [PERIOD_WEEK] = {36 + 7 * 24, 36},
        [PERIOD_MONTH] = {12 + 37 * 24, 12 + 9 * 24},
        [PERIOD_QUARTER] = {12 + 160 * 24, 12 + 68 * 24},
        [PERIOD_YEAR] = {12 + 433 * 24, 12 + 68 * 24},
    };
    const struct profile *profile = context;

    *ret_before_us = T - hours[kind][0] * 3600 * US_PER_S;
    *ret_start_us = T - hours[kind][1] * 3600 * US_PER_S;
    return !profile->no_periods;
}

/* `-2d+1` */
static int64_t instant_of(const char *text)
{
    char *end;
    int64_t us = strtoll(text, &end, 10) * US_PER_S;

    us *= *end == 'd' ? 86400 : *end == 'h' ? 3600 : 1;
    return T + us + strtoll(end + 1, NULL, 10);
}

static int compare_events(const void *a, const void *b)
{
    const struct judge_event *x = a, *y = b;

    if (x->name_id != y->name_id)
        return x->name_id < y->name_id ? -1 : 1;
    return (x->ts_us > y->ts_us) - (x->ts_us < y->ts_us);
}

static void add_events(struct profile *profile, const char *word)
{
    size_t n = word[1] == '*' ? strtoul(word + 2, NULL, 10) : 1;
    int64_t us = instant_of(word + strcspn(word, "-+"));

    if (profile->facts.first_seen_us == INSTANT_NONE || us < profile->facts.first_seen_us)
        profile->facts.first_seen_us = us;
    while (n--)
        profile->events[profile->facts.n_events++] = (struct judge_event){.ts_us = us, .name_id = id_of(word)};
}

static void read_profile(const char *text, struct profile *profile)
{
    AUTO_FREE char *words = mem_strdup(text);
    char *rest = words, *word;
    const char *first = NULL;

    *profile = (struct profile){.facts = {.as_of_us = T, .floor_us = INT64_MIN, .first_seen_us = INSTANT_NONE, .identified = true}};
    while ((word = strsep(&rest, " "))) {
        if (!strncmp(word, "first", 5))
            first = word + 5;
        else if (!strncmp(word, "floor", 5))
            profile->facts.floor_us = instant_of(word + 5);
        else if (!strcmp(word, "anonymous"))
            profile->facts.identified = false;
        else if (!strcmp(word, "member"))
            profile->member = true;
        else if (!strcmp(word, "noperiods"))
            profile->no_periods = true;
        else if (!strcmp(word, "notraits"))
            profile->facts.no_traits = true;
        else if (!strcmp(word, "noconsents"))
            profile->facts.no_consents = true;
        else if (!strcmp(word, "known"))
            profile->facts.profile = &profile->id;
        else if (*word)
            add_events(profile, word);
    }
    if (first)
        profile->facts.first_seen_us = *first ? instant_of(first) : INSTANT_NONE;
    qsort(profile->events, profile->facts.n_events, sizeof *profile->events, compare_events);
    profile->facts.events = profile->events;
    for (uint8_t i = 0; i < ID_SIZE; i++)
        profile->id.bytes[i] = i;
    profile->facts.is_member = is_member;
    profile->facts.period = period;
    profile->facts.context = profile;
}

static struct segment *parse(const char *definition, const char *zone)
{
    AUTO_FREE char *text = mem_strdup(definition);
    struct segment *segment = NULL;
    struct err err = ERR_INIT;

    for (char *at = text; *at; at++)
        if (*at == '\'')
            *at = '"';
    ck_assert_msg(segment_parse(text, strlen(text), zone, &segment, &err), "%s: %s %s", definition, err.pointer, err.detail);
    return segment;
}

static struct judge *make(const struct segment *segment)
{
    const struct segment_names *names = &segment_depends(segment)->events;
    AUTO_FREE int32_t *ids = mem_alloc((names->n_names + 1) * sizeof *ids);

    for (size_t i = 0; i < names->n_names; i++)
        ids[i] = id_of(names->names[i]);
    return judge_new(segment, ids);
}

static char verdict_of(const char *definition, const char *zone, const char *text)
{
    AUTO_SEGMENT struct segment *segment = parse(definition, zone);
    struct judge *judge = make(segment);
    struct profile profile;
    enum verdict verdict;

    read_profile(text, &profile);
    verdict = judge_profile(judge, &profile.facts);
    judge_free(judge);
    return verdict == VERDICT_YES ? 'Y' : verdict == VERDICT_NO ? 'N' : '?';
}

struct judged {
    const char *definition;
    const char *profile;
    char verdict;
};

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

static const struct judged JOINED[] = {
    {"{'all': [{'trait': 'x', 'eq': 1}, {'event': 'A'}]}", "B-1d", 'N'},
    {"{'all': [{'trait': 'x', 'eq': 1}, {'event': 'A'}]}", "A-1d", '?'},
    {"{'all': [{'event': 'A'}, {'event': 'B'}]}", "A-1d B-1d", 'Y'},
    {"{'all': [{'event': 'A'}, {'event': 'B'}]}", "A-1d", 'N'},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A'}]}", "A-1d", 'Y'},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A'}]}", "B-1d", '?'},
    {"{'any': [{'event': 'A'}, {'event': 'B'}]}", "C-1d", 'N'},
    {"{'all': [{'event': 'A', 'window': {'calendar': 'today'}}, {'event': 'B'}]}", "A-1s B-1d noperiods", '?'},
    {"{'all': [{'event': 'A', 'window': {'calendar': 'today'}}, {'event': 'B'}]}", "A-1s noperiods", 'N'},
    {"{'any': [{'event': 'A', 'window': {'calendar': 'today'}}, {'event': 'B'}]}", "A-1s noperiods", '?'},
    {"{'any': [{'event': 'A', 'window': {'calendar': 'today'}}, {'event': 'B'}]}", "A-1s B-1d noperiods", 'Y'},
    {"{'not': {'event': 'A'}}", "A-1d", 'N'},
    {"{'not': {'event': 'A'}}", "B-1d", 'Y'},
    {"{'not': {'trait': 'x', 'eq': 1}}", "", '?'},
    {"{'not': {'not': {'any': [{'consent': 'email', 'eq': 'granted'}, {'event': 'A'}]}}}", "A-1d", 'Y'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}, {'event': 'C'}], 'gte': 2}", "A-1d C-1d", 'Y'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}, {'event': 'C'}], 'gte': 2}", "C-1d", 'N'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}, {'bucket': 'x', 'from': 0, 'to': 50}], 'gte': 2}", "A-1d B-1d", 'Y'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}, {'bucket': 'x', 'from': 0, 'to': 50}], 'gte': 2}", "A-1d", '?'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}, {'bucket': 'x', 'from': 0, 'to': 50}], 'gte': 2}", "C-1d", 'N'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}], 'eq': 1}", "A-1d B-1d", 'N'},
    {"{'some': [{'event': 'A'}, {'event': 'B'}], 'eq': 1}", "B-1d", 'Y'},
    {"{'some': [{'trait': 'x', 'eq': 1}], 'lte': 1}", "", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 30}, {'if': {'event': 'B'}, 'points': 10}], 'gte': 35}", "A-1d", 'N'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 30}, {'if': {'event': 'B'}, 'points': 10}], 'gte': 35}", "A-1d B-1d", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 30}, {'if': {'trait': 'x', 'eq': 1}, 'points': -10}], 'gte': 30}", "A-1d", '?'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 30}, {'if': {'trait': 'x', 'eq': 1}, 'points': -10}], 'gte': 20}", "A-1d", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': -30}, {'if': {'trait': 'x', 'eq': 1}, 'points': 10}], 'gte': -20}", "A-1d", '?'},
    {"{'score': [{'if': {'event': 'A'}, 'points': -30}, {'if': {'trait': 'x', 'eq': 1}, 'points': 10}], 'gte': -19.5}", "A-1d", 'N'},
    {"{'score': [{'if': {'event': 'A'}, 'points': -30}, {'if': {'trait': 'x', 'eq': 1}, 'points': 10}], 'gte': 0}", "B-1d", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 0.1}, {'if': {'event': 'B'}, 'points': 0.2}], 'eq': 0.3}", "A-1d B-1d", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 0.1}, {'if': {'event': 'B'}, 'points': 0.2}], 'gt': 0.3}", "A-1d B-1d", 'N'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 2.5e-1}, {'if': {'event': 'B'}, 'points': 1e1}], 'eq': 10.25}", "A-1d B-1d", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 1e-14}], 'eq': 0.00000000000001}", "A-1d", 'Y'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 1e-15}], 'eq': 0.000000000000001}", "A-1d", '?'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 1e20}], 'gte': 1e20}", "A-1d", '?'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 0}], 'eq': 0}", "A-1d", 'Y'},
    {"{'segment': 'x'}", "member", 'Y'},
    {"{'segment': 'x'}", "", 'N'},
    {"{'all': [{'segment': 'x'}, {'not': {'segment': 'y'}}]}", "member", 'Y'},
    {"{'profile': 'identified', 'eq': true}", "", 'Y'},
    {"{'profile': 'identified', 'eq': true}", "anonymous", 'N'},
    {"{'profile': 'identified', 'neq': true}", "", 'N'},
    {"{'profile': 'identified', 'eq': false}", "anonymous", 'Y'},
    {"{'profile': 'identified', 'eq': true, 'neq': true}", "anonymous", 'N'},
    /* unsure is what unsure parts leave so, though others of the bare are sure */
    {"{'all': [{'trait': 'x', 'neq': 1}, {'consent': 'email', 'neq': 'granted'}]}", "notraits", '?'},
    {"{'all': [{'trait': 'x', 'neq': 1}, {'consent': 'email', 'neq': 'granted'}]}", "noconsents", '?'},
    {"{'all': [{'trait': 'x', 'neq': 1}, {'consent': 'email', 'neq': 'granted'}]}", "notraits noconsents", 'Y'},
    {"{'all': [{'trait': 'x', 'eq': 1}, {'consent': 'email', 'neq': 'granted'}]}", "notraits", 'N'},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'consent': 'email', 'eq': 'granted'}]}", "noconsents", '?'},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'consent': 'email', 'eq': 'granted'}]}", "notraits noconsents", 'N'},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'where': {'property': 'x', 'eq': 1}}]}", "notraits B-1d", 'N'},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'where': {'property': 'x', 'eq': 1}}]}", "notraits A-1d", '?'},
    {"{'not': {'trait': 'x', 'eq': 1}}", "notraits", 'Y'},
    {"{'some': [{'trait': 'x', 'eq': 1}, {'event': 'A'}], 'gte': 1}", "notraits B-1d", 'N'},
    {"{'score': [{'if': {'event': 'A'}, 'points': 30}, {'if': {'trait': 'x', 'eq': 1}, 'points': -10}], 'gte': 30}", "notraits A-1d", 'Y'},
};

/* Bucket 'x' of the profile is 3.32, 'c' 47.82. */
static const struct judged PERSON[] = {
    {"{'trait': 'x', 'eq': 1}", "", '?'},
    {"{'trait': 'x', 'exists': false}", "noconsents", '?'},
    {"{'trait': 'x', 'eq': 1}", "notraits", 'N'},
    {"{'trait': 'x', 'neq': 1}", "notraits", 'Y'},
    {"{'trait': 'x', 'in': [1, 'a']}", "notraits", 'N'},
    {"{'trait': 'x', 'nin': [1, 'a']}", "notraits", 'Y'},
    {"{'trait': 'x', 'exists': true}", "notraits", 'N'},
    {"{'trait': 'x', 'exists': false}", "notraits", 'Y'},
    {"{'trait': 'x', 'exists': false, 'neq': 1, 'nin': ['a']}", "notraits", 'Y'},
    {"{'trait': 'x', 'neq': 1, 'exists': true}", "notraits", 'N'},
    {"{'trait': 'x', 'neq': 1, 'gt': 0}", "notraits", 'N'},
    {"{'trait': 'x[].y', 'eq': 1}", "notraits", 'N'},
    {"{'trait': 'x[].y', 'neq': 1}", "notraits", 'Y'},
    {"{'trait': 'x[]', 'exists': false}", "notraits", 'Y'},
    {"{'trait': 'x', 'lt': 1}", "notraits", 'N'},
    {"{'trait': 'x', 'between': [0, 1]}", "notraits", 'N'},
    {"{'trait': 'x', 'contains': 'a', 'ignore_case': true}", "notraits", 'N'},
    {"{'trait': 'x', 'neq': 'a', 'ignore_case': true}", "notraits", 'Y'},
    {"{'trait': 'x', 'matches': '.*'}", "notraits", 'N'},
    {"{'trait': 'x', 'before': '2026-03-10'}", "notraits", 'N'},
    {"{'trait': 'x', 'within_last': '5d'}", "notraits", 'N'},
    {"{'trait': 'x', 'within_next': '5d'}", "notraits", 'N'},
    {"{'trait': 'x', 'anniversary_in': '5d'}", "notraits", 'N'},
    {"{'consent': 'email', 'neq': 'granted'}", "", '?'},
    {"{'consent': 'email', 'neq': 'granted'}", "notraits", '?'},
    {"{'consent': 'email', 'neq': 'granted'}", "noconsents", 'Y'},
    {"{'consent': 'email', 'eq': 'granted'}", "noconsents", 'N'},
    {"{'consent': 'email', 'eq': 'unknown'}", "noconsents", 'Y'},
    {"{'consent': 'email', 'neq': 'unknown'}", "noconsents", 'N'},
    {"{'consent': 'email', 'in': ['granted', 'unknown']}", "noconsents", 'Y'},
    {"{'consent': 'email', 'in': ['granted', 'denied']}", "noconsents", 'N'},
    {"{'consent': 'email', 'nin': ['granted', 'unknown']}", "noconsents", 'N'},
    {"{'consent': 'email', 'nin': ['granted', 'denied']}", "noconsents", 'Y'},
    {"{'consent': 'email', 'eq': 'unknown', 'neq': 'granted'}", "noconsents", 'Y'},
    {"{'consent': 'email', 'eq': 'granted', 'neq': 'denied'}", "noconsents", 'N'},
    {"{'bucket': 'x', 'from': 0, 'to': 50}", "", '?'},
    {"{'bucket': 'x', 'from': 0, 'to': 3.32}", "known", 'N'},
    {"{'bucket': 'x', 'from': 0, 'to': 3.33}", "known", 'Y'},
    {"{'bucket': 'x', 'from': 3.32, 'to': 100}", "known", 'Y'},
    {"{'bucket': 'x', 'from': 3.33, 'to': 100}", "known", 'N'},
    {"{'bucket': 'c', 'from': 47.82, 'to': 47.83}", "known", 'Y'},
    {"{'not': {'bucket': 'c', 'from': 47.82, 'to': 47.83}}", "known", 'N'},
    /* a window about a trait holds no event of who has none */
    {"{'event': 'A', 'window': {'after': {'trait': 'x'}, 'for': '1d'}, 'eq': 0}", "A-1d notraits", 'Y'},
    {"{'event': '*', 'window': {'after': {'trait': 'x'}, 'for': '3650d'}}", "A-1d notraits", 'N'},
    {"{'event': 'A', 'window': {'before': {'trait': 'x'}, 'for': '1d'}, 'eq': 0}", "A-1d notraits", 'Y'},
    {"{'event': 'A', 'window': {'after': {'trait': 'x'}, 'for': '1d'}, 'eq': 0}", "A-1d noconsents", '?'},
    {"{'event': 'A', 'pick': 'first', 'window': {'before': {'trait': 'x'}, 'for': '1d'}}", "A-1d notraits", 'N'},
    {"{'event': 'A', 'measure': 'days', 'window': {'before': {'trait': 'x'}, 'for': '1d'}, 'lt': 1}", "A-1d notraits", 'Y'},
    {"{'event': 'A', 'measure': {'sum': 'y'}, 'window': {'before': {'trait': 'x'}, 'for': '1d'}, 'eq': 0}", "A-1d notraits", 'Y'},
    {"{'event': 'A', 'measure': {'min': 'y'}, 'window': {'before': {'trait': 'x'}, 'for': '1d'}, 'neq': 5}", "A-1d notraits", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'after': {'trait': 'x'}, 'for': '9d'}}", "A-2d B-1d notraits", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'after': {'trait': 'x'}, 'for': '9d'}}", "A-2d B-1d", '?'},
};

static const struct judged SEEN[] = {
    {"{'profile': 'first_seen', 'exists': true}", "A-1d", 'Y'},
    {"{'profile': 'first_seen', 'exists': true}", "", 'N'},
    {"{'profile': 'last_seen', 'exists': false}", "", 'Y'},
    {"{'profile': 'last_seen', 'exists': false}", "A-1d", 'N'},
    {"{'profile': 'first_seen', 'exists': false}", "first-0s+1", 'Y'},
    {"{'profile': 'first_seen', 'exists': true}", "first-9d", 'Y'},
    {"{'profile': 'first_seen', 'exists': true}", "first-9d floor-8d", 'N'},
    {"{'profile': 'first_seen', 'within_last': '5d'}", "A-5d", 'N'},
    {"{'profile': 'first_seen', 'within_last': '5d'}", "A-5d+1", 'Y'},
    {"{'profile': 'first_seen', 'within_last': '5d'}", "A-6d B-1d", 'N'},
    {"{'profile': 'first_seen', 'within_last': '5d'}", "", 'N'},
    {"{'profile': 'last_seen', 'within_last': '5d'}", "A-6d B-5d", 'N'},
    {"{'profile': 'last_seen', 'within_last': '5d'}", "A-6d B-5d+1", 'Y'},
    {"{'profile': 'first_seen', 'within_next': '5d'}", "A-0s", 'N'},
    {"{'profile': 'last_seen', 'within_next': '5d'}", "A-0s", 'N'},
    {"{'profile': 'last_seen', 'before': '2026-03-10T00:00:00Z'}", "A-12h", 'N'},
    {"{'profile': 'last_seen', 'before': '2026-03-10T00:00:00Z'}", "A-12h-1", 'Y'},
    {"{'profile': 'last_seen', 'before': '2026-03-10T00:00:00Z'}", "", 'N'},
    {"{'profile': 'first_seen', 'after': '2026-03-10'}", "A-12h", 'N'},
    {"{'profile': 'first_seen', 'after': '2026-03-10'}", "A-12h+1", 'Y'},
    {"{'profile': 'first_seen', 'after': '2026-03-10', 'within_last': '1h'}", "A-1h", 'N'},
};

static const struct judged SEQUENCES[] = {
    /* some event for each step, in order */
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}]}", "A-2d", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}]}", "A-2d B-1d", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}]}", "A-1d B-2d", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}]}", "A-1d B-1d", '?'},
    {"{'sequence': [{'event': 'A'}, {'event': 'A'}]}", "A-1d", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'A'}]}", "A*2-1d", '?'},
    {"{'sequence': [{'event': ['A', 'B']}, {'event': 'A'}]}", "A-1d B-1d", '?'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}, {'event': 'C'}]}", "A-1d B-1d C-2d", 'N'},
    {"{'sequence': [{'event': 'A', 'times': 3}]}", "A-3d A-2d", 'N'},
    {"{'sequence': [{'event': 'A', 'times': 3}]}", "A-3d A-2d A-1d", 'Y'},
    {"{'sequence': [{'event': 'A', 'times': 3}]}", "A*3-3d", '?'},
    {"{'sequence': [{'event': 'A', 'times': 4}]}", "A*3-3d", 'N'},
    {"{'sequence': [{'event': '*'}, {'event': '*'}]}", "A-2d C-1d", 'Y'},
    {"{'sequence': [{'event': '*'}, {'event': 'A'}]}", "A-2d C-1d", 'N'},
    {"{'sequence': [{'event': 'A'}]}", "A-1d", 'Y'},
    {"{'sequence': [{'event': 'Z'}, {'event': 'A'}]}", "A-2d A-1d", 'N'},
    /* the newest chain: an older A is too far, or the first is */
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'within': '1h'}]}", "A-3h B-2h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'within': '1h'}]}", "A-3h B-2h+1", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'within': '1h'}]}", "A-9h A-3h B-2h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'within': '1h', 'times': 2}]}", "A-3h B-2h B-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'within': '1h', 'times': 2}]}", "A-3h B-2h B-1h+1", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}, {'event': 'C'}], 'span': '2h'}", "A-3h B-2h C-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}, {'event': 'C'}], 'span': '2h'}", "A-3h B-2h C-1h+1", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}, {'event': 'C'}], 'span': '2h'}", "A-9h A-3h B-2h C-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'last': '1d'}}", "A-1d B-1h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'last': '1d'}}", "A-1d+1 B-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'last': '2d', 'skip': '1d'}}", "A-40h B-1d+1", 'N'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'calendar': 'today'}}", "A-3h B-1h noperiods", '?'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'calendar': 'today'}}", "A-1h B-3h noperiods", 'N'},
    /* what properties may take away */
    {"{'sequence': [{'event': 'A', 'where': {'property': 'x', 'eq': 1}}, {'event': 'B'}]}", "A-2d B-1d", '?'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'same': 'x'}]}", "A-2d B-1d", '?'},
    {"{'sequence': [{'event': 'A'}, {'event': 'B', 'same': 'x'}]}", "A-1d B-2d", 'N'},
    /* an absence between */
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-3h B-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-3h C-2h B-1h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-3h C-3h+1 B-1h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-3h C-3h B-1h", '?'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-3h C-1h B-1h", '?'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-3h C-1h-1 B-1h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "C-4h A-3h B-1h C-1s", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}, {'event': 'B'}]}", "A-5h C-4h A-3h B-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': '*'}, {'event': 'B'}]}", "A-3h B-1h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': '*'}, {'event': 'B'}]}", "A-3h D-2h B-1h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'same': 'x'}, {'event': 'B'}]}", "A-3h C-2h B-1h", '?'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'where': {'property': 'x', 'eq': 1}}, {'event': 'B'}]}", "A-3h C-2h B-1h", '?'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'same': 'x'}, {'event': 'B'}]}", "A-3h B-1h", 'Y'},
    /* an absence at the end: T − for is reached, and nothing came */
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-2h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-2h+1", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-5h C-3h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-5h C-3h+1", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-5h C-5h", '?'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-5h C-5h+1", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "C-6h A-5h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h'}]}", "A-9h A-5h C-4h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C', 'for': '2h', 'same': 'x'}]}", "A-5h C-4h", '?'},
    {"{'sequence': [{'event': 'A', 'where': {'property': 'x', 'eq': 1}}, {'absent': 'C', 'for': '2h'}]}", "A-1h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': '*', 'for': '2h'}]}", "B-6h A-5h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': '*', 'for': '2h'}]}", "A-5h B-4h", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}]}", "A-5h C-0s", 'N'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}]}", "A-5h C-5h-1", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'A'}]}", "A-9h A-5h", 'Y'},
    {"{'sequence': [{'event': 'A'}, {'absent': 'C'}], 'window': {'last': '9h', 'skip': '3h'}}", "A-5h C-1h", 'N'},
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

static void check(const struct judged *judged, const char *zone)
{
    char verdict = verdict_of(judged->definition, zone, judged->profile);

    ck_assert_msg(verdict == judged->verdict, "%s of %s in %s: %c instead of %c", judged->definition, judged->profile, zone, verdict,
                  judged->verdict);
}

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

START_TEST(joined)
{
    check(&JOINED[_i], "Europe/Berlin");
}
END_TEST

START_TEST(person)
{
    check(&PERSON[_i], "UTC");
    check(&PERSON[_i], "Asia/Kolkata");
}
END_TEST

START_TEST(seen)
{
    check(&SEEN[_i], "UTC");
}
END_TEST

START_TEST(sequences)
{
    check(&SEQUENCES[_i], "Europe/Berlin");
}
END_TEST

START_TEST(zones)
{
    check(&ZONES[_i], "America/New_York");
}
END_TEST

/* Of whom it may be sure. */
enum useful { OF_NOBODY, OF_THE_BARE, OF_ANYBODY };
static const struct {
    const char *definition;
    enum useful useful;
} USEFUL[] = {
    {"{'trait': 'x', 'eq': 1}", OF_THE_BARE},
    {"{'consent': 'email', 'eq': 'granted'}", OF_THE_BARE},
    {"{'bucket': 'x', 'from': 0, 'to': 50}", OF_ANYBODY},
    {"{'not': {'any': [{'trait': 'x', 'eq': 1}, {'consent': 'email', 'eq': 'granted'}]}}", OF_THE_BARE},
    {"{'all': [{'trait': 'x', 'eq': 1}, {'event': 'A'}]}", OF_ANYBODY},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A'}]}", OF_ANYBODY},
    {"{'all': [{'trait': 'x', 'eq': 1}, {'bucket': 'x', 'from': 0, 'to': 50}]}", OF_ANYBODY},
    {"{'event': 'A', 'where': {'property': 'x', 'eq': 1}}", OF_ANYBODY},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'where': {'property': 'x', 'eq': 1}}]}", OF_THE_BARE},
    {"{'any': [{'trait': 'x', 'neq': 1}, {'event': 'A', 'where': {'property': 'x', 'eq': 1}}]}", OF_THE_BARE},
    {"{'all': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'where': {'property': 'x', 'eq': 1}, 'lt': 2}]}", OF_THE_BARE},
    {"{'all': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'measure': {'avg': 'x'}, 'lt': 2}]}", OF_ANYBODY},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'measure': {'avg': 'x'}, 'lt': 2}]}", OF_THE_BARE},
    {"{'any': [{'trait': 'x', 'eq': 1}, {'event': 'A', 'measure': {'sum': 'x'}, 'lt': 2}]}", OF_ANYBODY},
    {"{'score': [{'if': {'event': 'A'}, 'points': 1e30}], 'gte': 1}", OF_NOBODY},
    {"{'score': [{'if': {'trait': 'x', 'eq': 1}, 'points': 1e30}], 'gte': 1}", OF_NOBODY},
    {"{'some': [{'trait': 'x', 'eq': 1}], 'gte': 1}", OF_THE_BARE},
    {"{'segment': 'x'}", OF_ANYBODY},
};

START_TEST(useful)
{
    AUTO_SEGMENT struct segment *segment = parse(USEFUL[_i].definition, "UTC");
    struct judge *judge = make(segment);

    ck_assert_msg(judge_useful(judge, false) == (USEFUL[_i].useful == OF_ANYBODY), "%s", USEFUL[_i].definition);
    ck_assert_msg(judge_useful(judge, true) == (USEFUL[_i].useful != OF_NOBODY), "%s", USEFUL[_i].definition);
    judge_free(judge);
}
END_TEST

#define EVER INT64_MAX
static const struct {
    const char *definition;
    int64_t back_us; /* from T; EVER: all events matter */
} SINCE[] = {
    {"{'event': 'A'}", EVER},
    {"{'event': 'A', 'window': {'last': '2d'}}", 2 * DAY},
    {"{'event': 'A', 'window': {'last': '2d', 'skip': '1d'}}", 2 * DAY},
    {"{'event': 'A', 'window': {'last': '2d'}, 'pick': 'first'}", EVER},
    {"{'event': 'A', 'window': {'from': '2026-03-09T12:00:00Z'}}", DAY + 1},
    {"{'event': 'A', 'window': {'to': '2026-03-09T12:00:00Z'}}", EVER},
    {"{'event': 'A', 'window': {'calendar': 'last_week'}}", 14 * DAY + 26 * 3600 * US_PER_S},
    {"{'event': 'A', 'window': {'after': {'profile': 'first_seen'}, 'for': '2d'}}", EVER},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}], 'window': {'last': '3d'}}", 3 * DAY},
    {"{'sequence': [{'event': 'A'}, {'event': 'B'}]}", EVER},
    {"{'profile': 'last_seen', 'within_last': '4d'}", 4 * DAY},
    {"{'profile': 'last_seen', 'exists': true}", EVER},
    {"{'profile': 'first_seen', 'within_last': '4d'}", EVER},
    {"{'profile': 'identified', 'eq': true}", 0},
    {"{'all': [{'trait': 'x', 'within_last': '4d'}, {'consent': 'email', 'eq': 'granted'}, {'bucket': 'x', 'from': 0, 'to': 50}]}", 0},
    {"{'event': 'A', 'window': {'after': {'trait': 'x'}, 'for': '2d'}}", EVER},
    {"{'all': [{'event': 'A', 'window': {'last': '2d'}}, {'not': {'event': 'B', 'window': {'last': '5d'}}}, {'trait': 'x', 'eq': 1}]}",
     5 * DAY},
    {"{'any': [{'event': 'A', 'window': {'last': '2d'}}, {'event': 'B'}]}", EVER},
};

START_TEST(since)
{
    AUTO_SEGMENT struct segment *segment = parse(SINCE[_i].definition, "UTC");
    struct judge *judge = make(segment);
    int64_t since_us = judge_since(judge, T);

    ck_assert_msg(since_us == (SINCE[_i].back_us == EVER ? INT64_MIN : T - SINCE[_i].back_us), "%s", SINCE[_i].definition);
    judge_free(judge);
}
END_TEST

/* More names than the walk tells apart: never wrong, only unsure. */
START_TEST(many_names)
{
    struct profile profile;
    struct judge *judge;
    AUTO_SEGMENT struct segment *segment = parse("{'sequence': [{'event': '*'}, {'event': 'A'}]}", "UTC");

    read_profile("", &profile);
    for (int32_t i = 0; i < 64; i++)
        profile.events[i] = (struct judge_event){.ts_us = T - DAY, .name_id = 1000 + i};
    judge = make(segment);
    profile.facts.n_events = 64;
    ck_assert_int_eq(judge_profile(judge, &profile.facts), VERDICT_NO);
    profile.events[64] = (struct judge_event){.ts_us = T, .name_id = 2000};
    profile.facts.n_events = 65;
    ck_assert_int_eq(judge_profile(judge, &profile.facts), VERDICT_UNSURE);
    judge_free(judge);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segment judge");
    TCase *cases = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(cases, counts, 0, (int)ARRAY_LEN(COUNTS));
    tcase_add_loop_test(cases, windows, 0, (int)ARRAY_LEN(WINDOWS));
    tcase_add_loop_test(cases, measures, 0, (int)ARRAY_LEN(MEASURES));
    tcase_add_loop_test(cases, joined, 0, (int)ARRAY_LEN(JOINED));
    tcase_add_loop_test(cases, person, 0, (int)ARRAY_LEN(PERSON));
    tcase_add_loop_test(cases, seen, 0, (int)ARRAY_LEN(SEEN));
    tcase_add_loop_test(cases, sequences, 0, (int)ARRAY_LEN(SEQUENCES));
    tcase_add_loop_test(cases, zones, 0, (int)ARRAY_LEN(ZONES));
    tcase_add_loop_test(cases, useful, 0, (int)ARRAY_LEN(USEFUL));
    tcase_add_loop_test(cases, since, 0, (int)ARRAY_LEN(SINCE));
    tcase_add_test(cases, many_names);
    suite_add_tcase(suite, cases);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
