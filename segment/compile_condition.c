/* Conditions on one profile as SQL. The one idea: the tree becomes one boolean expression in which every part is two-valued, so AND, OR
 * and NOT mean what they say, and in which the cheap parts of an all or any stand first, so that evaluation stops early. Event
 * conditions are in compile_event.c, sequences in compile_sequence.c. */
#include "segment/compile.h"

#include "server/base/alloc.h"

/* What evaluating it costs for one profile, roughly: fields of the row, a look-up, a range of the index, many events. */
static unsigned cost(const struct node *node)
{
    unsigned sum = 0;

    for (size_t i = 0; i < node->n_parts; i++)
        sum += cost(node->parts[i]);
    switch (node->kind) {
    case NODE_ALL:
    case NODE_ANY:
    case NODE_NOT:
    case NODE_SOME:
    case NODE_SCORE:
        return sum;
    case NODE_IDENTIFIED:
        return 1;
    case NODE_BUCKET:
    case NODE_TRAIT:
        return 3;
    case NODE_SEEN:
        return node->date.kind == DATE_FIRST_SEEN ? 1 : 30;
    case NODE_CONSENT:
    case NODE_SEGMENT:
        return 10;
    case NODE_EVENT:
        return (node->names.any ? 40U : 20U) + (node->where ? 10U : 0U) + (node->measure == MEASURE_COUNT ? 0U : 20U) +
               (node->window.kind == WINDOW_EVER ? 10U : 0U);
    case NODE_SEQUENCE:
        return 200;
    }
    BUG("no such condition");
}

static bool emit_joined(struct compiler *compiler, const struct node *node, const char *word)
{
    AUTO_FREE const struct node **parts = mem_alloc(node->n_parts * sizeof *parts);

    for (size_t i = 0; i < node->n_parts; i++) {
        size_t at = i;

        for (; at > 0 && cost(parts[at - 1]) > cost(node->parts[i]); at--)
            parts[at] = parts[at - 1];
        parts[at] = node->parts[i];
    }
    emit(compiler, "(");
    for (size_t i = 0; i < node->n_parts; i++) {
        emit(compiler, "%s", i ? word : "");
        if (!emit_condition(compiler, parts[i]))
            return false;
    }
    emit(compiler, ")");
    return true;
}

bool emit_sum(struct compiler *compiler, const struct node *node)
{
    for (size_t i = 0; i < node->n_parts; i++) {
        emit(compiler, "%sCASE WHEN ", i ? " + " : "");
        if (!emit_condition(compiler, node->parts[i]))
            return false;
        if (node->points)
            emit(compiler, " THEN $%zu ELSE 0 END", param_number(compiler, node->points[i]));
        else
            emit(compiler, " THEN 1 ELSE 0 END");
    }
    return true;
}

static bool emit_compared_sum(struct compiler *compiler, const struct node *node)
{
    emit(compiler, "(SELECT ");
    emit_comparators(compiler, "m.n", &node->tests);
    emit(compiler, " FROM (SELECT ");
    if (!emit_sum(compiler, node))
        return false;
    emit(compiler, " AS n OFFSET 0) m)");
    return true;
}

static void emit_seen_exists(struct compiler *compiler, const char *word, const char *bounds)
{
    emit(compiler,
         "%sEXISTS (SELECT FROM event e WHERE e.profile_id = p.profile_id AND e.name_id >= 4 AND e.ts > $2 AND e.ts <= $1%s OFFSET 0)",
         word, bounds);
}

/* The newest event is in a range when there is one in it and none after it; asking so stops at the first event found. */
static void emit_last_seen_test(struct compiler *compiler, const struct test *test)
{
    AUTO_BUF struct buf bounds = BUF_INIT(VALUE_SQL);
    struct buf *out = compiler->out;

    switch ((int)test->op) {
    case OP_EXISTS:
        emit_seen_exists(compiler, test->operands->text[0] == 't' ? "" : "NOT ", "");
        return;
    case OP_WITHIN_LAST:
        buf_addf(&bounds, " AND e.ts > %s - make_interval(secs => $%zu)", compiler->now, param_seconds(compiler, test->operands->us));
        emit_seen_exists(compiler, "", buf_text(&bounds));
        return;
    case OP_WITHIN_NEXT: /* it is never after T */
        emit(compiler, "false");
        return;
    case OP_BEFORE:
    case OP_AFTER:
        compiler->out = &bounds;
        emit(compiler, " AND e.ts %s ", test->op == OP_AFTER ? ">" : ">=");
        emit_moment(compiler, &test->operands->moment);
        compiler->out = out;
        if (test->op == OP_BEFORE)
            emit_seen_exists(compiler, "", "");
        emit_seen_exists(compiler, test->op == OP_BEFORE ? " AND NOT " : "", buf_text(&bounds));
        return;
    default:
        BUG("no operator on last_seen");
    }
}

static void emit_seen(struct compiler *compiler, const struct node *node)
{
    AUTO_BUF struct buf date = BUF_INIT(4 * VALUE_SQL);
    struct buf *out = compiler->out;

    compiler->out = &date;
    emit_person_date(compiler, &node->date);
    compiler->out = out;
    emit(compiler, "(");
    for (size_t i = 0; i < node->tests.n; i++) {
        emit(compiler, "%s", i ? " AND " : "");
        if (node->date.kind == DATE_LAST_SEEN)
            emit_last_seen_test(compiler, &node->tests.items[i]);
        else
            emit_instant_test(compiler, buf_text(&date), &node->tests.items[i]);
    }
    emit(compiler, "%s", node->date.kind == DATE_LAST_SEEN ? ")" : ") IS TRUE");
}

static void emit_identified(struct compiler *compiler, const struct node *node)
{
    emit(compiler, "(");
    for (size_t i = 0; i < node->tests.n; i++) {
        const struct test *test = &node->tests.items[i];
        bool wanted = (test->operands->text[0] == 't') == (test->op == OP_EQ);

        emit(compiler, "%sp.user_id IS %sNULL", i ? " AND " : "", wanted ? "NOT " : "");
    }
    emit(compiler, ")");
}

void emit_consent_state(struct compiler *compiler, const struct node *node)
{
    emit(compiler, "coalesce((SELECT c.state FROM consent c WHERE c.profile_id = p.profile_id AND c.channel = $%zu), 'unknown')",
         param_text(compiler, node->key));
}

static void emit_consent(struct compiler *compiler, const struct node *node)
{
    emit(compiler, "(SELECT ");
    emit_plain_tests(compiler, "m.state", &node->tests, false);
    emit(compiler, " FROM (SELECT ");
    emit_consent_state(compiler, node);
    emit(compiler, " AS state OFFSET 0) m)");
}

static void emit_bucket(struct compiler *compiler, const struct node *node)
{
    size_t salt = param_text(compiler, node->key);
    size_t low = sql_number(compiler->sql, SQL_INT, node->low);
    size_t high = sql_number(compiler->sql, SQL_INT, node->high - 1);

    emit(compiler, "bucket_of($%zu, p.profile_id) BETWEEN $%zu AND $%zu", salt, low, high);
}

bool emit_condition(struct compiler *compiler, const struct node *node)
{
    switch (node->kind) {
    case NODE_ALL:
        return emit_joined(compiler, node, " AND ");
    case NODE_ANY:
        return emit_joined(compiler, node, " OR ");
    case NODE_NOT:
        emit(compiler, "NOT ");
        return emit_condition(compiler, node->parts[0]);
    case NODE_SOME:
    case NODE_SCORE:
        return emit_compared_sum(compiler, node);
    case NODE_EVENT:
        emit_event(compiler, node);
        return true;
    case NODE_SEQUENCE:
        emit_sequence(compiler, node);
        return true;
    case NODE_TRAIT:
        emit_leaf(compiler, "p.traits", node->path, &node->tests);
        return true;
    case NODE_SEEN:
        emit_seen(compiler, node);
        return true;
    case NODE_IDENTIFIED:
        emit_identified(compiler, node);
        return true;
    case NODE_SEGMENT:
        return emit_reference(compiler, node);
    case NODE_CONSENT:
        emit_consent(compiler, node);
        return true;
    case NODE_BUCKET:
        emit_bucket(compiler, node);
        return true;
    }
    BUG("no such condition");
}
