/* Windows, events and the person's dates for the judge. The one idea: of a window two spans are known, what surely lies in it and what may, and
 * so of a number that an event condition compares the least and the most that it can be; mostly the two are one. The events lie sorted by
 * name and instant, so a count is two searches for each name. The spans are those of compile_event.c, to the microsecond. */
#include "segment/judge_parts.h"

#include <string.h>

#include "server/base/clock.h"

/* More than any zone's clocks are away from UTC, and than they are set by. */
#define ZONE_SLACK_US (26 * 3600 * US_PER_S)
#define DAY_US        (86400 * US_PER_S)

static const struct judge_names ANY_NAME = {.any = true};

static int64_t plus(int64_t us, int64_t length_us)
{
    int64_t sum;

    if (__builtin_add_overflow(us, length_us, &sum))
        return length_us < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

/* --- Events of names in a span --- */

/* The first of [begin, end) that is not before (name_id, ts). */
static size_t find(const struct judge_event *events, size_t begin, size_t end, struct judge_event wanted)
{
    size_t n = end - begin;

    while (n > 0) {
        const struct judge_event *middle = &events[begin + n / 2];
        bool before = middle->name_id < wanted.name_id || (middle->name_id == wanted.name_id && middle->ts_us < wanted.ts_us);

        begin = before ? begin + n / 2 + 1 : begin;
        n = before ? n - n / 2 - 1 : n / 2;
    }
    return begin;
}

/* At an event of this name or one before. */
static bool find_range(struct judge_walk *walk, int32_t name_id)
{
    const struct judge_event *events = walk->facts->events;
    size_t n = walk->facts->n_events;
    bool there = walk->span.from == INT64_MIN && events[walk->at].name_id == name_id;

    walk->begin = there ? walk->at : find(events, walk->at, n, (struct judge_event){walk->span.from, name_id});
    walk->end = find(events, walk->begin, n, (struct judge_event){walk->span.to, name_id});
    walk->at = walk->end;
    return walk->end > walk->begin;
}

bool judge_next(struct judge_walk *walk)
{
    const struct judge_event *events = walk->facts->events;
    size_t n = walk->facts->n_events;

    if (walk->span.from >= walk->span.to)
        return false;
    while (walk->names->any && walk->at < n) {
        int32_t name_id = events[walk->at].name_id;
        bool found = find_range(walk, name_id);

        if (walk->span.to != INT64_MAX)
            walk->at = find(events, walk->at, n, (struct judge_event){INT64_MAX, name_id});
        if (found)
            return true;
    }
    while (walk->k < walk->names->n && walk->at < n) {
        int32_t name_id = walk->names->ids[walk->k++];

        if (events[walk->at].name_id <= name_id && find_range(walk, name_id))
            return true;
    }
    return false;
}

int64_t judge_count(const struct judge_facts *facts, const struct judge_names *names, struct judge_span span)
{
    struct judge_walk walk = {.facts = facts, .names = names, .span = span};
    int64_t n = 0;

    if (names->any && span.from == INT64_MIN && span.to == INT64_MAX)
        return (int64_t)facts->n_events;
    while (judge_next(&walk))
        n += (int64_t)(walk.end - walk.begin);
    return n;
}

/* The instant of the oldest (newest) of these events, or INSTANT_NONE. */
static int64_t extreme(const struct judge_facts *facts, const struct judge_names *names, struct judge_span span, bool newest)
{
    struct judge_walk walk = {.facts = facts, .names = names, .span = span};
    int64_t found = INSTANT_NONE;

    while (judge_next(&walk)) {
        int64_t us = facts->events[newest ? walk.end - 1 : walk.begin].ts_us;

        if (found == INSTANT_NONE || (newest ? us > found : us < found))
            found = us;
    }
    return found;
}

/* --- Windows --- */

/* As emit_person_date; a trait's only of who has none. */
static int64_t person_date(const struct judge_facts *facts, const struct person_date *date)
{
    if (date->kind == DATE_TRAIT)
        return INSTANT_NONE;
    if (date->kind == DATE_LAST_SEEN)
        return extreme(facts, &ANY_NAME, JUDGE_ALWAYS, true);
    if (facts->first_seen_us == INSTANT_NONE)
        return INSTANT_NONE;
    if (facts->first_seen_us <= facts->floor_us)
        return extreme(facts, &ANY_NAME, JUDGE_ALWAYS, false);
    return facts->first_seen_us <= facts->as_of_us ? facts->first_seen_us : INSTANT_NONE;
}

static struct judge_window known(int64_t from, int64_t to)
{
    return (struct judge_window){.sure = {from, to}, .may = {from, to}};
}

static bool is_known(const struct judge_window *window)
{
    return window->sure.from == window->may.from && window->sure.to == window->may.to;
}

/* How far the instant may be from moment->us. */
static int64_t slack(const struct judge *judge, const struct moment *moment)
{
    return moment->form == INSTANT_EXACT || judge->utc ? 0 : ZONE_SLACK_US;
}

static struct judge_window fixed_window(const struct judge *judge, const struct window *window)
{
    struct judge_window made = known(INT64_MIN, INT64_MAX);

    if (window->has_from) {
        made.sure.from = window->from.us + slack(judge, &window->from);
        made.may.from = window->from.us - slack(judge, &window->from);
    }
    if (window->has_to) {
        made.sure.to = window->to.us - slack(judge, &window->to);
        made.may.to = window->to.us + slack(judge, &window->to);
    }
    return made;
}

static struct judge_window person_window(const struct judge_facts *facts, const struct window *window)
{
    int64_t date_us;

    if (window->date.kind == DATE_TRAIT && !facts->no_traits)
        return (struct judge_window){.sure = JUDGE_NEVER, .may = JUDGE_ALWAYS};
    date_us = person_date(facts, &window->date);
    if (date_us == INSTANT_NONE)
        return (struct judge_window){.sure = JUDGE_NEVER, .may = JUDGE_NEVER};
    return window->after ? known(date_us, plus(date_us, window->length_us)) : known(plus(date_us, -window->length_us), date_us);
}

struct judge_window judge_window(const struct judge *judge, const struct judge_facts *facts, const struct window *window)
{
    int64_t before_us, start_us;

    switch (window->kind) {
    case WINDOW_EVER:
        return known(INT64_MIN, INT64_MAX);
    case WINDOW_LAST: /* as_of − last < ts <= as_of − skip */
        return known(plus(facts->as_of_us, 1 - window->last_us), window->skip_us ? plus(facts->as_of_us, 1 - window->skip_us) : INT64_MAX);
    case WINDOW_FIXED:
        return fixed_window(judge, window);
    case WINDOW_CALENDAR:
        if (!facts->period || !facts->period(facts->context, window->period, &before_us, &start_us))
            return (struct judge_window){.sure = JUDGE_NEVER, .may = JUDGE_ALWAYS};
        return window->previous ? known(before_us, start_us) : known(start_us, INT64_MAX);
    case WINDOW_PERSON:
        return person_window(facts, window);
    }
    BUG("no such window");
}

/* Two of the longest such periods, and the clocks' slack. */
static int64_t two_periods_us(enum segment_period period)
{
    static const int64_t days[] = {[PERIOD_DAY] = 1, [PERIOD_WEEK] = 7, [PERIOD_MONTH] = 31, [PERIOD_QUARTER] = 92, [PERIOD_YEAR] = 366};

    return 2 * days[period] * DAY_US + ZONE_SLACK_US;
}

int64_t judge_window_since(const struct judge *judge, const struct window *window, int64_t as_of_us)
{
    switch (window->kind) {
    case WINDOW_LAST:
        return plus(as_of_us, -window->last_us);
    case WINDOW_FIXED:
        return window->has_from ? plus(window->from.us - slack(judge, &window->from), -1) : INT64_MIN;
    case WINDOW_CALENDAR:
        return plus(as_of_us, -two_periods_us(window->period));
    case WINDOW_EVER:
    case WINDOW_PERSON:
        return INT64_MIN;
    }
    BUG("no such window");
}

/* --- Measures --- */

struct measured {
    int64_t least;
    int64_t most;
};

static int64_t period_end(enum measure measure, int64_t us)
{
    int64_t day = us / DAY_US - (us % DAY_US < 0);

    if (measure == MEASURE_MONTHS)
        return instant_next_month(us);
    if (measure == MEASURE_DAYS)
        return (day + 1) * DAY_US;
    day += 3; /* from a Monday: 1970 began with a Thursday */
    return (day - (day % 7 + 7) % 7 + 7 - 3) * DAY_US;
}

/* Distinct periods of UTC that have one of these events, counted to `enough`. */
static int64_t count_periods(const struct judge_facts *facts, const struct judge_part *part, enum measure measure, struct judge_span span)
{
    int64_t enough = accepted_enough(&part->accepted), n = 0;

    while (n < enough) {
        int64_t us = extreme(facts, &part->names, span, false);

        if (us == INSTANT_NONE)
            break;
        n++;
        span.from = period_end(measure, us);
    }
    return n;
}

/* Of these events in the window. */
static struct measured periods(const struct judge *judge, const struct judge_facts *facts, const struct node *node,
                               const struct judge_window *window, struct measured events)
{
    const struct judge_part *part = &judge->parts[node->number];

    if (events.most <= 1 || !judge->utc)
        return (struct measured){.least = events.least > 0, .most = events.most};
    events.most = count_periods(facts, part, node->measure, window->may);
    if (events.least)
        events.least = is_known(window) ? events.most : count_periods(facts, part, node->measure, window->sure);
    return events;
}

static bool within(struct judge_span span, int64_t us)
{
    return us != INSTANT_NONE && us >= span.from && us < span.to;
}

/* How many events count. Those with one instant are either all first (last) or none, so which of them was picked does not matter. */
static struct measured count(const struct judge_facts *facts, const struct judge_names *names, const struct node *node,
                             const struct judge_window *window)
{
    struct measured n;

    if (node->pick != PICK_NONE) {
        int64_t us = extreme(facts, names, JUDGE_ALWAYS, node->pick == PICK_LAST);

        n = (struct measured){.least = within(window->sure, us), .most = within(window->may, us)};
    } else {
        n.most = judge_count(facts, names, window->may);
        n.least = n.most;
        if (!node->where && !is_known(window))
            n.least = judge_count(facts, names, window->sure);
    }
    if (node->where)
        n.least = 0;
    return n;
}

static enum verdict compared(const struct judge_part *part, struct measured number)
{
    return judge_verdict(accepted_holds(&part->accepted, number.least, number.most));
}

enum verdict judge_event(const struct judge *judge, const struct judge_facts *facts, const struct node *node)
{
    const struct judge_part *part = &judge->parts[node->number];
    struct judge_window window = judge_window(judge, facts, &node->window);
    struct measured n = count(facts, &part->names, node, &window);

    switch (node->measure) {
    case MEASURE_COUNT:
        return compared(part, n);
    case MEASURE_SUM: /* 0 over nothing */
        return n.most ? VERDICT_UNSURE : compared(part, n);
    case MEASURE_AVG: /* null over nothing, of which no comparator holds */
    case MEASURE_MIN:
    case MEASURE_MAX:
        return n.most ? VERDICT_UNSURE : VERDICT_NO;
    case MEASURE_DISTINCT: /* an event gives one value, or with [] any number */
        n = (struct measured){.least = 0, .most = n.most && node->path->many ? DECIMAL_HUGE : n.most};
        return compared(part, n);
    case MEASURE_DAYS:
    case MEASURE_WEEKS:
    case MEASURE_MONTHS:
        return compared(part, periods(judge, facts, node, &window, n));
    }
    BUG("no such measure");
}

/* --- The person's dates --- */

static enum verdict judge_moment(const struct judge *judge, const struct test *test, int64_t us)
{
    const struct moment *moment = &test->operands->moment;
    int64_t about_us = slack(judge, moment);

    if (about_us && us >= moment->us - about_us && us <= moment->us + about_us)
        return VERDICT_UNSURE;
    return judge_verdict(test->op == OP_BEFORE ? us < moment->us : us > moment->us);
}

static enum verdict judge_instant(const struct judge *judge, const struct judge_facts *facts, const struct test *test, int64_t us)
{
    const struct operand *operand = test->operands;

    if (test->op == OP_EXISTS)
        return judge_verdict((us != INSTANT_NONE) == (operand->text[0] == 't'));
    if (us == INSTANT_NONE)
        return VERDICT_NO;
    switch ((int)test->op) {
    case OP_BEFORE:
    case OP_AFTER:
        return judge_moment(judge, test, us);
    case OP_WITHIN_LAST:
        return judge_verdict(us > plus(facts->as_of_us, -operand->us));
    case OP_WITHIN_NEXT: /* it is never after T */
        return VERDICT_NO;
    default:
        return VERDICT_UNSURE;
    }
}

int64_t judge_seen_since(const struct node *node, int64_t as_of_us)
{
    int64_t since_us = as_of_us;

    if (node->date.kind == DATE_FIRST_SEEN)
        return INT64_MIN;
    for (size_t i = 0; i < node->tests.n; i++) {
        const struct test *test = &node->tests.items[i];

        if (test->op != OP_WITHIN_LAST)
            return INT64_MIN;
        if (plus(as_of_us, -test->operands->us) < since_us)
            since_us = plus(as_of_us, -test->operands->us);
    }
    return since_us;
}

enum verdict judge_seen(const struct judge *judge, const struct judge_facts *facts, const struct node *node)
{
    int64_t us = person_date(facts, &node->date);
    enum verdict all = VERDICT_YES;

    for (size_t i = 0; i < node->tests.n && all != VERDICT_NO; i++) {
        enum verdict one = judge_instant(judge, facts, &node->tests.items[i], us);

        all = one == VERDICT_YES ? all : one;
    }
    return all;
}
