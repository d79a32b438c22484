/* What the tests of segment/judge.h share: profiles as text, and rows of definition, profile and verdict. That a verdict is never
 * otherwise than the SQL is shown against random histories in tests/golden/test_judge.py. */
#pragma once

#include <string.h>

#include "segment/judge.h"
#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/base/instant.h"
#include "tests/unit/run.h"

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
static inline int32_t id_of(const char *name)
{
    return *name == 'Z' ? 0 : 100 - *name;
}

static inline bool is_member(const void *context, size_t i)
{
    const struct profile *profile = context;

    return i == 0 && profile->member;
}

static inline bool period(const void *context, enum segment_period kind, int64_t *ret_before_us, int64_t *ret_start_us)
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
static inline int64_t instant_of(const char *text)
{
    char *end;
    int64_t us = strtoll(text, &end, 10) * US_PER_S;

    us *= *end == 'd' ? 86400 : *end == 'h' ? 3600 : 1;
    return T + us + strtoll(end + 1, NULL, 10);
}

static inline int compare_events(const void *a, const void *b)
{
    const struct judge_event *x = a, *y = b;

    if (x->name_id != y->name_id)
        return x->name_id < y->name_id ? -1 : 1;
    return (x->ts_us > y->ts_us) - (x->ts_us < y->ts_us);
}

static inline void add_events(struct profile *profile, const char *word)
{
    size_t n = word[1] == '*' ? strtoul(word + 2, NULL, 10) : 1;
    int64_t us = instant_of(word + strcspn(word, "-+"));

    if (profile->facts.first_seen_us == INSTANT_NONE || us < profile->facts.first_seen_us)
        profile->facts.first_seen_us = us;
    while (n--)
        profile->events[profile->facts.n_events++] = (struct judge_event){.ts_us = us, .name_id = id_of(word)};
}

static inline void read_profile(const char *text, struct profile *profile)
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

static inline struct segment *parse(const char *definition, const char *zone)
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

static inline struct judge *make(const struct segment *segment)
{
    const struct segment_names *names = &segment_depends(segment)->events;
    AUTO_FREE int32_t *ids = mem_alloc((names->n_names + 1) * sizeof *ids);

    for (size_t i = 0; i < names->n_names; i++)
        ids[i] = id_of(names->names[i]);
    return judge_new(segment, ids);
}

static inline char verdict_of(const char *definition, const char *zone, const char *text)
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

static inline void check(const struct judged *judged, const char *zone)
{
    char verdict = verdict_of(judged->definition, zone, judged->profile);

    ck_assert_msg(verdict == judged->verdict, "%s of %s in %s: %c instead of %c", judged->definition, judged->profile, zone, verdict,
                  judged->verdict);
}
