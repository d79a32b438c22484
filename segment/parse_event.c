/* Event conditions: names, measure, pick and the window. The one idea: a window is one of five kinds, told apart by the member it
 * begins with, and members of two kinds are an error, never a guess. Instants without an offset stay as written: the time zone is
 * the database's. */
#include <string.h>

#include "segment/parse.h"

static bool parse_one_name(struct parser *parser, const struct spot *spot, struct json value, const char **ret_name)
{
    if (!parse_name(parser, spot, value, ret_name))
        return false;
    if (!strcmp(*ret_name, "$identify") || !strcmp(*ret_name, "$alias") || !strcmp(*ret_name, "$group"))
        return parse_fail(parser, spot, "reserved", "identify, alias and group calls are no events, so they cannot be counted");
    return true;
}

bool parse_names(struct parser *parser, const struct spot *spot, struct json value, struct names *ret_names)
{
    const char **items;
    struct json_iter iter;
    struct json element;

    if (value.type == JSON_T_ARRAY && !parse_list(parser, spot, value, LIST_ITEMS_MAX))
        return false;
    ret_names->any = json_is(value, "*");
    if (ret_names->any)
        return true;
    items = segment_alloc(parser->segment, (value.type == JSON_T_ARRAY ? json_count(value) : 1) * sizeof *items);
    ret_names->items = items;
    if (value.type != JSON_T_ARRAY)
        return parse_one_name(parser, spot, value, &items[ret_names->n++]);
    iter = json_iter(value);
    for (; json_next_element(&iter, &element); ret_names->n++) {
        if (json_is(element, "*"))
            return parse_fail(parser, SPOT_ELEMENT(spot, ret_names->n), "bad_operand", "\"*\" means all events and stands alone");
        if (!parse_one_name(parser, SPOT_ELEMENT(spot, ret_names->n), element, &items[ret_names->n]))
            return false;
    }
    return true;
}

static bool parse_last(struct parser *parser, const struct spot *spot, struct json object, struct window *ret_window)
{
    ret_window->kind = WINDOW_LAST;
    if (!parse_duration_member(parser, spot, object, "last", &ret_window->last_us))
        return false;
    if (!parse_duration_member(parser, spot, object, "skip", &ret_window->skip_us))
        return false;
    if (ret_window->skip_us >= ret_window->last_us)
        return parse_fail(parser, SPOT_MEMBER(spot, "skip"), "bad_window", "skip is not below last");
    return true;
}

/* Two instants of unlike forms are compared as far as that is sure without the time zone. */
static bool is_before(const struct moment *a, const struct moment *b)
{
    const int64_t day_us = 86400 * INT64_C(1000000);
    bool alike = (a->form == INSTANT_EXACT) == (b->form == INSTANT_EXACT);

    return a->us < b->us + (alike ? 0 : day_us);
}

static bool parse_fixed(struct parser *parser, const struct spot *spot, struct json object, struct window *ret_window)
{
    struct json from = json_get(object, "from"), to = json_get(object, "to");

    ret_window->kind = WINDOW_FIXED;
    ret_window->has_from = from.type != JSON_T_NONE;
    ret_window->has_to = to.type != JSON_T_NONE;
    if (ret_window->has_from && !parse_moment(parser, SPOT_MEMBER(spot, "from"), from, &ret_window->from))
        return false;
    if (ret_window->has_to && !parse_moment(parser, SPOT_MEMBER(spot, "to"), to, &ret_window->to))
        return false;
    if (ret_window->has_from && ret_window->has_to && !is_before(&ret_window->from, &ret_window->to))
        return parse_fail(parser, SPOT_MEMBER(spot, "to"), "bad_window", "from is not before to");
    return true;
}

static bool parse_calendar(struct parser *parser, const struct spot *spot, struct json object, struct window *ret_window)
{
    static const struct {
        const char *name;
        enum segment_period period;
        bool previous;
    } periods[] = {
        {"today", PERIOD_DAY, false},
        {"yesterday", PERIOD_DAY, true},
        {"this_week", PERIOD_WEEK, false},
        {"last_week", PERIOD_WEEK, true},
        {"this_month", PERIOD_MONTH, false},
        {"last_month", PERIOD_MONTH, true},
        {"this_quarter", PERIOD_QUARTER, false},
        {"last_quarter", PERIOD_QUARTER, true},
        {"this_year", PERIOD_YEAR, false},
        {"last_year", PERIOD_YEAR, true},
    };
    struct json value = json_get(object, "calendar");

    ret_window->kind = WINDOW_CALENDAR;
    for (size_t i = 0; i < ARRAY_LEN(periods); i++) {
        if (!json_is(value, periods[i].name))
            continue;
        ret_window->period = periods[i].period;
        ret_window->previous = periods[i].previous;
        return true;
    }
    return parse_fail(parser, SPOT_MEMBER(spot, "calendar"), value.type == JSON_T_STRING ? "bad_operand" : "wrong_type",
                      "a calendar period is today, yesterday, or this_ or last_ with week, month, quarter or year");
}

static bool parse_date(struct parser *parser, const struct spot *spot, struct json object, struct person_date *ret_date)
{
    static const char *const keys[] = {"profile", "trait", NULL};
    struct json profile, trait;

    if (!parse_members(parser, spot, object, keys, 0))
        return false;
    profile = json_get(object, "profile");
    trait = json_get(object, "trait");
    if ((profile.type == JSON_T_NONE) == (trait.type == JSON_T_NONE))
        return parse_fail(parser, spot, "bad_window", "one of \"profile\" and \"trait\" is expected");
    if (trait.type != JSON_T_NONE) {
        ret_date->kind = DATE_TRAIT;
        return parse_plain_path(parser, SPOT_MEMBER(spot, "trait"), trait, &ret_date->path);
    }
    ret_date->kind = json_is(profile, "first_seen") ? DATE_FIRST_SEEN : DATE_LAST_SEEN;
    return ret_date->kind == DATE_FIRST_SEEN || json_is(profile, "last_seen") ||
           parse_fail(parser, SPOT_MEMBER(spot, "profile"), "bad_operand", "\"first_seen\" or \"last_seen\" is expected");
}

static bool parse_person(struct parser *parser, const struct spot *spot, struct json object, struct window *ret_window)
{
    struct json after = json_get(object, "after");

    ret_window->kind = WINDOW_PERSON;
    ret_window->after = after.type != JSON_T_NONE;
    if (json_get(object, "for").type == JSON_T_NONE)
        return parse_fail(parser, spot, "missing_member", "\"for\" is missing: how long the window is");
    if (!parse_duration_member(parser, spot, object, "for", &ret_window->length_us))
        return false;
    if (ret_window->after)
        return parse_date(parser, SPOT_MEMBER(spot, "after"), after, &ret_window->date);
    return parse_date(parser, SPOT_MEMBER(spot, "before"), json_get(object, "before"), &ret_window->date);
}

bool parse_window(struct parser *parser, const struct spot *spot, struct json object, struct window *ret_window)
{
    /* A form is told by its first member; the second may stand with it. */
    static const struct {
        const char *key;
        const char *with;
        bool (*parse)(struct parser *, const struct spot *, struct json, struct window *);
    } forms[] = {
        {"last", "skip", parse_last},    {"calendar", "", parse_calendar}, {"after", "for", parse_person},
        {"before", "for", parse_person}, {"from", "to", parse_fixed},      {"to", "from", parse_fixed},
    };
    static const char *const keys[] = {"last", "skip", "from", "to", "calendar", "after", "before", "for", NULL};
    struct json value = json_get(object, "window"), key, member;
    const struct spot *at = SPOT_MEMBER(spot, "window");
    struct json_iter iter;

    if (value.type == JSON_T_NONE)
        return true;
    if (!parse_members(parser, at, value, keys, 0))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (json_get(value, forms[i].key).type == JSON_T_NONE)
            continue;
        iter = json_iter(value);
        while (json_next_member(&iter, &key, &member))
            if (!json_is(key, forms[i].key) && !json_is(key, forms[i].with))
                return parse_fail(parser, &(struct spot){.up = at, .key = key}, "bad_window", "this does not stand beside \"%s\"",
                                  forms[i].key);
        return forms[i].parse(parser, at, value, ret_window);
    }
    return parse_fail(parser, at, "bad_window", "one of last, from, to, calendar, after and before is expected");
}

/* A path, or a list of paths without []. A list of one is that path. */
static bool parse_measure_path(struct parser *parser, const struct spot *spot, struct json value, struct node *node)
{
    const struct path **paths;
    struct json element;
    struct json_iter iter;

    if (value.type != JSON_T_ARRAY || node->measure == MEASURE_DISTINCT)
        return parse_path(parser, spot, value, &node->path);
    if (!parse_list(parser, spot, value, MEASURE_PATHS_MAX))
        return false;
    iter = json_iter(value);
    if (json_count(value) == 1)
        return json_next_element(&iter, &element) && parse_path(parser, SPOT_ELEMENT(spot, 0), element, &node->path);
    node->paths = paths = segment_alloc(parser->segment, json_count(value) * sizeof *paths);
    for (; json_next_element(&iter, &element); node->n_paths++)
        if (!parse_plain_path(parser, SPOT_ELEMENT(spot, node->n_paths), element, &paths[node->n_paths]))
            return false;
    return true;
}

static bool parse_measure(struct parser *parser, const struct spot *spot, struct json value, struct node *node)
{
    static const struct {
        const char *name;
        enum measure measure;
    } plain[] = {{"count", MEASURE_COUNT}, {"days", MEASURE_DAYS}, {"weeks", MEASURE_WEEKS}, {"months", MEASURE_MONTHS}},
      of_path[] = {{"sum", MEASURE_SUM}, {"avg", MEASURE_AVG}, {"min", MEASURE_MIN}, {"max", MEASURE_MAX}, {"distinct", MEASURE_DISTINCT}};
    static const char *const keys[] = {"sum", "avg", "min", "max", "distinct", NULL};

    if (value.type == JSON_T_NONE)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        if (json_is(value, plain[i].name)) {
            node->measure = plain[i].measure;
            return true;
        }
    }
    if (value.type == JSON_T_STRING)
        return parse_fail(parser, spot, "bad_operand",
                          "a measure is count, days, weeks, months, or one of sum, avg, min, max and distinct of a path");
    if (!parse_members(parser, spot, value, keys, 0))
        return false;
    if (json_count(value) != 1)
        return parse_fail(parser, spot, "bad_operand", "one of sum, avg, min, max and distinct is expected");
    for (size_t i = 0; i < ARRAY_LEN(of_path); i++) {
        struct json path = json_get(value, of_path[i].name);

        if (path.type == JSON_T_NONE)
            continue;
        node->measure = of_path[i].measure;
        return parse_measure_path(parser, SPOT_MEMBER(spot, of_path[i].name), path, node);
    }
    BUG("a measure without a name");
}

static bool parse_pick(struct parser *parser, const struct spot *spot, struct json value, struct node *node)
{
    if (value.type == JSON_T_NONE)
        return true;
    node->pick = json_is(value, "first") ? PICK_FIRST : PICK_LAST;
    return node->pick == PICK_FIRST || json_is(value, "last") ||
           parse_fail(parser, spot, value.type == JSON_T_STRING ? "bad_operand" : "wrong_type", "\"first\" or \"last\" is expected");
}

/* No comparator means at least one, where that means something. */
static bool default_comparator(struct parser *parser, const struct spot *spot, struct node *node)
{
    static const struct operand one = {.type = OPERAND_NUMBER, .text = "1"};
    static const struct test at_least_one = {.op = OP_GTE, .operands = &one, .n = 1};

    if (node->tests.n)
        return true;
    if (node->measure == MEASURE_SUM || node->measure == MEASURE_AVG || node->measure == MEASURE_MIN || node->measure == MEASURE_MAX)
        return parse_fail(parser, spot, "missing_member", "sum, avg, min and max need a comparator, for instance \"gte\"");
    node->tests = (struct tests){.items = &at_least_one, .n = 1};
    return true;
}

bool parse_event(struct parser *parser, const struct spot *spot, struct json object, struct node *node)
{
    return parse_names(parser, SPOT_MEMBER(spot, "event"), json_get(object, "event"), &node->names) &&
           parse_pick(parser, SPOT_MEMBER(spot, "pick"), json_get(object, "pick"), node) &&
           parse_measure(parser, SPOT_MEMBER(spot, "measure"), json_get(object, "measure"), node) &&
           parse_window(parser, spot, object, &node->window) && parse_tests(parser, spot, object, CONTEXT_MEASURE, &node->tests) &&
           default_comparator(parser, spot, node);
}
