/* How far a person got in a sequence, for HEAD_WHY. The one idea: the chains are those of compile_sequence.c, which keep the newest one to each link;
 * here each also carries the numbers of its events, so the one that got furthest can be shown step by step, with what it waits for or what broke it.
 * Of chains that got equally far the one is shown that makes the sequence true, else the one that will first, else the newest. */
#include "segment/compile_chain.h"

/* Where a step's links begin, and how many it has; of an absent step the link behind it. */
struct place {
    size_t at;
    size_t n;
};

static struct place find_place(const struct chain *chain, size_t step)
{
    struct place place = {.at = chain->n};

    for (size_t i = chain->n; i-- > 0;) {
        const struct link *link = &chain->links[i];

        if ((chain->node->steps[step].absent ? link->absent : link->step) == step)
            place = (struct place){.at = i, .n = place.n + 1};
    }
    return place;
}

/* n: how many links the newest chain reaches at the event; c: its events; s: the ts that it begins with. */
static void emit_lengths(struct compiler *compiler, const struct chain *chain)
{
    size_t span = chain->node->span_us ? param_seconds(compiler, chain->node->span_us) : 0;

    emit(compiler, "SELECT l.*, CASE");
    for (size_t i = chain->n; i-- > 0;) {
        emit(compiler, " WHEN t%zu IS NOT NULL", i);
        if (span)
            emit(compiler, " AND ts <= s%zu + make_interval(secs => $%zu)", i, span);
        emit(compiler, " THEN %zu", i + 1);
    }
    emit(compiler, " END AS n FROM (");
    emit_chain_links(compiler, chain, chain->n - 1);
    emit(compiler, ") l");
}

static void emit_of_length(struct compiler *compiler, const struct chain *chain, const char *what)
{
    emit(compiler, ", CASE n");
    for (size_t i = 0; i < chain->n; i++)
        emit(compiler, " WHEN %zu THEN %s%zu", i + 1, what, i);
    emit(compiler, " END AS %s", what);
}

/* 2: the sequence is true by it, 1: it will be when time has passed, 0: it is not. */
static void emit_state(struct compiler *compiler, const struct chain *chain)
{
    int64_t for_us = chain->node->steps[chain->node->n_steps - 1].for_us;

    emit(compiler, ", CASE WHEN n < %zu", chain->n);
    if (chain->last_absent && for_us) {
        size_t length = param_seconds(compiler, for_us);

        emit(compiler, " OR gone <= ts + make_interval(secs => $%zu) THEN 0 WHEN ts > $1 - make_interval(secs => $%zu) THEN 1 ELSE 2 END",
             length, length);
    } else {
        emit(compiler, "%s THEN 0 ELSE 2 END", chain->last_absent ? " OR gone IS NOT NULL" : "");
    }
    emit(compiler, " AS state");
}

static void emit_furthest(struct compiler *compiler, const struct chain *chain)
{
    emit(compiler, "SELECT * FROM (SELECT d.*");
    emit_of_length(compiler, chain, "c");
    if (chain->node->span_us)
        emit_of_length(compiler, chain, "s");
    emit_state(compiler, chain);
    emit(compiler, " FROM (");
    emit_lengths(compiler, chain);
    emit(compiler, ") d WHERE n > 0) d ORDER BY n DESC, state DESC, CASE WHEN state = 1 THEN ts END, ts DESC, received_at DESC,"
                   " message_id DESC LIMIT 1");
}

/* Of the chain's group. */
static void emit_group(struct compiler *compiler, const struct chain *chain)
{
    for (size_t i = 0; i < chain->n_same; i++)
        emit(compiler, " AND q.x%zu IS NOT DISTINCT FROM b.x%zu", i, i);
}

static void emit_named(struct compiler *compiler)
{
    emit(compiler, "jsonb_agg(jsonb_build_object('name', (SELECT name FROM event_name WHERE name_id = q.name_id), 'ts', ");
    emit_iso(compiler, "q.ts");
    emit(compiler, ") ORDER BY q.rn)");
}

static void emit_step(struct compiler *compiler, const char *reached, const struct buf *events, const char *until)
{
    emit(compiler, "'reached', coalesce(%s, false), 'events', coalesce(%s, '[]'), 'until', ", reached, buf_text(events));
    if (until)
        emit_iso(compiler, until);
    else
        emit(compiler, "NULL");
}

/* The next event of the step must come by then, if the chain is there. */
static void emit_event_step(struct compiler *compiler, const struct chain *chain, size_t i)
{
    const struct step *step = &chain->node->steps[i];
    struct place place = find_place(chain, i);
    AUTO_BUF struct buf events = BUF_INIT(SQL_TEXT_MAX), until = BUF_INIT(SQL_TEXT_MAX), reached = BUF_INIT(VALUE_SQL);
    struct buf *out = compiler->out;
    bool bounded = step->within_us || chain->node->span_us;

    buf_addf(&reached, "b.n >= %zu", place.at + place.n);
    compiler->out = &events;
    emit(compiler, "(SELECT ");
    emit_named(compiler);
    emit(compiler, " FROM q WHERE q.rn = ANY (b.c[greatest(b.n - %zu, 1):b.n - %zu])", place.at + place.n - 1, place.at);
    emit_group(compiler, chain);
    emit(compiler, ")");
    compiler->out = &until;
    if (bounded) {
        emit(compiler, "CASE WHEN b.n >= %zu AND b.n < %zu THEN least(NULL", place.at, place.at + place.n);
        if (step->within_us)
            emit(compiler, ", b.ts + make_interval(secs => $%zu)", param_seconds(compiler, step->within_us));
        if (chain->node->span_us)
            emit(compiler, ", b.s + make_interval(secs => $%zu)", param_seconds(compiler, chain->node->span_us));
        emit(compiler, ") END");
    }
    compiler->out = out;
    emit_step(compiler, buf_text(&reached), &events, bounded ? buf_text(&until) : NULL);
}

/* An absence is asked after the chain's last event: the first event that ends it is shown. */
static void emit_absent_step(struct compiler *compiler, const struct chain *chain, size_t i)
{
    const struct step *step = &chain->node->steps[i];
    size_t at = find_place(chain, i).at, length = step->for_us ? param_seconds(compiler, step->for_us) : 0;
    AUTO_BUF struct buf events = BUF_INIT(SQL_TEXT_MAX), until = BUF_INIT(VALUE_SQL), reached = BUF_INIT(SQL_TEXT_MAX);
    struct buf *out = compiler->out;

    compiler->out = &events;
    emit(compiler, "(SELECT ");
    emit_named(compiler);
    emit(compiler, " FROM (SELECT * FROM q WHERE b.n = %zu AND q.m%zu AND q.rn > b.c[1]", at, i);
    emit_group(compiler, chain);
    if (length)
        emit(compiler, " AND q.ts <= b.ts + make_interval(secs => $%zu)", length);
    emit(compiler, " ORDER BY q.rn LIMIT 1) q)");
    compiler->out = out;
    if (at == chain->n)
        buf_addf(&reached, "b.state = 2");
    else
        buf_addf(&reached, "b.n > %zu OR b.n = %zu AND %s IS NULL", at, at, buf_text(&events));
    if (length)
        buf_addf(&until, "CASE WHEN b.n = %zu THEN b.ts + make_interval(secs => $%zu) END", at, length);
    emit_step(compiler, buf_text(&reached), &events, length ? buf_text(&until) : NULL);
}

void emit_steps(struct compiler *compiler, const struct node *node)
{
    struct chain chain;

    chain_make(node, &chain);
    chain.traced = true;
    emit(compiler, "(WITH q AS MATERIALIZED (");
    emit_chain_events(compiler, &chain);
    emit(compiler, "), b AS MATERIALIZED (");
    emit_furthest(compiler, &chain);
    emit(compiler, ") SELECT jsonb_build_array(");
    for (size_t i = 0; i < node->n_steps; i++) {
        emit(compiler, "%sjsonb_build_object('step', %zu, ", i ? ", " : "", i);
        (node->steps[i].absent ? emit_absent_step : emit_event_step)(compiler, &chain, i);
        emit(compiler, ")");
    }
    emit(compiler, ") FROM (SELECT) one LEFT JOIN b ON true)");
}
