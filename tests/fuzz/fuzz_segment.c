/* Any bytes as a definition: a refusal has a code and a pointer; what is accepted compiles for every head, and its SQL is made of the compiler's own
 * letters only: parameters that exist, quotes and brackets in pairs, nothing of the user's. References lead to the definition itself. The judge of it
 * judges some profiles made of the same bytes. */
#include <stdint.h>
#include <string.h>

#include "segment/judge.h"
#include "segment/segment.h"
#include "segment/segment_why.h"
#include "server/base/alloc.h"
#include "server/base/instant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct segment *itself(void *context, const char *key)
{
    return *key == 'l' ? NULL : context;
}

static void check_param(const struct sql *sql, const char *at)
{
    unsigned long n = strtoul(at, NULL, 10);

    ASSERT(n >= 1 && n < sql->first + sql->n_params);
}

static void check_text(const struct sql *sql)
{
    long brackets = 0;
    bool quoted = false;

    for (const char *at = buf_text(&sql->text); *at; at++) {
        ASSERT((*at >= ' ' && *at < 127) && *at != ';' && *at != '\\' && !(at[0] == '-' && at[1] == '-'));
        if (*at == '\'')
            quoted = !quoted;
        if (quoted)
            continue;
        brackets += (*at == '(') - (*at == ')');
        ASSERT(brackets >= 0);
        if (*at == '$')
            check_param(sql, at + 1);
    }
    ASSERT(!quoted && brackets == 0);
}

static void compile(const struct segment *segment, enum segment_head head, const struct segment_others *others)
{
    struct err err = ERR_INIT;
    struct sql sql;

    if (!segment_compile(segment, head, others, &sql, &err)) {
        ASSERT(err.code && (!strcmp(err.code, "segment_cycle") || !strcmp(err.code, "limit")));
        return;
    }
    check_text(&sql);
    sql_release(&sql);
}

/* --- Judging --- */

enum { PROFILES = 4, EVENTS_MAX = 80 };
#define NOW INT64_C(1773144000000000)

struct dice {
    uint64_t state;
};

/* 0 to n − 1 */
static int64_t roll(struct dice *dice, int64_t n)
{
    dice->state ^= dice->state << 13;
    dice->state ^= dice->state >> 7;
    dice->state ^= dice->state << 17;
    return (int64_t)(dice->state % (uint64_t)n);
}

static int compare_events(const void *a, const void *b)
{
    const struct judge_event *x = a, *y = b;

    if (x->name_id != y->name_id)
        return x->name_id < y->name_id ? -1 : 1;
    return (x->ts_us > y->ts_us) - (x->ts_us < y->ts_us);
}

static bool is_member(const void *context, size_t i)
{
    return ((uintptr_t)context >> i % 8) & 1;
}

static bool period(const void *context, enum segment_period kind, int64_t *ret_before_us, int64_t *ret_start_us)
{
    *ret_start_us = NOW - (1 + (int64_t)kind) * INT64_C(86400000000);
    *ret_before_us = *ret_start_us - (1 + (int64_t)kind) * INT64_C(86400000000);
    return (uintptr_t)context & 1;
}

static void judge_some(const struct segment *segment, const struct judge *judge, struct dice dice)
{
    static const int64_t spans[] = {5, 4000000, INT64_C(7200000000), INT64_C(8640000000000), INT64_C(400000000000000)};
    struct judge_event events[EVENTS_MAX];
    struct id profile = {.bytes = {(uint8_t)dice.state}};
    struct judge_facts facts = {.as_of_us = NOW, .is_member = is_member, .period = period};
    size_t n_names = segment_depends(segment)->events.n_names;

    facts.n_events = (size_t)roll(&dice, EVENTS_MAX + 1);
    facts.floor_us = roll(&dice, 2) ? INT64_MIN : NOW - INT64_C(864000000000000);
    facts.first_seen_us = roll(&dice, 4) ? NOW - roll(&dice, INT64_C(2000000000000000)) : INSTANT_NONE;
    facts.identified = roll(&dice, 2);
    facts.no_traits = roll(&dice, 2);
    facts.no_consents = roll(&dice, 2);
    facts.profile = roll(&dice, 4) ? &profile : NULL;
    facts.context = (const void *)(uintptr_t)roll(&dice, 256);
    for (size_t i = 0; i < facts.n_events; i++)
        events[i] = (struct judge_event){.ts_us = NOW - roll(&dice, spans[roll(&dice, 5)]),
                                         .name_id = 4 + (int32_t)roll(&dice, (int64_t)n_names + 2)};
    qsort(events, facts.n_events, sizeof *events, compare_events);
    facts.events = events;
    ASSERT(judge_profile(judge, &facts) == VERDICT_UNSURE || judge_useful(judge, facts.no_traits || facts.no_consents));
}

static void judge_all(const struct segment *segment, const uint8_t *data, size_t size)
{
    size_t n_names = segment_depends(segment)->events.n_names;
    AUTO_FREE int32_t *ids = mem_alloc((n_names + 1) * sizeof *ids);
    struct dice dice = {.state = 88172645463325252};
    struct judge *judge;

    for (size_t i = 0; i < size; i++)
        dice.state = (dice.state ^ data[i]) * 1099511628211 + 1;
    dice.state |= 1;
    for (size_t i = 0; i < n_names; i++)
        ids[i] = roll(&dice, 8) ? 4 + (int32_t)i : 0;
    judge = judge_new(segment, ids);
    for (size_t i = 0; i < PROFILES; i++, roll(&dice, 2))
        judge_some(segment, judge, dice);
    judge_free(judge);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_SEGMENT struct segment *segment = NULL;
    const struct segment_node *nodes;
    struct err err = ERR_INIT;

    if (!segment_parse((const char *)data, size, "UTC", &segment, &err)) {
        ASSERT(err.code && err.detail[0] && (!err.pointer[0] || err.pointer[0] == '/'));
        return 0;
    }
    ASSERT(!err.code);
    for (enum segment_head head = HEAD_CHANGED; head <= HEAD_WHY_NOW; head++) {
        compile(segment, head, NULL);
        compile(segment, head, &(struct segment_others){itself, segment});
    }
    for (size_t i = 1, n = segment_nodes(segment, &nodes); i < n; i++)
        ASSERT(nodes[i].parent < i);
    judge_all(segment, data, size);
    return 0;
}
