/* Event conditions as SQL. The one idea: a measure over one profile's events is a correlated subquery whose rows are a short range of the
 * index (profile_id, name_id, ts, message_id), bounded on both sides of ts so that whole partitions drop out. A count stops as soon as its
 * comparators cannot change their answer. OFFSET 0 keeps the planner from turning an EXISTS into a join, which was 20 to 60 times dearer. */
#include "segment/compile.h"

#include <string.h>

#include "segment/decimal.h"

/* Longer windows meet more than one or two partitions. */
#define FAR_US (INT64_C(60) * 86400 * 1000000)

void emit_names(struct compiler *compiler, const struct names *names)
{
    if (names->any)
        emit(compiler, "e.name_id >= 4"); /* 1 to 3 are $identify, $alias, $group */
    else if (names->n == 1)
        emit(compiler, "e.name_id = $%zu", sql_text(compiler->sql, SQL_NAME_ID, names->items[0]));
    else
        emit(compiler, "e.name_id = ANY ($%zu)", sql_items(compiler->sql, SQL_NAME_IDS, names->items, names->n));
}

/* The oldest or newest event. The fence keeps it to the range of the profile's index, whatever other index on ts there is. */
static void emit_extreme(struct compiler *compiler, const char *which)
{
    emit(
        compiler,
        "(SELECT %s(f.ts) FROM (SELECT ts FROM event WHERE profile_id = p.profile_id AND name_id >= 4 AND ts > $2 AND ts <= $1 OFFSET 0) f)",
        which);
}

void emit_person_date(struct compiler *compiler, const struct person_date *date)
{
    char value[VALUE_SQL];

    switch (date->kind) {
    case DATE_FIRST_SEEN: /* the column, unless that event is older than what still counts */
        emit(compiler, "(CASE WHEN p.first_seen <= $2 THEN ");
        emit_extreme(compiler, "min");
        emit(compiler, " WHEN p.first_seen <= $1 THEN p.first_seen END)");
        return;
    case DATE_LAST_SEEN:
        emit_extreme(compiler, "max");
        return;
    case DATE_TRAIT: /* A subquery of the person alone: else it is evaluated again for each partition. The traits stand outside it, too: where one partition is
                        left of all, PostgreSQL evaluates a subquery anew only for what the scan itself mentions, and the first person's date stood for all. */
        path_value(compiler, "p.traits", date->path, value);
        emit(compiler, "CASE WHEN p.traits IS NOT NULL THEN (SELECT value_instant(%s, $%zu)) END", value, param_zone(compiler));
        return;
    }
    BUG("no such date");
}

const char *compile_period(enum segment_period period)
{
    switch (period) {
    case PERIOD_DAY:
        return "day";
    case PERIOD_WEEK:
        return "week";
    case PERIOD_MONTH:
        return "month";
    case PERIOD_QUARTER:
        return "quarter";
    case PERIOD_YEAR:
        return "year";
    }
    BUG("no such period");
}

static void emit_period_start(struct compiler *compiler, const struct window *window, int shift)
{
    emit(compiler, "(SELECT period_start(%s, '%s', %d, $%zu))", compiler->now, compile_period(window->period), shift, param_zone(compiler));
}

void emit_window_begin(struct compiler *compiler, const struct window *window)
{
    switch (window->kind) {
    case WINDOW_EVER:
        return;
    case WINDOW_LAST:
        emit(compiler, " AND e.ts > %s - make_interval(secs => $%zu)", compiler->now, param_seconds(compiler, window->last_us));
        return;
    case WINDOW_FIXED:
        if (!window->has_from)
            return;
        emit(compiler, " AND e.ts >= ");
        emit_moment(compiler, &window->from);
        return;
    case WINDOW_CALENDAR:
        emit(compiler, " AND e.ts >= ");
        emit_period_start(compiler, window, window->previous ? -1 : 0);
        return;
    case WINDOW_PERSON:
        emit(compiler, " AND e.ts >= ");
        emit_person_date(compiler, &window->date);
        if (!window->after)
            emit(compiler, " - make_interval(secs => $%zu)", param_seconds(compiler, window->length_us));
        return;
    }
}

void emit_window_end(struct compiler *compiler, const struct window *window)
{
    switch (window->kind) {
    case WINDOW_EVER:
        return;
    case WINDOW_LAST:
        if (window->skip_us)
            emit(compiler, " AND e.ts <= %s - make_interval(secs => $%zu)", compiler->now, param_seconds(compiler, window->skip_us));
        return;
    case WINDOW_FIXED:
        if (!window->has_to)
            return;
        emit(compiler, " AND e.ts < ");
        emit_moment(compiler, &window->to);
        return;
    case WINDOW_CALENDAR: /* that of T ends after T */
        if (!window->previous)
            return;
        emit(compiler, " AND e.ts < ");
        emit_period_start(compiler, window, 0);
        return;
    case WINDOW_PERSON:
        emit(compiler, " AND e.ts < ");
        emit_person_date(compiler, &window->date);
        if (window->after)
            emit(compiler, " + make_interval(secs => $%zu)", param_seconds(compiler, window->length_us));
        return;
    }
}

/* The oldest (newest) event of the names. Of one name it is the first of its range in the index, so that the partitions are asked one after the other until one
 * has it; of several names all events are looked at. */
static void emit_picked(struct compiler *compiler, const struct node *node)
{
    const char *desc = node->pick == PICK_FIRST ? "" : " DESC";
    bool one = !node->names.any && node->names.n == 1;

    emit(compiler, "(SELECT * FROM (SELECT * FROM event e WHERE e.profile_id = p.profile_id AND ");
    emit_names(compiler, &node->names);
    emit(compiler, " AND e.ts > $2 AND e.ts <= $1%s) e ORDER BY e.ts%s, e.received_at%s, e.message_id%s LIMIT 1) e", one ? "" : " OFFSET 0",
         desc, desc, desc);
}

size_t few_names(const struct names *names, const struct window *window, const char *ret_names[NAMES_APART_MAX])
{
    size_t n = 0;

    if (names->any || (window->kind != WINDOW_EVER && window->kind != WINDOW_FIXED && window->kind != WINDOW_LAST) ||
        (window->kind == WINDOW_LAST && window->last_us < FAR_US))
        return 0;
    for (size_t i = 0; i < names->n; i++) {
        size_t k = 0;

        while (k < n && strcmp(ret_names[k], names->items[i]) != 0)
            k++;
        if (k == NAMES_APART_MAX)
            return 0;
        if (k == n)
            ret_names[n++] = names->items[i];
    }
    return n < 2 ? 0 : n;
}

void emit_apart(struct compiler *compiler, const char *const *names, size_t n)
{
    emit(compiler, "unnest($%zu) AS k(id), LATERAL (SELECT * FROM event e WHERE e.profile_id = p.profile_id AND e.name_id = k.id",
         sql_items(compiler->sql, SQL_NAME_IDS, names, n));
}

static void emit_bounds(struct compiler *compiler, const struct window *window)
{
    emit(compiler, " AND e.ts > $2 AND e.ts <= $1");
    emit_window_begin(compiler, window);
    emit_window_end(compiler, window);
}

void emit_events(struct compiler *compiler, const struct node *node, char ret_value[VALUE_SQL])
{
    bool reads_rows = node->where || node->path || node->n_paths, plain = node->pick == PICK_NONE;
    const char *names[NAMES_APART_MAX];
    size_t n_names = plain && reads_rows ? few_names(&node->names, &node->window, names) : 0;

    emit(compiler, " FROM ");
    if (n_names) {
        emit_apart(compiler, names, n_names);
        emit_bounds(compiler, &node->window);
        emit(compiler, " OFFSET 0) e");
    } else if (plain) {
        emit(compiler, "event e");
    } else {
        emit_picked(compiler, node);
    }
    if (node->path && node->path->many) {
        emit(compiler, ", ");
        emit_path_rows(compiler, "e.properties", node->path, ret_value);
    } else if (node->path) {
        path_value(compiler, "e.properties", node->path, ret_value);
    }
    emit(compiler, " WHERE ");
    if (plain && !n_names) {
        emit(compiler, "e.profile_id = p.profile_id AND ");
        emit_names(compiler, &node->names);
        emit_bounds(compiler, &node->window);
    } else {
        emit(compiler, "true");
    }
    if (!plain) {
        emit_window_begin(compiler, &node->window);
        emit_window_end(compiler, &node->window);
    }
    if (node->where) {
        emit(compiler, " AND ");
        emit_predicate(compiler, node->where);
    }
}

/* The count from which on the comparators keep their answer, or -1 when it is too far to be worth a bound. */
static int64_t count_bound(const struct tests *tests)
{
    const int64_t far = 1000000;
    int64_t bound = 0;

    for (size_t i = 0; i < tests->n; i++) {
        const struct test *test = &tests->items[i];

        for (size_t k = 0; k < test->n; k++) {
            struct decimal operand = decimal_read(test->operands[k].text, 0);
            int64_t at = operand.negative ? 0 : operand.whole + (operand.fraction || (test->op != OP_GTE && test->op != OP_LT));

            if (at > far)
                return -1;
            bound = at > bound ? at : bound;
        }
    }
    return bound;
}

/* Does what the measure counts have at least one, or none? Else the number of them, bounded, is compared. */
static void emit_count(struct compiler *compiler, const struct node *node)
{
    int64_t bound = count_bound(&node->tests);
    char value[VALUE_SQL];

    if (bound == 0) {
        emit(compiler, "%s", decimal_all_hold(&node->tests, 0) ? "true" : "false");
        return;
    }
    if (bound == 1) {
        bool one = decimal_all_hold(&node->tests, 1), none = decimal_all_hold(&node->tests, 0);

        if (one == none) {
            emit(compiler, "%s", one ? "true" : "false");
            return;
        }
        emit(compiler, "%sEXISTS (SELECT", one ? "" : "NOT ");
        emit_events(compiler, node, value);
        emit(compiler, " OFFSET 0)");
        return;
    }
    emit(compiler, "(SELECT ");
    emit_comparators(compiler, "count(*)", &node->tests);
    if (bound < 0) {
        emit_events(compiler, node, value);
        emit(compiler, ")");
        return;
    }
    emit(compiler, " FROM (SELECT");
    emit_events(compiler, node, value);
    emit(compiler, " LIMIT $%zu) n)", sql_number(compiler->sql, SQL_INT, bound));
}

/* Of several paths the first value that is numeric, each taken from the document once. */
static void emit_first_numbers(struct compiler *compiler, const struct node *node)
{
    char value[VALUE_SQL];

    emit(compiler, " FROM (SELECT to_jsonb(coalesce(");
    for (size_t i = 0; i < node->n_paths; i++)
        emit(compiler, "%svalue_number(x.v%zu)", i ? ", " : "", i);
    emit(compiler, ")) AS v FROM (SELECT ");
    for (size_t i = 0; i < node->n_paths; i++) {
        path_value(compiler, "e.properties", node->paths[i], value);
        emit(compiler, "%s%s AS v%zu", i ? ", " : "", value, i);
    }
    emit_events(compiler, node, value);
    emit(compiler, " OFFSET 0) x OFFSET 0) m");
}

void emit_values(struct compiler *compiler, const struct node *node)
{
    AUTO_BUF struct buf events = BUF_INIT(SQL_TEXT_MAX);
    struct buf *out = compiler->out;
    char value[VALUE_SQL] = "e.ts";

    if (node->n_paths) {
        emit_first_numbers(compiler, node);
        return;
    }
    compiler->out = &events;
    emit_events(compiler, node, value);
    compiler->out = out;
    emit(compiler, " FROM (SELECT %s AS v%s OFFSET 0) m", value, buf_text(&events));
}

static void emit_aggregate(struct compiler *compiler, const struct node *node, const char *aggregate)
{
    emit(compiler, "(SELECT (");
    emit_comparators(compiler, aggregate, &node->tests);
    emit(compiler, ") IS TRUE");
    emit_values(compiler, node);
    emit(compiler, ")");
}

/* sum compared with operand × count: a mean would have to be rounded. */
static void emit_average(struct compiler *compiler, const struct node *node)
{
    const char *and = "";

    emit(compiler, "(SELECT (");
    for (size_t i = 0; i < node->tests.n; i++) {
        const struct test *test = &node->tests.items[i];

        for (size_t k = 0; k < test->n; k++) {
            struct test one = {.op = test->op != OP_BETWEEN ? test->op : k ? OP_LTE : OP_GTE, .operands = &test->operands[k], .n = 1};
            struct tests only = {.items = &one, .n = 1};

            emit(compiler, "%s", and);
            emit_comparators(compiler, "sum(value_number(m.v))", &only);
            emit(compiler, " * count(value_number(m.v))");
            and = " AND ";
        }
    }
    emit(compiler, ") IS TRUE");
    emit_values(compiler, node);
    emit(compiler, ")");
}

/* Distinct periods of the time zone. */
static void emit_periods(struct compiler *compiler, const struct node *node, const char *unit)
{
    AUTO_BUF struct buf aggregate = BUF_INIT(VALUE_SQL);

    buf_addf(&aggregate, "count(DISTINCT date_trunc('%s', m.v AT TIME ZONE $%zu))", unit, param_zone(compiler));
    emit_aggregate(compiler, node, buf_text(&aggregate));
}

void emit_event(struct compiler *compiler, const struct node *node)
{
    switch (node->measure) {
    case MEASURE_COUNT:
        emit_count(compiler, node);
        return;
    case MEASURE_SUM:
        emit_aggregate(compiler, node, "coalesce(sum(value_number(m.v)), 0)");
        return;
    case MEASURE_AVG:
        emit_average(compiler, node);
        return;
    case MEASURE_MIN:
        emit_aggregate(compiler, node, "min(value_number(m.v))");
        return;
    case MEASURE_MAX:
        emit_aggregate(compiler, node, "max(value_number(m.v))");
        return;
    case MEASURE_DISTINCT:
        emit_aggregate(compiler, node, "count(DISTINCT value_text(m.v) COLLATE \"C\")");
        return;
    case MEASURE_DAYS:
        emit_periods(compiler, node, "day");
        return;
    case MEASURE_WEEKS:
        emit_periods(compiler, node, "week");
        return;
    case MEASURE_MONTHS:
        emit_periods(compiler, node, "month");
        return;
    }
    BUG("no such measure");
}
