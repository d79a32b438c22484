/* Sequences as SQL. The one idea: walk the profile's events once in order and keep, for each step, only the newest chain that reaches it.
 *
 * That is exact. Take chains whose first event has the same texts for `same` (a group): if one reaches a step at event x and another at a later y,
 * the latter's first event is never older, by induction over the steps: what comes before y includes the newest that came before x, or something newer,
 * and the bounds (`within`, an `absent` between) admit of all earlier events exactly those behind a point that only moves forward. So the newest
 * predecessor is the best: it is the last to break `within` or an `absent`, and leaves most of the `span`. Each step is one layer of window
 * functions over the same order, so the whole costs one range of the index, a sort and a pass for each step, whatever matches.
 *
 * Where `span` or `within` bound a whole chain, only what lies so near before an event of the last step can be part of one: the oldest and the newest of those,
 * from the index alone, bound the range. What a chain needs to be judged (`absent` between its events, too) lies inside it. */
#include <string.h>

#include "segment/compile_chain.h"

static void add_same(struct chain *chain, const struct path *path)
{
    for (size_t i = 0; i < chain->n_same; i++)
        if (strcmp(chain->same[i], path->text) == 0)
            return;
    chain->paths[chain->n_same] = path;
    chain->same[chain->n_same++] = path->text;
}

static size_t same_index(const struct chain *chain, const struct step *step)
{
    size_t i = 0;

    while (strcmp(chain->same[i], step->same->text) != 0)
        i++;
    return i;
}

void chain_make(const struct node *node, struct chain *chain)
{
    size_t absent = 0;

    *chain = (struct chain){.node = node, .each_same = node->steps[0].times == 1};
    for (size_t i = 0; i < node->n_steps; i++) {
        const struct step *step = &node->steps[i];

        if (step->same)
            add_same(chain, step->same);
        else if (i > 0)
            chain->each_same = false;
        if (step->absent) {
            absent = i;
            continue;
        }
        for (int64_t k = 0; k < step->times; k++) {
            chain->links[chain->n++] = (struct link){.step = i, .of = step, .absent = absent};
            absent = 0;
        }
    }
    chain->last_absent = absent;
    chain->each_same &= chain->n_same == 1;
}

static bool is_same_name(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->items[i], name) != 0)
            return false;
    return true;
}

/* FROM … WHERE: the events of all steps; bounds of e.ts are to follow. True: as few names apart. */
static bool emit_all_names(struct compiler *compiler, const struct node *node)
{
    const char *few[NAMES_APART_MAX];
    VEC(const char *) items = VEC_INIT;
    struct names all = {.any = false};
    size_t n;

    for (size_t i = 0; i < node->n_steps; i++) {
        const struct names *names = &node->steps[i].names;

        all.any |= names->any;
        for (size_t k = 0; k < names->n; k++)
            *VEC_ADD(&items) = names->items[k];
    }
    all.items = items.at;
    all.n = items.n;
    if (!all.any && is_same_name(&all, items.at[0]))
        all.n = 1;
    n = few_names(&all, &node->window, few);
    emit(compiler, " FROM ");
    if (n) {
        emit_apart(compiler, few, n);
    } else {
        emit(compiler, "event e WHERE e.profile_id = p.profile_id AND ");
        emit_names(compiler, &all);
    }
    vec_free(&items);
    return n > 0;
}

/* Does the event e match the step, as far as one event can tell? */
static void emit_match(struct compiler *compiler, const struct chain *chain, const struct step *step)
{
    emit(compiler, "(");
    if (step->names.any)
        emit(compiler, "true");
    else
        emit_names(compiler, &step->names);
    if (step->where) {
        emit(compiler, " AND ");
        emit_predicate(compiler, step->where);
    }
    if (!step->absent && chain->last_absent)
        emit_window_end(compiler, &chain->node->window);
    emit(compiler, ")");
}

/* The events of all steps, each with what it matches (m0 …) and its texts for `same` (x0 …). The window's begin bounds them all, as an absent
 * event counts after another only; its end bounds them unless an absent looks beyond it. */
static void emit_step_events(struct compiler *compiler, const struct chain *chain)
{
    const struct node *node = chain->node;
    char value[VALUE_SQL];
    bool apart;

    emit(compiler, "SELECT e.name_id, e.ts, e.received_at, e.message_id");
    for (size_t i = 0; i < node->n_steps; i++) {
        emit(compiler, ", ");
        emit_match(compiler, chain, &node->steps[i]);
        emit(compiler, " AS m%zu", i);
    }
    for (size_t i = 0; i < chain->n_same; i++) {
        path_value(compiler, "e.properties", chain->paths[i], value);
        emit(compiler, ", value_text(%s) COLLATE \"C\" AS x%zu", value, i);
    }
    apart = emit_all_names(compiler, node);
    emit(compiler, " AND e.ts > $2 AND e.ts <= $1");
    emit_window_begin(compiler, &node->window);
    if (!chain->last_absent)
        emit_window_end(compiler, &node->window);
    if (chain->reach_us)
        emit(compiler, " AND e.ts >= b.first - make_interval(secs => $%zu)%s", param_seconds(compiler, chain->reach_us),
             chain->last_absent ? "" : " AND e.ts <= b.last");
    emit(compiler, "%s OFFSET 0", apart ? " OFFSET 0) e" : ""); /* a range of the index, then a sort: never a walk for the order */
}

/* The events of every group: f tells whether one can begin a chain there, m… now holds only where `same` holds. With one `same` on all later
 * steps an event belongs to the one group of its text; else each is taken once for every group. */
static void emit_grouped(struct compiler *compiler, const struct chain *chain)
{
    const struct node *node = chain->node;
    bool cross = chain->n_same && !chain->each_same;

    if (!chain->n_same) {
        emit(compiler, "SELECT *, m0 AS f FROM (");
        emit_step_events(compiler, chain);
        emit(compiler, ") r");
        return;
    }
    if (cross) {
        emit(compiler, "WITH r AS MATERIALIZED (");
        emit_step_events(compiler, chain);
        emit(compiler, ") ");
    }
    emit(compiler, "SELECT r.name_id, r.ts, r.received_at, r.message_id, r.m0, r.m0");
    for (size_t i = 0; cross && i < chain->n_same; i++)
        emit(compiler, " AND r.x%zu IS NOT DISTINCT FROM k.x%zu", i, i);
    emit(compiler, " AS f");
    for (size_t i = 1; i < node->n_steps; i++) {
        emit(compiler, ", r.m%zu", i);
        if (node->steps[i].same && cross)
            emit(compiler, " AND r.x%zu = k.x%zu", same_index(chain, &node->steps[i]), same_index(chain, &node->steps[i]));
        else if (node->steps[i].same)
            emit(compiler, " AND r.x0 IS NOT NULL");
        emit(compiler, " AS m%zu", i);
    }
    for (size_t i = 0; i < chain->n_same; i++)
        emit(compiler, ", %s.x%zu", cross ? "k" : "r", i);
    emit(compiler, " FROM ");
    if (!cross) {
        emit(compiler, "(");
        emit_step_events(compiler, chain);
        emit(compiler, ") r");
        return;
    }
    emit(compiler, "(SELECT DISTINCT ");
    for (size_t i = 0; i < chain->n_same; i++)
        emit(compiler, "%sx%zu", i ? ", " : "", i);
    emit(compiler, " FROM r WHERE m0) k, r");
}

/* A group's events before (or, from the end, after) the one at hand. */
static void emit_frame(struct compiler *compiler, const struct chain *chain, const char *order)
{
    emit(compiler, "(");
    for (size_t i = 0; i < chain->n_same; i++)
        emit(compiler, "%sx%zu", i ? ", " : "PARTITION BY ", i);
    emit(compiler, " ORDER BY ts%s, received_at%s, message_id%s ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)", order, order, order);
}

static bool is_numbered(const struct chain *chain)
{
    if (chain->traced)
        return true;
    for (size_t i = 0; i < chain->n; i++)
        if (chain->links[i].absent)
            return true;
    return false;
}

/* rn: its place in the order; gone: the ts of the next event that the last absent forbids; t0: its ts where a chain can begin; s0: the same. */
void emit_chain_events(struct compiler *compiler, const struct chain *chain)
{
    emit(compiler, "SELECT *, CASE WHEN f THEN ts END AS t0");
    if (chain->node->span_us)
        emit(compiler, ", CASE WHEN f THEN ts END AS s0");
    if (is_numbered(chain))
        emit(compiler, ", row_number() OVER w AS rn");
    if (chain->traced)
        emit(compiler, ", CASE WHEN f THEN ARRAY[row_number() OVER w] END AS c0");
    if (chain->last_absent) {
        emit(compiler, ", min(ts) FILTER (WHERE m%zu) OVER ", chain->last_absent);
        emit_frame(compiler, chain, " DESC");
        emit(compiler, " AS gone");
    }
    emit(compiler, " FROM (");
    emit_grouped(compiler, chain);
    emit(compiler, ") g WHERE f");
    for (size_t i = chain->node->steps[0].times > 1 ? 0 : 1; i < chain->node->n_steps; i++)
        emit(compiler, " OR m%zu", i);
    if (is_numbered(chain)) {
        emit(compiler, " WINDOW w AS ");
        emit_frame(compiler, chain, "");
    }
}

/* Does the newest chain to the link before reach link i at this event? */
static void emit_reached(struct compiler *compiler, const struct chain *chain, size_t i)
{
    const struct link *link = &chain->links[i];

    emit(compiler, "CASE WHEN m%zu AND ", link->step);
    if (link->of->within_us)
        emit(compiler, "ts <= max(t%zu) OVER w + make_interval(secs => $%zu)", i - 1, param_seconds(compiler, link->of->within_us));
    else
        emit(compiler, "max(t%zu) OVER w IS NOT NULL", i - 1);
    if (link->absent)
        emit(compiler, " AND coalesce(max(rn) FILTER (WHERE m%zu) OVER w, 0) <= max(rn) FILTER (WHERE t%zu IS NOT NULL) OVER w",
             link->absent, i - 1);
}

/* One layer for each link: t: its ts where a chain reaches it, s: the ts that this chain begins with. */
void emit_chain_links(struct compiler *compiler, const struct chain *chain, size_t i)
{
    if (i == 0 && chain->traced) {
        emit(compiler, "SELECT * FROM q");
        return;
    }
    if (i == 0) {
        emit_chain_events(compiler, chain);
        return;
    }
    emit(compiler, "SELECT *, ");
    emit_reached(compiler, chain, i);
    emit(compiler, " THEN ts END AS t%zu", i);
    if (chain->node->span_us) {
        emit(compiler, ", ");
        emit_reached(compiler, chain, i);
        emit(compiler, " THEN max(s%zu) OVER w END AS s%zu", i - 1, i);
    }
    if (chain->traced) { /* of arrays the one that begins with the newest is the greatest */
        emit(compiler, ", ");
        emit_reached(compiler, chain, i);
        emit(compiler, " THEN rn || max(c%zu) OVER w END AS c%zu", i - 1, i);
    }
    emit(compiler, " FROM (");
    emit_chain_links(compiler, chain, i - 1);
    emit(compiler, ") l WINDOW w AS ");
    emit_frame(compiler, chain, "");
}

/* How long a chain can be at most, 0: there is no bound. */
static int64_t reach(const struct chain *chain)
{
    int64_t sum_us = 0;

    for (size_t i = 1; i < chain->n; i++) {
        if (!chain->links[i].of->within_us)
            return chain->node->span_us;
        sum_us += chain->links[i].of->within_us;
    }
    return chain->node->span_us && chain->node->span_us < sum_us ? chain->node->span_us : sum_us;
}

/* The oldest and the newest event that a chain can end with: often few or none, so that most of the other events need not be looked at. */
static void emit_ends(struct compiler *compiler, const struct chain *chain)
{
    const struct window *window = &chain->node->window;

    emit(compiler, "(SELECT min(l.ts) AS first, max(l.ts) AS last FROM (SELECT e.ts FROM event e WHERE e.profile_id = p.profile_id AND ");
    emit_names(compiler, &chain->links[chain->n - 1].of->names);
    emit(compiler, " AND e.ts > $2 AND e.ts <= $1");
    emit_window_begin(compiler, window);
    emit_window_end(compiler, window);
    emit(compiler, " OFFSET 0) l) b, LATERAL ");
}

void emit_chains(struct compiler *compiler, const struct node *node)
{
    const struct step *last = &node->steps[node->n_steps - 1];
    struct chain chain;

    chain_make(node, &chain);
    chain.reach_us = reach(&chain);
    emit(compiler, " FROM ");
    if (chain.reach_us)
        emit_ends(compiler, &chain);
    emit(compiler, "(");
    emit_chain_links(compiler, &chain, chain.n - 1);
    emit(compiler, ") c WHERE t%zu IS NOT NULL", chain.n - 1);
    if (node->span_us)
        emit(compiler, " AND ts <= s%zu + make_interval(secs => $%zu)", chain.n - 1, param_seconds(compiler, node->span_us));
    if (last->absent && last->for_us) {
        size_t length = param_seconds(compiler, last->for_us);

        emit(compiler, " AND ts <= %s - make_interval(secs => $%zu) AND (gone IS NULL OR gone > ts + make_interval(secs => $%zu))",
             compiler->now, length, length);
    } else if (last->absent) {
        emit(compiler, " AND gone IS NULL");
    }
}

void emit_sequence(struct compiler *compiler, const struct node *node)
{
    emit(compiler, "EXISTS (SELECT");
    emit_chains(compiler, node);
    emit(compiler, " OFFSET 0)");
}
