/* Paths and predicates as SQL. The one idea: `jsonb -> text` steps into an object only and is null on all else, which is just what a name in a
 * path means; a step with [] is a row for each element. neq, nin and exists speak of all values of a path, so each is an expression of its
 * own; the other operators stand together about one value. */
#include "segment/compile.h"

#include <stdio.h>
#include <string.h>

/* base -> $n -> $n for the steps from *at up to one with [] or the end; *at moves behind it. */
static void path_run(struct compiler *compiler, const char *base, const struct path *path, size_t *at, char ret_value[VALUE_SQL])
{
    AUTO_BUF struct buf value = BUF_INIT(VALUE_SQL - 1);
    bool each = false;

    buf_add_text(&value, base);
    while (*at < path->n && !each) {
        buf_addf(&value, " -> $%zu", param_text(compiler, path->steps[*at].name));
        each = path->steps[(*at)++].each;
    }
    ASSERT(buf_ok(&value));
    (void)snprintf(ret_value, VALUE_SQL, "%s", buf_text(&value));
}

void path_value(struct compiler *compiler, const char *base, const struct path *path, char ret_value[VALUE_SQL])
{
    size_t at = 0;

    ASSERT(!path->many);
    path_run(compiler, base, path, &at, ret_value);
}

void emit_path_rows(struct compiler *compiler, const char *base, const struct path *path, char ret_value[VALUE_SQL])
{
    char array[VALUE_SQL], element[VALUE_SQL];
    const char *comma = "";
    size_t at = 0;

    (void)snprintf(element, sizeof element, "%s", base);
    while (at < path->n) {
        path_run(compiler, element, path, &at, array);
        if (!path->steps[at - 1].each)
            break;
        (void)snprintf(element, sizeof element, "a%zu.v", ++compiler->n_aliases);
        (void)snprintf(ret_value, VALUE_SQL, "%s", element);
        emit(compiler, "%sjsonb_path_query(%s, 'strict $[*]', '{}', true) AS a%zu(v)", comma, array, compiler->n_aliases);
        comma = ", ";
    }
    if (!path->steps[path->n - 1].each)
        (void)snprintf(ret_value, VALUE_SQL, "%s", array);
}

static bool is_of_all(const struct test *test)
{
    return test->op == OP_NEQ || test->op == OP_NIN || test->op == OP_EXISTS;
}

/* The operators that must hold together of one value. */
static void emit_together(struct compiler *compiler, const char *value, const struct tests *tests)
{
    const char *and = "";

    for (size_t i = 0; i < tests->n; i++) {
        if (is_of_all(&tests->items[i]))
            continue;
        emit(compiler, "%s", and);
        emit_value_test(compiler, value, &tests->items[i], tests->ignore_case);
        and = " AND ";
    }
}

static void emit_positive(struct compiler *compiler, const char *value, const struct tests *tests, const struct test *of_all)
{
    if (!of_all)
        emit_together(compiler, value, tests);
    else if (of_all->op == OP_EXISTS)
        emit(compiler, "jsonb_typeof(%s) <> 'null'", value);
    else
        emit_value_test(compiler, value, of_all, tests->ignore_case);
}

/* One part of a leaf: what stands together (of_all NULL), or one operator about all values. */
static void emit_part(struct compiler *compiler, const char *base, const struct path *path, const struct tests *tests,
                      const struct test *of_all)
{
    bool negated = of_all && (of_all->op != OP_EXISTS || of_all->operands->text[0] == 'f');
    char value[VALUE_SQL];

    if (!path->many) {
        emit(compiler, "(");
        emit_positive(compiler, "x.v", tests, of_all);
        emit(compiler, ") IS %sTRUE", negated ? "NOT " : "");
        return;
    }
    emit(compiler, "%sEXISTS (SELECT FROM ", negated ? "NOT " : "");
    emit_path_rows(compiler, base, path, value);
    emit(compiler, " WHERE ");
    emit_positive(compiler, value, tests, of_all);
    emit(compiler, ")");
}

static void emit_parts(struct compiler *compiler, const char *base, const struct path *path, const struct tests *tests)
{
    const char *and = "";
    bool together = false;

    for (size_t i = 0; i < tests->n; i++)
        together |= !is_of_all(&tests->items[i]);
    if (together) {
        emit_part(compiler, base, path, tests, NULL);
        and = " AND ";
    }
    for (size_t i = 0; i < tests->n; i++) {
        if (!is_of_all(&tests->items[i]))
            continue;
        emit(compiler, "%s", and);
        emit_part(compiler, base, path, tests, &tests->items[i]);
        and = " AND ";
    }
}

/* The value of a path without [] is taken once, behind a fence: taking it from a large document costs more than all that is asked of it. */
void emit_leaf(struct compiler *compiler, const char *base, const struct path *path, const struct tests *tests)
{
    char value[VALUE_SQL];

    emit(compiler, "(%s", path->many ? "" : "SELECT ");
    emit_parts(compiler, base, path, tests);
    if (!path->many) {
        path_value(compiler, base, path, value);
        emit(compiler, " FROM (SELECT %s AS v OFFSET 0) x", value);
    }
    emit(compiler, ")");
}

static void emit_of(struct compiler *compiler, const struct predicate *predicate, const char *element);

static void emit_joined(struct compiler *compiler, const struct predicate *predicate, const char *element, const char *word)
{
    emit(compiler, "(");
    for (size_t i = 0; i < predicate->n_parts; i++) {
        emit(compiler, "%s", i ? word : "");
        emit_of(compiler, predicate->parts[i], element);
    }
    emit(compiler, ")");
}

static void emit_has(struct compiler *compiler, const struct predicate *predicate, const char *element)
{
    char value[VALUE_SQL];

    emit(compiler, "EXISTS (SELECT FROM ");
    emit_path_rows(compiler, element, predicate->path, value);
    emit(compiler, " WHERE jsonb_typeof(%s) <> 'null' AND ", value);
    emit_of(compiler, predicate->parts[0], value);
    emit(compiler, ")");
}

/* element: what property paths start at. */
static void emit_of(struct compiler *compiler, const struct predicate *predicate, const char *element)
{
    AUTO_BUF struct buf field = BUF_INIT(VALUE_SQL);

    switch (predicate->kind) {
    case PREDICATE_ALL:
        emit_joined(compiler, predicate, element, " AND ");
        return;
    case PREDICATE_ANY:
        emit_joined(compiler, predicate, element, " OR ");
        return;
    case PREDICATE_NOT:
        emit(compiler, "NOT ");
        emit_of(compiler, predicate->parts[0], element);
        return;
    case PREDICATE_PROPERTY:
        emit_leaf(compiler, element, predicate->path, &predicate->tests);
        return;
    case PREDICATE_CONTEXT:
        emit_leaf(compiler, "e.context", predicate->path, &predicate->tests);
        return;
    case PREDICATE_HAS:
        emit_has(compiler, predicate, element);
        return;
    case PREDICATE_TIME:
        buf_addf(&field, "extract(%s FROM e.ts AT TIME ZONE $%zu)", predicate->weekday ? "isodow" : "hour", param_zone(compiler));
        emit(compiler, "(");
        emit_plain_tests(compiler, buf_text(&field), &predicate->tests, true);
        emit(compiler, ")");
        return;
    }
    BUG("no such predicate");
}

void emit_predicate(struct compiler *compiler, const struct predicate *predicate)
{
    emit_of(compiler, predicate, "e.properties");
}
