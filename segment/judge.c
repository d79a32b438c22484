/* Membership from names and times and little else. The one idea: Kleene's three values. A condition that properties, traits or consents decide is
 * unsure, an event condition is as sure as its window and its count are, and all, any, not, some and score are sure as soon as no unsure part
 * can change them. The invariant: what is sure is what the SQL of the same tree says (compile_condition.c and its kin), for any properties,
 * and any traits and consents of whoever is not known to have none. It parses nothing and allocates nothing when it judges. */
#include "segment/judge.h"

#include <string.h>

#include "segment/judge_parts.h"
#include "server/base/alloc.h"

/* Points × 10^shift beyond this are not summed: so many conditions as there may be stay far below DECIMAL_HUGE. */
#define POINTS_MAX (DECIMAL_HUGE / 10000)
enum { SHIFT_MAX = 14 };
enum { CAN_NOT = 1U << VERDICT_NO, CAN = 1U << VERDICT_YES };

/* --- Making it ready --- */

struct named {
    const char *name;
    int32_t id;
};

struct maker {
    struct judge *judge;
    const struct segment_depends *depends;
    struct named *named; /* the definition's names, sorted */
};

static int compare_named(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static int compare_ids(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

static void sort_named(struct maker *maker, const int32_t *ids)
{
    const struct segment_names *names = &maker->depends->events;

    maker->named = mem_alloc((names->n_names + 1) * sizeof *maker->named);
    for (size_t i = 0; i < names->n_names; i++)
        maker->named[i] = (struct named){.name = names->names[i], .id = ids[i]};
    qsort(maker->named, names->n_names, sizeof *maker->named, compare_named);
}

static struct judge_names make_names(const struct maker *maker, const struct names *names)
{
    struct judge_names made = {.any = names->any};
    size_t n = 0;

    if (names->any)
        return made;
    made.ids = mem_alloc(names->n * sizeof *made.ids);
    for (size_t i = 0; i < names->n; i++) {
        struct named wanted = {.name = names->items[i]};

        made.ids[i] =
            ((const struct named *)bsearch(&wanted, maker->named, maker->depends->events.n_names, sizeof wanted, compare_named))->id;
    }
    qsort(made.ids, names->n, sizeof *made.ids, compare_ids);
    for (size_t i = 0; i < names->n; i++)
        if (n == 0 || made.ids[n - 1] != made.ids[i])
            made.ids[n++] = made.ids[i];
    made.n = n;
    return made;
}

static struct judge_chain *make_chain(const struct maker *maker, const struct node *node)
{
    struct judge_names *names = mem_alloc(node->n_steps * sizeof *names);

    for (size_t i = 0; i < node->n_steps; i++)
        names[i] = make_names(maker, &node->steps[i].names);
    return judge_chain_new(node, names);
}

/* The least shift that makes all points whole. */
static bool find_shift(const struct node *node, int *ret_shift)
{
    for (*ret_shift = 0; *ret_shift <= SHIFT_MAX; ++*ret_shift) {
        bool whole = true;

        for (size_t i = 0; i < node->n_parts; i++) {
            struct decimal points = decimal_read(node->points[i], *ret_shift);

            if (points.whole > POINTS_MAX)
                return false;
            whole &= !points.fraction;
        }
        if (whole)
            return true;
    }
    return false;
}

static void make_sum(struct judge *judge, const struct node *node)
{
    struct judge_part *part = &judge->parts[node->number];
    int shift = 0;

    part->summable = !node->points || find_shift(node, &shift);
    part->accepted = decimal_accepted(&node->tests, shift);
    for (size_t i = 0; part->summable && i < node->n_parts; i++) {
        struct decimal points = node->points ? decimal_read(node->points[i], shift) : (struct decimal){.whole = 1};

        judge->parts[node->parts[i]->number].points = points.negative ? -points.whole : points.whole;
    }
}

static size_t find_reference(const struct segment_depends *depends, const char *key)
{
    size_t i = 0;

    while (strcmp(depends->segments[i], key) != 0)
        i++;
    return i;
}

/* With properties in it an event condition is sure only while it is as over nothing. */
static unsigned can_event(const struct node *node, const struct judge_part *part)
{
    bool of_nothing = accepted_holds(&part->accepted, 0, 0) == 1;

    if (node->measure == MEASURE_AVG || node->measure == MEASURE_MIN || node->measure == MEASURE_MAX)
        return CAN_NOT;
    if (!node->where && node->measure != MEASURE_SUM && node->measure != MEASURE_DISTINCT)
        return CAN | CAN_NOT;
    return of_nothing ? CAN : CAN_NOT;
}

/* The least and the most that the points sum up to. */
static void sum_range(const struct judge *judge, const struct node *node, int64_t *ret_least, int64_t *ret_most)
{
    *ret_least = *ret_most = 0;
    for (size_t i = 0; i < node->n_parts; i++) {
        int64_t points = judge->parts[node->parts[i]->number].points;

        *(points < 0 ? ret_least : ret_most) += points;
    }
}

static unsigned can_sum(const struct judge *judge, const struct node *node, bool some_can)
{
    const struct judge_part *part = &judge->parts[node->number];
    int64_t least, most;
    int holds;

    if (!part->summable)
        return 0;
    sum_range(judge, node, &least, &most);
    holds = accepted_holds(&part->accepted, least, most);
    return holds == 1 ? CAN : holds == 0 ? CAN_NOT : some_can ? CAN | CAN_NOT : 0;
}

static unsigned can(const struct judge *judge, const struct node *node, bool bare)
{
    unsigned some = 0, every = CAN | CAN_NOT;

    for (size_t i = 0; i < node->n_parts; i++) {
        some |= judge->parts[node->parts[i]->number].can[bare];
        every &= judge->parts[node->parts[i]->number].can[bare];
    }
    switch (node->kind) {
    case NODE_ALL:
        return (some & CAN_NOT) | (every & CAN);
    case NODE_ANY:
        return (some & CAN) | (every & CAN_NOT);
    case NODE_NOT:
        return (some & CAN ? CAN_NOT : 0) | (some & CAN_NOT ? CAN : 0);
    case NODE_SOME:
    case NODE_SCORE:
        return can_sum(judge, node, some != 0);
    case NODE_EVENT:
        return can_event(node, &judge->parts[node->number]);
    case NODE_SEQUENCE:
        return judge->parts[node->number].chain ? CAN | CAN_NOT : 0;
    case NODE_SEEN:
    case NODE_IDENTIFIED:
    case NODE_SEGMENT:
    case NODE_BUCKET:
        return CAN | CAN_NOT;
    case NODE_TRAIT:
        return !bare ? 0 : leaf_of_nothing(&node->tests) ? CAN : CAN_NOT;
    case NODE_CONSENT:
        return !bare ? 0 : consent_of_unknown(&node->tests) ? CAN : CAN_NOT;
    }
    BUG("no such condition");
}

static void make(const struct maker *maker, const struct node *node)
{
    struct judge_part *part = &maker->judge->parts[node->number];

    for (size_t i = 0; i < node->n_parts; i++)
        make(maker, node->parts[i]);
    if (node->kind == NODE_SOME || node->kind == NODE_SCORE)
        make_sum(maker->judge, node);
    if (node->kind == NODE_EVENT) {
        part->accepted = decimal_accepted(&node->tests, 0);
        part->names = make_names(maker, &node->names);
    }
    if (node->kind == NODE_SEQUENCE)
        part->chain = make_chain(maker, node);
    if (node->kind == NODE_SEGMENT)
        part->reference = find_reference(maker->depends, node->key);
    part->can[false] = can(maker->judge, node, false);
    part->can[true] = can(maker->judge, node, true);
}

struct judge *judge_new(const struct segment *segment, const int32_t *ids)
{
    struct judge *judge = mem_alloc(sizeof *judge);
    struct maker maker = {.judge = judge, .depends = segment_depends(segment)};

    *judge = (struct judge){.segment = segment, .utc = strcmp(segment->timezone, "UTC") == 0};
    judge->parts = mem_zalloc(segment->n_nodes * sizeof *judge->parts);
    sort_named(&maker, ids);
    make(&maker, segment->root);
    free(maker.named);
    return judge;
}

void judge_free(struct judge *judge)
{
    if (!judge)
        return;
    for (size_t i = 0; i < judge->segment->n_nodes; i++) {
        free(judge->parts[i].names.ids);
        judge_chain_free(judge->parts[i].chain);
    }
    free(judge->parts);
    free(judge);
}

bool judge_useful(const struct judge *judge, bool bare)
{
    return judge->parts[judge->segment->root->number].can[bare] != 0;
}

static int64_t since(const struct judge *judge, const struct node *node, int64_t as_of_us)
{
    int64_t since_us = as_of_us;

    for (size_t i = 0; i < node->n_parts; i++) {
        int64_t one = since(judge, node->parts[i], as_of_us);

        since_us = one < since_us ? one : since_us;
    }
    if (!judge->parts[node->number].can[true])
        return since_us;
    if (node->kind == NODE_SEEN)
        return judge_seen_since(node, as_of_us);
    if (node->kind == NODE_EVENT && node->pick != PICK_NONE)
        return INT64_MIN;
    if (node->kind == NODE_EVENT || node->kind == NODE_SEQUENCE)
        return judge_window_since(judge, &node->window, as_of_us);
    return since_us;
}

int64_t judge_since(const struct judge *judge, int64_t as_of_us)
{
    return since(judge, judge->segment->root, as_of_us);
}

/* --- Judging --- */

static enum verdict judge_node(const struct judge *judge, const struct judge_facts *facts, const struct node *node);

/* May no trait or no consent be what makes it sure? */
static bool is_bare(const struct judge_facts *facts)
{
    return facts->no_traits || facts->no_consents;
}

/* all, any: `decides` of one part is that of the whole. */
static enum verdict judge_joined(const struct judge *judge, const struct judge_facts *facts, const struct node *node, enum verdict decides)
{
    enum verdict joined = decides == VERDICT_NO ? VERDICT_YES : VERDICT_NO;
    bool bare = is_bare(facts);

    if (!(judge->parts[node->number].can[bare] & 1U << joined))
        joined = VERDICT_UNSURE;
    for (size_t i = 0; i < node->n_parts; i++) {
        enum verdict part = VERDICT_UNSURE;

        /* Once one is unsure, only a part that decides matters. */
        if (joined != VERDICT_UNSURE || (judge->parts[node->parts[i]->number].can[bare] & 1U << decides))
            part = judge_node(judge, facts, node->parts[i]);
        if (part == decides)
            return decides;
        if (part == VERDICT_UNSURE)
            joined = VERDICT_UNSURE;
    }
    return joined;
}

static enum verdict judge_sum(const struct judge *judge, const struct judge_facts *facts, const struct node *node)
{
    const struct judge_part *part = &judge->parts[node->number];
    int64_t least, most;
    int holds;

    sum_range(judge, node, &least, &most);
    holds = accepted_holds(&part->accepted, least, most);
    for (size_t i = 0; i < node->n_parts && holds < 0; i++) {
        int64_t points = judge->parts[node->parts[i]->number].points;
        enum verdict one = judge_node(judge, facts, node->parts[i]);

        if (one == VERDICT_UNSURE)
            continue;
        if ((one == VERDICT_YES) == (points > 0))
            least += points > 0 ? points : -points;
        else
            most -= points > 0 ? points : -points;
        holds = accepted_holds(&part->accepted, least, most);
    }
    return judge_verdict(holds);
}

static enum verdict judge_node(const struct judge *judge, const struct judge_facts *facts, const struct node *node)
{
    enum verdict verdict;

    if (!judge->parts[node->number].can[is_bare(facts)])
        return VERDICT_UNSURE;
    switch (node->kind) {
    case NODE_ALL:
        return judge_joined(judge, facts, node, VERDICT_NO);
    case NODE_ANY:
        return judge_joined(judge, facts, node, VERDICT_YES);
    case NODE_NOT:
        verdict = judge_node(judge, facts, node->parts[0]);
        return verdict == VERDICT_UNSURE ? VERDICT_UNSURE : verdict == VERDICT_YES ? VERDICT_NO : VERDICT_YES;
    case NODE_SOME:
    case NODE_SCORE:
        return judge_sum(judge, facts, node);
    case NODE_EVENT:
        return judge_event(judge, facts, node);
    case NODE_SEQUENCE:
        return judge_sequence(judge, facts, node);
    case NODE_SEEN:
        return judge_seen(judge, facts, node);
    case NODE_IDENTIFIED:
        return judge_identified(facts, node);
    case NODE_SEGMENT:
        if (!facts->is_member)
            return VERDICT_UNSURE;
        return judge_verdict(facts->is_member(facts->context, judge->parts[node->number].reference));
    case NODE_TRAIT:
        return judge_trait(facts, node);
    case NODE_CONSENT:
        return judge_consent(facts, node);
    case NODE_BUCKET:
        return judge_bucket(facts, node);
    }
    BUG("no such condition");
}

enum verdict judge_profile(const struct judge *judge, const struct judge_facts *facts)
{
    return judge_node(judge, facts, judge->segment->root);
}
