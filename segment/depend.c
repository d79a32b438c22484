/* What a definition depends on. The one idea: one walk over the tree, each form adding what can move it. An event, a trait or another segment
 * moves a profile when it changes; time alone moves one only where the form compares something with T, and then at a known distance from one
 * of its events or dates. The table in docs/segments.md ("What time alone moves") argues each form. Wrong here is stale members, so a form
 * that is in doubt gives more, never less. */
#include <string.h>

#include "segment/ast.h"
#include "segment/decimal.h"

static void add_text(struct segment *segment, const char *const **texts, size_t *n, const char *text)
{
    const char **grown;

    for (size_t i = 0; i < *n; i++)
        if (strcmp((*texts)[i], text) == 0)
            return;
    grown = segment_push(segment, (void *)*texts, *n, sizeof *grown);
    grown[(*n)++] = text;
    *texts = grown;
}

static void add_names(struct segment *segment, struct segment_names *to, const struct names *names)
{
    to->any_event |= names->any;
    for (size_t i = 0; i < names->n; i++)
        add_text(segment, &to->names, &to->n_names, names->items[i]);
}

static const struct names ANY_EVENT = {.any = true};

static void add_expiry(struct segment *segment, int64_t after_us, const struct names *names)
{
    struct segment_depends *depends = &segment->depends;
    struct segment_expiry *expiries = (struct segment_expiry *)depends->expiries;
    size_t i = 0;

    while (i < depends->n_expiries && expiries[i].after_us != after_us)
        i++;
    if (i == depends->n_expiries) {
        depends->expiries = expiries = segment_push(segment, expiries, depends->n_expiries++, sizeof *expiries);
        expiries[i].after_us = after_us;
    }
    add_names(segment, &expiries[i].events, names);
}

static void add_calendar(struct segment *segment, const struct window *window, const struct names *names)
{
    struct segment_depends *depends = &segment->depends;
    struct segment_calendar *calendars = (struct segment_calendar *)depends->calendars;
    size_t i = 0;

    while (i < depends->n_calendars && (calendars[i].period != window->period || calendars[i].last != window->previous))
        i++;
    if (i == depends->n_calendars) {
        depends->calendars = calendars = segment_push(segment, calendars, depends->n_calendars++, sizeof *calendars);
        calendars[i].period = window->period;
        calendars[i].last = window->previous;
    }
    add_names(segment, &calendars[i].events, names);
}

/* A value at v moves its profile when T passes v + offset_us. */
static void add_date(struct segment *segment, const char *path, int64_t offset_us)
{
    struct segment_depends *depends = &segment->depends;
    struct segment_date *dates = (struct segment_date *)depends->dates;

    for (size_t i = 0; i < depends->n_dates; i++)
        if (!dates[i].anniversary && dates[i].offset_us == offset_us && strcmp(dates[i].path, path) == 0)
            return;
    depends->dates = dates = segment_push(segment, dates, depends->n_dates, sizeof *dates);
    dates[depends->n_dates++] = (struct segment_date){.path = path, .offset_us = offset_us};
}

static void add_anniversary(struct segment *segment, const char *path, int64_t days)
{
    struct segment_depends *depends = &segment->depends;
    struct segment_date *dates = (struct segment_date *)depends->dates;

    for (size_t i = 0; i < depends->n_dates; i++)
        if (dates[i].anniversary && dates[i].days == days && strcmp(dates[i].path, path) == 0)
            return;
    depends->dates = dates = segment_push(segment, dates, depends->n_dates, sizeof *dates);
    dates[depends->n_dates++] = (struct segment_date){.path = path, .anniversary = true, .days = days};
}

static void add_trait(struct segment *segment, const struct path *path)
{
    add_text(segment, &segment->depends.traits, &segment->depends.n_traits, path->steps[0].name);
}

/* The person's own instant, of a window or a condition. first_seen is a column with a pseudo-path of its own, last_seen is its newest event. */
static void add_person_date(struct segment *segment, const struct person_date *date)
{
    switch (date->kind) {
    case DATE_FIRST_SEEN:
        segment->depends.first_seen = true;
        return;
    case DATE_LAST_SEEN:
        add_names(segment, &segment->depends.events, &ANY_EVENT);
        return;
    case DATE_TRAIT:
        add_trait(segment, date->path);
        return;
    }
}

/* The window of events of these names. A fixed one and one about a person's date hold or not whatever T is, as no event has ts > T. */
static void add_window(struct segment *segment, const struct window *window, const struct names *names)
{
    switch (window->kind) {
    case WINDOW_EVER:
    case WINDOW_FIXED:
        return;
    case WINDOW_LAST: /* an event leaves at ts + last and comes in at ts + skip */
        add_expiry(segment, window->last_us, names);
        if (window->skip_us)
            add_expiry(segment, window->skip_us, names);
        return;
    case WINDOW_CALENDAR:
        add_calendar(segment, window, names);
        return;
    case WINDOW_PERSON:
        add_person_date(segment, &window->date);
        return;
    }
}

static void add_sequence(struct segment *segment, const struct node *node)
{
    const struct step *last = &node->steps[node->n_steps - 1];

    for (size_t i = 0; i < node->n_steps; i++) {
        add_names(segment, &segment->depends.events, &node->steps[i].names);
        if (!node->steps[i].absent)
            add_window(segment, &node->window, &node->steps[i].names);
    }
    if (last->for_us) /* the absence is complete when T reaches the step before + for */
        add_expiry(segment, last->for_us, &last[-1].names);
}

static void add_trait_leaf(struct segment *segment, const struct node *node)
{
    const char *path = node->path->text;

    add_trait(segment, node->path);
    for (size_t i = 0; i < node->tests.n; i++) {
        const struct test *test = &node->tests.items[i];

        if (test->op == OP_WITHIN_LAST) { /* T − d < v <= T: from v to v + d */
            add_date(segment, path, 0);
            add_date(segment, path, test->operands->us);
        } else if (test->op == OP_WITHIN_NEXT) { /* T < v <= T + d: from v − d to v */
            add_date(segment, path, -test->operands->us);
            add_date(segment, path, 0);
        } else if (test->op == OP_ANNIVERSARY_IN) {
            add_anniversary(segment, path, test->operands->us / (86400 * INT64_C(1000000)));
        }
    }
}

/* The instant of the oldest or newest event is never after T, so within_next moves nothing and within_last only ends. */
static void add_seen(struct segment *segment, const struct node *node)
{
    add_person_date(segment, &node->date);
    for (size_t i = 0; i < node->tests.n; i++) {
        const struct test *test = &node->tests.items[i];

        if (test->op != OP_WITHIN_LAST)
            continue;
        if (node->date.kind == DATE_FIRST_SEEN)
            add_date(segment, "$first_seen", test->operands->us);
        else
            add_expiry(segment, test->operands->us, &ANY_EVENT);
    }
}

static void add_node(struct segment *segment, const struct node *node)
{
    struct segment_depends *depends = &segment->depends;

    for (size_t i = 0; i < node->n_parts; i++)
        add_node(segment, node->parts[i]);
    switch (node->kind) {
    case NODE_ALL:
    case NODE_ANY:
    case NODE_NOT:
    case NODE_SOME:
    case NODE_SCORE:
    case NODE_IDENTIFIED: /* a profile gets its user id when it is made or merged, and is whole in touched then */
    case NODE_BUCKET:
        return;
    case NODE_EVENT:
        add_names(segment, &depends->events, &node->names);
        add_window(segment, &node->window, &node->names);
        return;
    case NODE_SEQUENCE:
        add_sequence(segment, node);
        return;
    case NODE_TRAIT:
        add_trait_leaf(segment, node);
        return;
    case NODE_SEEN:
        add_seen(segment, node);
        return;
    case NODE_SEGMENT:
        add_text(segment, &depends->segments, &depends->n_segments, node->key);
        return;
    case NODE_CONSENT:
        add_text(segment, &depends->channels, &depends->n_channels, node->key);
        return;
    }
}

/* What a condition can be for a profile without events, traits and consents: surely true, surely false, or either. */
enum sure { SURELY_NOT, SURELY, EITHER };

static enum sure sure(bool value)
{
    return value ? SURELY : SURELY_NOT;
}

static enum sure empty_some(const struct tests *tests, size_t n_surely, size_t n_maybe)
{
    bool can = false, must = true;

    for (size_t n = n_surely; n <= n_surely + n_maybe; n++) {
        bool holds = decimal_all_hold(tests, (int64_t)n);

        can |= holds;
        must &= holds;
    }
    return must ? SURELY : can ? EITHER : SURELY_NOT;
}

bool leaf_of_nothing(const struct tests *tests)
{
    for (size_t i = 0; i < tests->n; i++) {
        const struct test *test = &tests->items[i];
        bool holds = test->op == OP_NEQ || test->op == OP_NIN || (test->op == OP_EXISTS && strcmp(test->operands->text, "false") == 0);

        if (!holds)
            return false;
    }
    return true;
}

bool consent_of_unknown(const struct tests *tests)
{
    for (size_t i = 0; i < tests->n; i++) {
        const struct test *test = &tests->items[i];
        bool listed = false;

        for (size_t k = 0; k < test->n; k++)
            listed |= strcmp(test->operands[k].text, "unknown") == 0;
        if (listed != (test->op == OP_EQ || test->op == OP_IN))
            return false;
    }
    return true;
}

static bool measure_of_nothing(const struct node *node)
{
    bool has_value = node->measure != MEASURE_AVG && node->measure != MEASURE_MIN && node->measure != MEASURE_MAX;

    return has_value && decimal_all_hold(&node->tests, 0);
}

static enum sure empty_holds(const struct node *node)
{
    size_t n_surely = 0, n_maybe = 0;

    for (size_t i = 0; i < node->n_parts; i++) {
        enum sure part = empty_holds(node->parts[i]);

        n_surely += part == SURELY;
        n_maybe += part == EITHER;
    }
    switch (node->kind) {
    case NODE_ALL:
        return n_surely == node->n_parts ? SURELY : n_surely + n_maybe == node->n_parts ? EITHER : SURELY_NOT;
    case NODE_ANY:
        return n_surely ? SURELY : n_maybe ? EITHER : SURELY_NOT;
    case NODE_NOT:
        return n_maybe ? EITHER : sure(!n_surely);
    case NODE_SOME:
        return empty_some(&node->tests, n_surely, n_maybe);
    case NODE_SCORE: /* the sum is known when nothing holds */
        return n_surely + n_maybe ? EITHER : sure(decimal_all_hold(&node->tests, 0));
    case NODE_EVENT:
        return sure(measure_of_nothing(node));
    case NODE_SEQUENCE:
        return SURELY_NOT;
    case NODE_TRAIT:
    case NODE_SEEN:
        return sure(leaf_of_nothing(&node->tests));
    case NODE_CONSENT:
        return sure(consent_of_unknown(&node->tests));
    case NODE_IDENTIFIED:
    case NODE_SEGMENT:
    case NODE_BUCKET:
        return EITHER;
    }
    BUG("no such condition");
}

void segment_find_depends(struct segment *segment)
{
    add_node(segment, segment->root);
    segment->depends.empty_can_hold = empty_holds(segment->root) != SURELY_NOT;
}
