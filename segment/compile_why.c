/* HEAD_WHY: one row for each node of the tree, and of those of the segments that it refers to. The one idea: everything is the same tree compiled
 * again: `holds` as it is, `measured` without its comparators, and `changes` with a later instant in the place of T, tried at each instant at which
 * time can move the profile, the earliest first. A segment referred to is tried so once, and then known by the instants at which it changes
 * sides, so that chains of references cost their sum and not their product. Dear, and for one profile only. */
#include "segment/segment_why.h"

#include <string.h>

#include "segment/compile.h"

enum { WHY_EVENTS_MAX = 5, WHY_DAYS_MAX = 800, WHY_ROWS_MAX = 200 };

void emit_iso(struct compiler *compiler, const char *instant)
{
    emit(compiler, "to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')", instant);
}

/* --- What was measured --- */

static void emit_measured_event(struct compiler *compiler, const struct node *node)
{
    static const char *const aggregates[] = {
        [MEASURE_COUNT] = "count(*)",
        [MEASURE_SUM] = "coalesce(sum(value_number(m.v)), 0)",
        [MEASURE_AVG] = "trim_scale(avg(value_number(m.v)))",
        [MEASURE_MIN] = "min(value_number(m.v))",
        [MEASURE_MAX] = "max(value_number(m.v))",
        [MEASURE_DISTINCT] = "count(DISTINCT value_text(m.v) COLLATE \"C\")",
    };
    static const char *const periods[] = {[MEASURE_DAYS] = "day", [MEASURE_WEEKS] = "week", [MEASURE_MONTHS] = "month"};

    if (node->measure >= MEASURE_DAYS)
        emit(compiler, "(SELECT to_jsonb(count(DISTINCT date_trunc('%s', m.v AT TIME ZONE $%zu)))", periods[node->measure],
             param_zone(compiler));
    else
        emit(compiler, "(SELECT to_jsonb(%s)", aggregates[node->measure]);
    emit_values(compiler, node);
    emit(compiler, ")");
}

static void emit_measured_trait(struct compiler *compiler, const struct node *node)
{
    char value[VALUE_SQL];

    if (!node->path->many) {
        path_value(compiler, "p.traits", node->path, value);
        emit(compiler, "%s", value);
        return;
    }
    emit(compiler, "(SELECT jsonb_agg(v.v) FROM (SELECT ");
    {
        AUTO_BUF struct buf rows = BUF_INIT(SQL_TEXT_MAX);
        struct buf *out = compiler->out;

        compiler->out = &rows;
        emit_path_rows(compiler, "p.traits", node->path, value);
        compiler->out = out;
        emit(compiler, "%s AS v FROM %s) v WHERE jsonb_typeof(v.v) <> 'null')", value, buf_text(&rows));
    }
}

static bool emit_measured(struct compiler *compiler, const struct node *node)
{
    switch (node->kind) {
    case NODE_ALL:
    case NODE_ANY:
    case NODE_NOT:
    case NODE_SEQUENCE:
    case NODE_SEGMENT:
        emit(compiler, "NULL::jsonb");
        return true;
    case NODE_SOME:
    case NODE_SCORE:
        emit(compiler, "to_jsonb(");
        if (!emit_sum(compiler, node))
            return false;
        emit(compiler, ")");
        return true;
    case NODE_EVENT:
        emit_measured_event(compiler, node);
        return true;
    case NODE_TRAIT:
        emit_measured_trait(compiler, node);
        return true;
    case NODE_SEEN: {
        AUTO_BUF struct buf date = BUF_INIT(4 * VALUE_SQL);
        struct buf *out = compiler->out;

        compiler->out = &date;
        emit_person_date(compiler, &node->date);
        compiler->out = out;
        emit(compiler, "to_jsonb(");
        emit_iso(compiler, buf_text(&date));
        emit(compiler, ")");
        return true;
    }
    case NODE_IDENTIFIED:
        emit(compiler, "to_jsonb(p.user_id IS NOT NULL)");
        return true;
    case NODE_CONSENT:
        emit(compiler, "to_jsonb(");
        emit_consent_state(compiler, node);
        emit(compiler, ")");
        return true;
    case NODE_BUCKET:
        emit(compiler, "to_jsonb(round(bucket_of($%zu, p.profile_id) / 100.0, 2))", param_text(compiler, node->key));
        return true;
    }
    BUG("no such condition");
}

/* --- What counted --- */

static void emit_counted(struct compiler *compiler, const struct node *node)
{
    struct node plain = *node;
    char value[VALUE_SQL];

    if (node->kind != NODE_EVENT && node->kind != NODE_SEQUENCE) {
        emit(compiler, "NULL::jsonb");
        return;
    }
    emit(compiler, "(SELECT coalesce(jsonb_agg(jsonb_build_object('name', n.name, 'ts', ");
    emit_iso(compiler, "n.ts");
    emit(compiler, ") ORDER BY n.ts DESC, n.received_at DESC, n.message_id DESC), '[]') FROM (SELECT ");
    emit(compiler, "(SELECT name FROM event_name WHERE name_id = f.name_id) AS name, f.* FROM (SELECT ");
    plain.path = NULL;
    if (node->kind == NODE_EVENT) {
        emit(compiler, "e.name_id, e.ts, e.received_at, e.message_id");
        emit_events(compiler, &plain, value);
    } else {
        emit(compiler, "name_id, ts, received_at, message_id");
        emit_chains(compiler, node);
    }
    emit(compiler, " OFFSET 0) f ORDER BY f.ts DESC, f.received_at DESC, f.message_id DESC LIMIT %d) n)", WHY_EVENTS_MAX);
}

/* --- When it changes --- */

static void emit_expiries(struct compiler *compiler, int64_t after_us, const struct names *names)
{
    emit(compiler, " UNION ALL SELECT e.ts + make_interval(secs => $%zu) FROM event e WHERE e.profile_id = p.profile_id AND ",
         param_seconds(compiler, after_us));
    emit_names(compiler, names);
    emit(compiler, " AND e.ts > $2 AND e.ts <= $1");
}

static void emit_window_instants(struct compiler *compiler, const struct window *window, const struct names *names)
{
    if (window->kind == WINDOW_LAST) {
        emit_expiries(compiler, window->last_us, names);
        if (window->skip_us)
            emit_expiries(compiler, window->skip_us, names);
    } else if (window->kind == WINDOW_CALENDAR) {
        emit(compiler, " UNION ALL SELECT period_start($1, '%s', i, $%zu) FROM generate_series(1, 2) AS i", compile_period(window->period),
             param_zone(compiler));
    }
}

static void emit_trait_instants(struct compiler *compiler, const struct node *node, const struct test *test)
{
    AUTO_BUF struct buf values = BUF_INIT(SQL_TEXT_MAX);
    struct buf *out = compiler->out;
    char value[VALUE_SQL];
    size_t zone;

    if (test->op == OP_ANNIVERSARY_IN) {
        emit(compiler, " UNION ALL SELECT period_start($1, 'day', i, $%zu) FROM generate_series(1, %d) AS i", param_zone(compiler),
             WHY_DAYS_MAX);
        return;
    }
    compiler->out = &values;
    if (node->path->many)
        emit_path_rows(compiler, "p.traits", node->path, value);
    else
        path_value(compiler, "p.traits", node->path, value);
    compiler->out = out;
    zone = param_zone(compiler);
    emit(compiler, " UNION ALL SELECT value_instant(%s, $%zu) + i * make_interval(secs => $%zu) FROM generate_series(%s) AS i%s%s", value,
         zone, param_seconds(compiler, test->operands->us), test->op == OP_WITHIN_LAST ? "0, 1" : "-1, 0", node->path->many ? ", " : "",
         buf_text(&values));
}

static const struct inlined *find_reference(const struct compiler *compiler, const struct node *node)
{
    for (size_t i = 0; node->kind == NODE_SEGMENT && compiler->others && i < compiler->inlined.n; i++)
        if (strcmp(compiler->inlined.at[i].key, node->key) == 0)
            return &compiler->inlined.at[i];
    return NULL;
}

/* Every instant, null or past ones among them, at which time alone can change a node below this one. */
static void emit_instants(struct compiler *compiler, const struct node *node)
{
    const struct step *last = node->n_steps ? &node->steps[node->n_steps - 1] : NULL;
    const struct inlined *reference = find_reference(compiler, node);

    for (size_t i = 0; i < node->n_parts; i++)
        emit_instants(compiler, node->parts[i]);
    if (reference)
        emit(compiler, " UNION ALL SELECT unnest(s%zu.flips)", reference->number);
    if (node->kind == NODE_EVENT)
        emit_window_instants(compiler, &node->window, &node->names);
    for (size_t i = 0; i < node->n_steps; i++)
        if (!node->steps[i].absent)
            emit_window_instants(compiler, &node->window, &node->steps[i].names);
    if (last && last->for_us)
        emit_expiries(compiler, last->for_us, &last[-1].names);
    for (size_t i = 0; i < node->tests.n; i++) {
        const struct test *test = &node->tests.items[i];

        if (node->kind == NODE_TRAIT && (test->op == OP_WITHIN_LAST || test->op == OP_WITHIN_NEXT || test->op == OP_ANNIVERSARY_IN))
            emit_trait_instants(compiler, node, test);
        if (node->kind == NODE_SEEN && test->op == OP_WITHIN_LAST) {
            emit(compiler, " UNION ALL SELECT ");
            emit_person_date(compiler, &node->date);
            emit(compiler, " + make_interval(secs => $%zu)", param_seconds(compiler, test->operands->us));
        }
    }
}

/* For each segment referred to below the node: before and behind its number. */
static void emit_horizons(struct compiler *compiler, const struct node *node, const char *before, const char *behind)
{
    const struct inlined *reference = find_reference(compiler, node);

    if (reference)
        emit(compiler, "%ss%zu.until%s", before, reference->number, behind);
    for (size_t i = 0; i < node->n_parts; i++)
        emit_horizons(compiler, node->parts[i], before, behind);
}

/* SELECT … AS t: the instants to come at which time alone can change the node, each once, the earliest first, as far as those of the segments
 * referred to are known. */
static void emit_candidates(struct compiler *compiler, const struct node *node, const char *max)
{
    emit(compiler, "SELECT DISTINCT i.t FROM (SELECT NULL::timestamptz AS t");
    emit_instants(compiler, node);
    emit(compiler, ") i WHERE i.t > $1 AND i.t < least(timestamptz 'infinity'");
    emit_horizons(compiler, node, ", ", "");
    emit(compiler, ") ORDER BY i.t LIMIT %s", max);
}

static bool emit_condition_at(struct compiler *compiler, const struct node *node, const char *now)
{
    bool ok;

    compiler->now = now;
    ok = emit_condition(compiler, node);
    compiler->now = "$1";
    return ok;
}

bool emit_foreseen(struct compiler *compiler, const struct node *root, const char *condition)
{
    emit(compiler,
         "h.holds, (SELECT array_agg(w.t ORDER BY w.t) FROM (SELECT l.t, l.holds, lag(l.holds, 1, h.holds) OVER (ORDER BY l.t) AS before"
         " FROM (SELECT later.t, (");
    if (!emit_condition_at(compiler, root, "later.t"))
        return false;
    emit(compiler, ") AS holds FROM unnest(i.instants[1:$4]) AS later(t) OFFSET 0) l) w WHERE w.holds <> w.before) AS flips,"
                   " least(i.instants[$4 + 1]");
    emit_horizons(compiler, root, ", ", "");
    emit(compiler, ") AS until FROM (SELECT %s AS holds OFFSET 0) h, LATERAL (SELECT array_agg(c.t) AS instants FROM (", condition);
    emit_candidates(compiler, root, "$4 + 1");
    emit(compiler, ") c OFFSET 0) i");
    return true;
}

static bool emit_changes(struct compiler *compiler, const struct node *node)
{
    if (!compiler->foresees) {
        emit(compiler, "NULL::timestamptz");
        return true;
    }
    emit(compiler, "(SELECT later.t FROM (");
    emit_candidates(compiler, node, "$4");
    emit(compiler, ") later WHERE (");
    if (!emit_condition_at(compiler, node, "later.t"))
        return false;
    emit(compiler, ") <> (");
    if (!emit_condition(compiler, node))
        return false;
    emit(compiler, ") ORDER BY later.t LIMIT 1)");
    return true;
}

/* --- The rows --- */

static void emit_progress(struct compiler *compiler, const struct node *node)
{
    if (node->kind == NODE_SEQUENCE && compiler->foresees)
        emit_steps(compiler, node);
    else
        emit(compiler, "NULL::jsonb");
}

/* The rows of a tree, that of the segment with the number (0: the definition itself); key: an expression. */
static bool emit_rows(struct compiler *compiler, const struct node *node, size_t number, const char *key)
{
    emit(compiler, "%s(%zu, %zu, ", number || node->number ? ", " : "", number, node->number);
    if (!emit_condition(compiler, node))
        return false;
    emit(compiler, ", ");
    if (!emit_measured(compiler, node))
        return false;
    emit(compiler, ", ");
    emit_counted(compiler, node);
    emit(compiler, ", ");
    if (!emit_changes(compiler, node))
        return false;
    emit(compiler, ", ");
    emit_progress(compiler, node);
    emit(compiler, ", %s)", key);
    for (size_t i = 0; i < node->n_parts; i++)
        if (!emit_rows(compiler, node->parts[i], number, key))
            return false;
    return true;
}

/* Those of the segments that the definition refers to, by however many steps, as long as there is room. All are inlined by now. */
static bool emit_reference_rows(struct compiler *compiler, size_t left)
{
    const struct segment *own = compiler->segment;
    bool ok = true;

    for (size_t i = 0; i < compiler->inlined.n && ok; i++) {
        const struct segment *other = compiler->inlined.at[i].segment;
        AUTO_BUF struct buf key = BUF_INIT(VALUE_SQL);

        if (other->n_nodes > left)
            continue;
        left -= other->n_nodes;
        buf_addf(&key, "$%zu", param_text(compiler, compiler->inlined.at[i].key));
        compiler->segment = other;
        ok = emit_rows(compiler, other->root, compiler->inlined.at[i].number, buf_text(&key));
    }
    compiler->segment = own;
    return ok;
}

bool emit_why(struct compiler *compiler)
{
    const struct segment *segment = compiler->segment;
    AUTO_BUF struct buf rows = BUF_INIT(SQL_TEXT_MAX);
    struct buf *out = compiler->out;

    compiler->out = &rows;
    if (!emit_rows(compiler, segment->root, 0, "NULL::text"))
        return false;
    if (!emit_reference_rows(compiler, WHY_ROWS_MAX > segment->n_nodes ? WHY_ROWS_MAX - segment->n_nodes : 0))
        return false;
    compiler->out = out;
    emit(compiler,
         "SELECT n.node, n.holds, n.measured, n.events, n.changes, n.steps, n.key FROM profile p%s CROSS JOIN LATERAL (VALUES %s)"
         " AS n(number, node, holds, measured, events, changes, steps, key) WHERE p.profile_id = $3 ORDER BY n.number, n.node",
         buf_text(&compiler->laterals), buf_text(&rows));
    if (buf_ok(&rows))
        return true;
    return err_set(compiler->err, "limit", "", "the definition, with the segments it refers to, is too large");
}

/* --- The tree --- */

static const char *kind_name(enum node_kind kind)
{
    switch (kind) {
    case NODE_ALL:
        return "all";
    case NODE_ANY:
        return "any";
    case NODE_NOT:
        return "not";
    case NODE_SOME:
        return "some";
    case NODE_SCORE:
        return "score";
    case NODE_EVENT:
        return "event";
    case NODE_SEQUENCE:
        return "sequence";
    case NODE_TRAIT:
        return "trait";
    case NODE_SEEN:
    case NODE_IDENTIFIED:
        return "profile";
    case NODE_SEGMENT:
        return "segment";
    case NODE_CONSENT:
        return "consent";
    case NODE_BUCKET:
        return "bucket";
    }
    BUG("no such condition");
}

static void list_node(struct segment_node *nodes, const struct node *node, size_t parent)
{
    nodes[node->number] = (struct segment_node){
        .kind = kind_name(node->kind), .pointer = node->pointer, .parent = parent, .key = node->kind == NODE_SEGMENT ? node->key : NULL};
    for (size_t i = 0; i < node->n_parts; i++)
        list_node(nodes, node->parts[i], node->number);
}

void segment_list_nodes(struct segment *segment)
{
    segment->nodes = segment_alloc(segment, segment->n_nodes * sizeof *segment->nodes);
    list_node(segment->nodes, segment->root, 0);
}

size_t segment_nodes(const struct segment *segment, const struct segment_node **ret_nodes)
{
    *ret_nodes = segment->nodes;
    return segment->n_nodes;
}
