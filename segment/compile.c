/* One tree, several statements. The one idea: all heads stand around the same boolean expression about the profile p, evaluated in the SELECT list or
 * behind IS TRUE, where PostgreSQL keeps our order and never makes joins of its subqueries. A segment referred to is asked by membership, or, for
 * another instant than now, evaluated in a LATERAL of its own, once for a profile however often it is referred to. */
#include "segment/compile.h"

#include <stdarg.h>
#include <string.h>

void emit(struct compiler *compiler, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    buf_vaddf(compiler->out, fmt, args);
    va_end(args);
}

size_t param_text(struct compiler *compiler, const char *text)
{
    return sql_text(compiler->sql, SQL_TEXT, text);
}

size_t param_number(struct compiler *compiler, const char *decimal)
{
    return sql_text(compiler->sql, SQL_NUMERIC, decimal);
}

size_t param_seconds(struct compiler *compiler, int64_t us)
{
    return sql_number(compiler->sql, SQL_INT, us / INT64_C(1000000));
}

size_t param_zone(struct compiler *compiler)
{
    return param_text(compiler, compiler->segment->timezone);
}

/* --- References --- */

static void emit_membership(struct compiler *compiler, const char *key)
{
    emit(compiler,
         "EXISTS (SELECT FROM membership m WHERE m.version_id = (SELECT s.serving_version_id FROM segment s WHERE s.segment_id = $%zu)"
         " AND m.profile_id = p.profile_id OFFSET 0)",
         sql_text(compiler->sql, SQL_SEGMENT, key));
}

static struct inlined *find_inlined(struct compiler *compiler, const char *key)
{
    for (size_t i = 0; i < compiler->inlined.n; i++)
        if (strcmp(compiler->inlined.at[i].key, key) == 0)
            return &compiler->inlined.at[i];
    return NULL;
}

/* Compiles the other segment's tree into a LATERAL of its own, behind those of the segments that it refers to. */
static bool inline_segment(struct compiler *compiler, const struct segment *other, const char *key, size_t number)
{
    const struct segment *segment = compiler->segment;
    AUTO_BUF struct buf condition = BUF_INIT(SQL_TEXT_MAX);
    struct buf *out = compiler->out;
    size_t at = compiler->inlined.n;

    *VEC_ADD(&compiler->inlined) = (struct inlined){.key = key, .segment = other, .number = number};
    compiler->segment = other;
    compiler->out = &condition;
    compiler->depth++;
    if (!emit_condition(compiler, other->root))
        return false;
    compiler->depth--;
    if (compiler->foresees) {
        AUTO_BUF struct buf holds = condition;

        condition = (struct buf)BUF_INIT(SQL_TEXT_MAX);
        compiler->out = &condition;
        if (!emit_foreseen(compiler, other->root, buf_text(&holds)))
            return false;
    }
    compiler->out = &compiler->laterals;
    emit(compiler, " CROSS JOIN LATERAL (SELECT %s%s OFFSET 0) s%zu", buf_text(&condition), compiler->foresees ? "" : " AS holds", number);
    compiler->out = out;
    compiler->segment = segment;
    compiler->inlined.at[at].done = true;
    return true;
}

bool emit_reference(struct compiler *compiler, const struct node *node)
{
    const struct segment *other = compiler->others ? compiler->others->look_up(compiler->others->context, node->key) : NULL;
    const struct inlined *inlined;
    size_t number;

    if (!other) {
        emit_membership(compiler, node->key);
        return true;
    }
    inlined = find_inlined(compiler, node->key);
    if (inlined && !inlined->done)
        return err_set(compiler->err, "segment_cycle", node->pointer, "segment \"%s\" refers to itself", node->key);
    if (compiler->depth >= REFERENCES_MAX)
        return err_set(compiler->err, "limit", node->pointer, "the chain of segment references is longer than %d", REFERENCES_MAX);
    number = inlined ? inlined->number : compiler->inlined.n + 1;
    if (!inlined && !inline_segment(compiler, other, node->key, number))
        return false;
    if (strcmp(compiler->now, "$1") == 0)
        emit(compiler, "s%zu.holds", number);
    else /* changed sides an odd number of times by then */
        emit(compiler, "(s%zu.holds <> (SELECT count(*) %% 2 = 1 FROM unnest(s%zu.flips) AS f(t) WHERE f.t <= %s))", number, number,
             compiler->now);
    return true;
}

/* --- Heads --- */

/* The number of the first of the segment's own parameters. */
static size_t first_param(enum segment_head head)
{
    switch (head) {
    case HEAD_CHANGED:
    case HEAD_RANGE:
    case HEAD_COUNT:
    case HEAD_WHY:
    case HEAD_WHY_NOW:
        return 5;
    case HEAD_DIFF:
        return 6;
    }
    BUG("no such head");
}

static void emit_compared(struct compiler *compiler, const char *condition, const char *profile_id, const char *from)
{
    emit(
        compiler,
        "SELECT profile_id, is_member, was_member, entered_at, user_id, anonymous_id, email FROM (SELECT %s AS profile_id,"
        " CASE WHEN p.profile_id IS NULL THEN false ELSE %s END AS is_member,"
        " m.profile_id IS NOT NULL AS was_member, m.entered_at, p.user_id, p.anonymous_id, p.email FROM %s%s OFFSET 0) d WHERE is_member <> "
        "was_member",
        profile_id, condition, from, buf_text(&compiler->laterals));
}

static void emit_head(struct compiler *compiler, enum segment_head head, const char *condition)
{
    const char *laterals = buf_text(&compiler->laterals);

    switch (head) {
    case HEAD_CHANGED:
        emit_compared(
            compiler, condition, "c.profile_id",
            "unnest($4) AS c(profile_id)"
            " LEFT JOIN LATERAL (SELECT * FROM profile WHERE profile_id = c.profile_id OFFSET 0) p ON true"
            " LEFT JOIN LATERAL (SELECT * FROM membership WHERE version_id = $3 AND profile_id = c.profile_id OFFSET 0) m ON true");
        return;
    case HEAD_RANGE:
        emit(
            compiler,
            "SELECT p.profile_id, p.user_id, p.anonymous_id, p.email FROM profile p%s WHERE p.profile_id BETWEEN $3 AND $4 AND (%s) IS TRUE"
            " ORDER BY p.profile_id",
            laterals, condition);
        return;
    case HEAD_COUNT:
        emit(compiler, "SELECT count(*) FILTER (WHERE %s), count(*) FROM profile p%s WHERE p.profile_id BETWEEN $3 AND $4", condition,
             laterals);
        return;
    case HEAD_DIFF:
        emit_compared(
            compiler, condition, "coalesce(p.profile_id, m.profile_id)",
            "(SELECT * FROM profile WHERE profile_id BETWEEN $3 AND $4) p FULL JOIN"
            " (SELECT * FROM membership WHERE version_id = $5 AND profile_id BETWEEN $3 AND $4) m ON m.profile_id = p.profile_id");
        return;
    case HEAD_WHY:
    case HEAD_WHY_NOW:
        return;
    }
    BUG("no such head");
}

static bool compile(struct compiler *compiler, enum segment_head head)
{
    AUTO_BUF struct buf condition = BUF_INIT(SQL_TEXT_MAX);
    bool why = head == HEAD_WHY || head == HEAD_WHY_NOW;

    compiler->out = why ? &compiler->sql->text : &condition;
    if (!(why ? emit_why(compiler) : emit_condition(compiler, compiler->segment->root)))
        return false;
    compiler->out = &compiler->sql->text;
    emit_head(compiler, head, buf_text(&condition));
    if (buf_ok(&condition) && buf_ok(&compiler->laterals) && buf_ok(&compiler->sql->text) &&
        compiler->sql->first + compiler->sql->n_params <= COMPILE_PARAMS_MAX)
        return true;
    return err_set(compiler->err, "limit", "", "the definition, with the segments it refers to, is too large");
}

bool segment_compile(const struct segment *segment, enum segment_head head, const struct segment_others *others, struct sql *ret_sql,
                     struct err *err)
{
    struct sql sql;
    struct compiler compiler = {
        .sql = &sql,
        .segment = segment,
        .now = "$1",
        .laterals = BUF_INIT(SQL_TEXT_MAX),
        .others = others,
        .foresees = head == HEAD_WHY,
        .err = err,
    };
    bool ok;

    sql_init(&sql, first_param(head));
    ok = compile(&compiler, head);
    buf_release(&compiler.laterals);
    vec_free(&compiler.inlined);
    if (ok)
        *ret_sql = sql;
    else
        sql_release(&sql);
    return ok;
}
