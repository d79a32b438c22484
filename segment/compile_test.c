/* Operators as SQL. The one idea: an operator is a small expression over value_number, value_text or value_instant of one jsonb value; those
 * functions are null for a value of the wrong kind and raise nothing, so a null comparison is "does not match". Operands are parameters, and
 * what has to be made of one once (lower case, an instant in a zone) stands in a subquery that runs once for the statement. */
#include "segment/compile.h"

#include "server/base/alloc.h"

#define FOLD "COLLATE \"und-x-icu\""

void emit_moment(struct compiler *compiler, const struct moment *moment)
{
    size_t n = sql_number(compiler->sql, SQL_TIMESTAMP, moment->us);

    if (moment->form == INSTANT_EXACT)
        emit(compiler, "$%zu", n);
    else
        emit(compiler, "(SELECT local_instant($%zu AT TIME ZONE 'UTC', $%zu))", n, param_zone(compiler));
}

static void emit_equal(struct compiler *compiler, const char *value, const struct operand *operand, bool ignore_case)
{
    size_t n;

    if (operand->type == OPERAND_NUMBER) {
        emit(compiler, "value_number(%s) = $%zu", value, param_number(compiler, operand->text));
        return;
    }
    n = param_text(compiler, operand->text);
    if (ignore_case)
        emit(compiler, "lower(value_text(%s) " FOLD ") = (SELECT lower($%zu " FOLD "))", value, n);
    else
        emit(compiler, "value_text(%s) = $%zu", value, n);
}

/* The operands of a list of one kind as an array parameter; 0 when there are none. */
static size_t param_items(struct compiler *compiler, const struct test *test, enum sql_type type, unsigned types)
{
    AUTO_FREE const char **items = mem_alloc(test->n * sizeof *items);
    size_t n = 0;

    for (size_t i = 0; i < test->n; i++)
        if (types & 1U << test->operands[i].type)
            items[n++] = test->operands[i].text;
    return n ? sql_items(compiler->sql, type, items, n) : 0;
}

static void emit_listed(struct compiler *compiler, const char *value, const struct test *test, bool ignore_case)
{
    size_t texts = param_items(compiler, test, SQL_TEXT_ARRAY, 1U << OPERAND_TEXT | 1U << OPERAND_BOOLEAN);
    size_t numbers = param_items(compiler, test, SQL_NUMERIC_ARRAY, 1U << OPERAND_NUMBER);

    emit(compiler, "(");
    if (texts && ignore_case)
        emit(compiler, "lower(value_text(%s) " FOLD ") IN (SELECT lower(t " FOLD ") FROM unnest($%zu) AS t)", value, texts);
    else if (texts)
        emit(compiler, "value_text(%s) = ANY ($%zu)", value, texts);
    if (numbers)
        emit(compiler, "%svalue_number(%s) = ANY ($%zu)", texts ? " OR " : "", value, numbers);
    emit(compiler, ")");
}

static void emit_text_test(struct compiler *compiler, const char *value, const struct test *test, bool ignore_case)
{
    size_t n = param_text(compiler, test->operands->text);
    AUTO_BUF struct buf text = BUF_INIT(2 * VALUE_SQL), wanted = BUF_INIT(VALUE_SQL);

    buf_addf(&text, ignore_case && test->op != OP_MATCHES ? "lower(value_text(%s) " FOLD ")" : "value_text(%s)", value);
    buf_addf(&wanted, ignore_case ? "(SELECT lower($%zu " FOLD "))" : "$%zu", n);
    switch ((int)test->op) {
    case OP_CONTAINS:
        emit(compiler, "strpos(%s, %s) > 0", buf_text(&text), buf_text(&wanted));
        return;
    case OP_STARTS_WITH:
        emit(compiler, "starts_with(%s, %s)", buf_text(&text), buf_text(&wanted));
        return;
    case OP_ENDS_WITH:
        emit(compiler, "right(%s, length(%s)) = %s", buf_text(&text), buf_text(&wanted), buf_text(&wanted));
        return;
    default:
        if (ignore_case)
            emit(compiler, "value_text(%s) ~* $%zu " FOLD, value, n);
        else
            emit(compiler, "value_text(%s) ~ $%zu COLLATE \"C\"", value, n);
    }
}

static void emit_compare(struct compiler *compiler, const char *number, const struct test *test)
{
    static const char *const signs[] = {[OP_EQ] = "=", [OP_NEQ] = "<>", [OP_GT] = ">", [OP_GTE] = ">=", [OP_LT] = "<", [OP_LTE] = "<="};
    size_t n = param_number(compiler, test->operands->text);

    if (test->op == OP_BETWEEN)
        emit(compiler, "%s BETWEEN $%zu AND $%zu", number, n, param_number(compiler, test->operands[1].text));
    else
        emit(compiler, "%s %s $%zu", number, signs[test->op], n);
}

void emit_comparators(struct compiler *compiler, const char *number, const struct tests *tests)
{
    for (size_t i = 0; i < tests->n; i++) {
        emit(compiler, "%s", i ? " AND " : "");
        emit_compare(compiler, number, &tests->items[i]);
    }
}

static void emit_anniversary(struct compiler *compiler, const char *instant, int64_t days_us)
{
    size_t zone = param_zone(compiler);

    emit(compiler, "anniversary_in((%s AT TIME ZONE $%zu)::date, (SELECT (%s AT TIME ZONE $%zu)::date), $%zu)", instant, zone,
         compiler->now, zone, sql_number(compiler->sql, SQL_INT, days_us / (86400 * INT64_C(1000000))));
}

void emit_instant_test(struct compiler *compiler, const char *instant, const struct test *test)
{
    const struct operand *operand = test->operands;

    switch ((int)test->op) {
    case OP_EXISTS:
        emit(compiler, "%s IS %sNULL", instant, operand->text[0] == 't' ? "NOT " : "");
        return;
    case OP_BEFORE:
    case OP_AFTER:
        emit(compiler, "%s %s ", instant, test->op == OP_BEFORE ? "<" : ">");
        emit_moment(compiler, &operand->moment);
        return;
    case OP_WITHIN_LAST:
        emit(compiler, "(%s > %s - make_interval(secs => $%zu) AND %s <= %s)", instant, compiler->now, param_seconds(compiler, operand->us),
             instant, compiler->now);
        return;
    case OP_WITHIN_NEXT:
        emit(compiler, "(%s > %s AND %s <= %s + make_interval(secs => $%zu))", instant, compiler->now, instant, compiler->now,
             param_seconds(compiler, operand->us));
        return;
    case OP_ANNIVERSARY_IN:
        emit_anniversary(compiler, instant, operand->us);
        return;
    default:
        BUG("no operator on instants");
    }
}

void emit_value_test(struct compiler *compiler, const char *value, const struct test *test, bool ignore_case)
{
    AUTO_BUF struct buf made = BUF_INIT(2 * VALUE_SQL);

    switch (test->op) {
    case OP_EQ:
    case OP_NEQ:
        emit_equal(compiler, value, test->operands, ignore_case);
        return;
    case OP_IN:
    case OP_NIN:
        emit_listed(compiler, value, test, ignore_case);
        return;
    case OP_GT:
    case OP_GTE:
    case OP_LT:
    case OP_LTE:
    case OP_BETWEEN:
        buf_addf(&made, "value_number(%s)", value);
        emit_compare(compiler, buf_text(&made), test);
        return;
    case OP_CONTAINS:
    case OP_STARTS_WITH:
    case OP_ENDS_WITH:
    case OP_MATCHES:
        emit_text_test(compiler, value, test, ignore_case);
        return;
    case OP_BEFORE:
    case OP_AFTER:
    case OP_WITHIN_LAST:
    case OP_WITHIN_NEXT:
    case OP_ANNIVERSARY_IN:
        buf_addf(&made, "value_instant(%s, $%zu)", value, param_zone(compiler));
        emit_instant_test(compiler, buf_text(&made), test);
        return;
    case OP_EXISTS:
        break;
    }
    BUG("exists is no test of a value");
}

static void emit_plain_list(struct compiler *compiler, const char *value, const struct test *test, bool numeric)
{
    AUTO_FREE const char **items = mem_alloc(test->n * sizeof *items);

    for (size_t i = 0; i < test->n; i++)
        items[i] = test->operands[i].text;
    emit(compiler, "%s = ANY ($%zu)", value, sql_items(compiler->sql, numeric ? SQL_NUMERIC_ARRAY : SQL_TEXT_ARRAY, items, test->n));
}

void emit_plain_tests(struct compiler *compiler, const char *value, const struct tests *tests, bool numeric)
{
    for (size_t i = 0; i < tests->n; i++) {
        const struct test *test = &tests->items[i];

        emit(compiler, "%s", i ? " AND " : "");
        if (test->op == OP_NIN)
            emit(compiler, "NOT ");
        if (test->op == OP_IN || test->op == OP_NIN)
            emit_plain_list(compiler, value, test, numeric);
        else if (numeric)
            emit_compare(compiler, value, test);
        else
            emit(compiler, "%s %s $%zu", value, test->op == OP_EQ ? "=" : "<>", param_text(compiler, test->operands->text));
    }
}
