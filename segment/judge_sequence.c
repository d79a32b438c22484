/* Sequences for the judge. The one idea: the walk of compile_sequence.c, which keeps the newest chain to each link, done twice with what names and
 * times tell. First leniently: what may be in the window is, `where` and `same` always hold, an absence that has them always does, and of
 * events of one instant every order is tried. Whatever makes the sequence true is such a chain, so without one it is false. Then, where
 * no event step has `where` or `same`, strictly: what surely is in the window, instants that are all different, and absences of all events of
 * the names. Such a chain makes it true. */
#include "segment/judge_parts.h"

#include "server/base/alloc.h"

enum { NAMES_MAX = 64, LINKS_MAX = SEQUENCE_STEPS_MAX * SEQUENCE_TIMES_MAX };
#define OTHER_NAME (UINT64_C(1) << (NAMES_MAX - 1)) /* of "*" alone */

static bool has(const struct judge_names *names, int32_t name_id)
{
    for (size_t i = 0; i < names->n; i++)
        if (names->ids[i] == name_id)
            return true;
    return names->any;
}

static uint64_t bit_of(const struct judge_names *names, int32_t name_id)
{
    for (size_t i = 0; i < names->n; i++)
        if (names->ids[i] == name_id)
            return UINT64_C(1) << i;
    return OTHER_NAME;
}

/* --- Making it ready --- */

static void unite(struct judge_names *to, const struct judge_names *names)
{
    to->any |= names->any;
    for (size_t i = 0; i < names->n; i++) {
        size_t at = to->n;

        if (has(&(struct judge_names){.ids = to->ids, .n = to->n}, names->ids[i]))
            continue;
        to->ids = mem_grow(to->ids, ++to->n, sizeof *to->ids);
        for (; at > 0 && to->ids[at - 1] > names->ids[i]; at--)
            to->ids[at] = to->ids[at - 1];
        to->ids[at] = names->ids[i];
    }
}

static uint64_t bits_of(const struct judge_names *all, const struct judge_names *names)
{
    uint64_t bits = 0;

    if (names->any)
        return UINT64_MAX;
    for (size_t i = 0; i < names->n; i++)
        bits |= bit_of(all, names->ids[i]);
    return bits;
}

static void add_links(struct judge_chain *chain, const struct step *step, const struct judge_names *names)
{
    chain->plain &= !step->where && !step->same;
    for (int64_t i = 0; i < step->times; i++) {
        chain->links = mem_grow(chain->links, chain->n + 1, sizeof *chain->links);
        chain->links[chain->n++] =
            (struct judge_link){.within_us = step->within_us, .names = bits_of(&chain->names, names), .absent = chain->last};
        chain->last = (struct judge_absence){.names = NULL};
    }
}

struct judge_chain *judge_chain_new(const struct node *node, struct judge_names *names)
{
    struct judge_chain *chain = mem_zalloc(sizeof *chain);

    *chain = (struct judge_chain){.plain = true, .step_names = names, .n_steps = node->n_steps};
    for (size_t i = 0; i < node->n_steps; i++)
        if (!node->steps[i].absent)
            unite(&chain->names, &names[i]);
    for (size_t i = 0; i < node->n_steps; i++) {
        const struct step *step = &node->steps[i];

        if (step->absent)
            chain->last = (struct judge_absence){.names = &names[i], .for_us = step->for_us, .plain = !step->where && !step->same};
        else
            add_links(chain, step, &names[i]);
    }
    if (chain->names.n < NAMES_MAX)
        return chain;
    judge_chain_free(chain);
    return NULL;
}

void judge_chain_free(struct judge_chain *chain)
{
    if (!chain)
        return;
    for (size_t i = 0; i < chain->n_steps; i++)
        free(chain->step_names[i].ids);
    free(chain->step_names);
    free(chain->names.ids);
    free(chain->links);
    free(chain);
}

/* --- The walk --- */

/* The newest chain to a link. */
struct reached {
    int64_t us;       /* its last event; INSTANT_NONE: no chain */
    int64_t begin_us; /* its first */
    int32_t name_id;  /* of the last, in the strict walk */
};

/* One name's events. */
struct lane {
    const struct judge_event *at;
    const struct judge_event *end;
    uint64_t name;
};

struct walk {
    const struct judge_facts *facts;
    const struct judge_chain *chain;
    const struct node *node;
    bool strict;
    struct lane lanes[NAMES_MAX];
    size_t n_lanes;
    struct reached reached[LINKS_MAX];
};

/* The events of one instant. */
struct instant {
    int64_t us;
    uint64_t names;
    size_t n;
    int32_t name_id; /* of one */
};

/* False when there are too many names to tell. *ret_names: those that there are. */
static bool find_lanes(struct walk *walk, struct judge_span span, uint64_t *ret_names)
{
    struct judge_walk ranges = {.facts = walk->facts, .names = &walk->chain->names, .span = span};
    const struct judge_event *events = walk->facts->events;

    walk->n_lanes = 0;
    *ret_names = 0;
    while (judge_next(&ranges)) {
        uint64_t name = bit_of(&walk->chain->names, events[ranges.begin].name_id);

        if (walk->n_lanes == NAMES_MAX)
            return false;
        walk->lanes[walk->n_lanes++] = (struct lane){.at = &events[ranges.begin], .end = &events[ranges.end], .name = name};
        *ret_names |= name;
    }
    return true;
}

static bool next_instant(struct walk *walk, struct instant *ret_instant)
{
    struct instant found = {.us = INT64_MAX};
    bool any = false;

    for (size_t i = 0; i < walk->n_lanes; i++) {
        const struct lane *lane = &walk->lanes[i];

        if (lane->at < lane->end && (!any || lane->at->ts_us < found.us)) {
            found.us = lane->at->ts_us;
            any = true;
        }
    }
    for (size_t i = 0; i < walk->n_lanes; i++) {
        struct lane *lane = &walk->lanes[i];

        for (; lane->at < lane->end && lane->at->ts_us == found.us; lane->at++) {
            found.name_id = lane->at->name_id;
            found.names |= lane->name;
            found.n++;
        }
    }
    *ret_instant = found;
    return any;
}

/* Lenient: is there surely an event that the absence forbids, whatever its properties? It is strictly between, so it is in order. */
static bool surely_broken(const struct walk *walk, const struct judge_absence *absence, int64_t after_us, int64_t before_us)
{
    return absence->plain && after_us < before_us &&
           judge_count(walk->facts, absence->names, (struct judge_span){after_us + 1, before_us}) > 0;
}

/* Strict: is there surely none? Of the `own` events at the two ends these names have so many. */
static bool surely_kept(const struct walk *walk, const struct judge_absence *absence, struct judge_span span, int64_t own)
{
    return judge_count(walk->facts, absence->names, span) == own;
}

static bool follows(const struct walk *walk, size_t i, const struct instant *instant)
{
    const struct judge_link *link = &walk->chain->links[i];
    const struct reached *before = &walk->reached[i - 1];

    if (before->us == INSTANT_NONE || (link->within_us && instant->us - before->us > link->within_us))
        return false;
    if (!link->absent.names)
        return true;
    if (!walk->strict)
        return !surely_broken(walk, &link->absent, before->us, instant->us);
    return surely_kept(walk, &link->absent, (struct judge_span){before->us, instant->us + 1},
                       has(link->absent.names, before->name_id) + has(link->absent.names, instant->name_id));
}

/* Does a chain that ends here make the sequence true, as far as is asked? */
static bool completes(const struct walk *walk, const struct instant *instant)
{
    const struct judge_absence *last = &walk->chain->last;
    int64_t end_us = last->for_us ? instant->us + last->for_us : walk->facts->as_of_us;

    if (walk->node->span_us && instant->us - walk->reached[walk->chain->n - 1].begin_us > walk->node->span_us)
        return false;
    if (!last->names)
        return true;
    if (end_us > walk->facts->as_of_us)
        return false;
    if (!walk->strict)
        return !surely_broken(walk, last, instant->us, end_us + 1);
    return surely_kept(walk, last, (struct judge_span){instant->us, end_us + 1}, has(last->names, instant->name_id));
}

/* Each chain may grow by one event. From the last link to the first, so that none grows by two. */
static bool grow(struct walk *walk, const struct instant *instant)
{
    for (size_t i = walk->chain->n; i-- > 0;) {
        if (!(walk->chain->links[i].names & instant->names) || (i > 0 && !follows(walk, i, instant)))
            continue;
        walk->reached[i] =
            (struct reached){.us = instant->us, .begin_us = i ? walk->reached[i - 1].begin_us : instant->us, .name_id = instant->name_id};
        if (i + 1 == walk->chain->n && completes(walk, instant))
            return true;
    }
    return false;
}

/* Is there a chain? */
static bool find_chain(struct walk *walk)
{
    struct instant instant;

    for (size_t i = 0; i < walk->chain->n; i++)
        walk->reached[i].us = INSTANT_NONE;
    while (next_instant(walk, &instant)) {
        /* Events of one instant, in whatever order, lengthen a chain by as many links as they are; the strict walk passes them over. */
        size_t times = walk->strict ? instant.n == 1 : instant.n < walk->chain->n ? instant.n : walk->chain->n;

        for (; times > 0; times--)
            if (grow(walk, &instant))
                return true;
    }
    return false;
}

enum verdict judge_sequence(const struct judge *judge, const struct judge_facts *facts, const struct node *node)
{
    const struct judge_chain *chain = judge->parts[node->number].chain;
    struct judge_window window = judge_window(judge, facts, &node->window);
    struct walk walk;
    uint64_t names;

    if (!chain)
        return VERDICT_UNSURE;
    walk.facts = facts;
    walk.chain = chain;
    walk.node = node;
    walk.strict = false;
    if (!find_lanes(&walk, window.may, &names))
        return VERDICT_UNSURE;
    for (size_t i = 0; i < chain->n; i++)
        if (!(chain->links[i].names & names))
            return VERDICT_NO;
    if (!find_chain(&walk))
        return VERDICT_NO;
    walk.strict = true;
    if (!chain->plain || !find_lanes(&walk, window.sure, &names))
        return VERDICT_UNSURE;
    return find_chain(&walk) ? VERDICT_YES : VERDICT_UNSURE;
}
