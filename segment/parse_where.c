/* Predicates on one event: the tree below `where`, and below `has` on one array element. The one idea: the same parser reads both;
 * inside `has` only properties of the element can be asked for, as time and context belong to the event. Operators are read by
 * parse_test.c. */
#include "segment/parse.h"

static bool parse_predicate(struct parser *parser, const struct spot *spot, struct json value, size_t depth, struct predicate *predicate);

static bool parse_part(struct parser *parser, const struct spot *spot, struct json value, size_t depth, struct predicate *of)
{
    struct predicate *part = segment_alloc(parser->segment, sizeof *part);

    of->parts = segment_push(parser->segment, of->parts, of->n_parts, sizeof *of->parts);
    of->parts[of->n_parts++] = part;
    return parse_predicate(parser, spot, value, depth + 1, part);
}

static bool parse_parts(struct parser *parser, const struct spot *spot, struct json value, size_t depth, struct predicate *predicate)
{
    struct json_iter iter;
    struct json element;

    if (!parse_list(parser, spot, value, LIST_ITEMS_MAX))
        return false;
    iter = json_iter(value);
    while (json_next_element(&iter, &element))
        if (!parse_part(parser, SPOT_ELEMENT(spot, predicate->n_parts), element, depth, predicate))
            return false;
    return true;
}

static bool parse_all(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct predicate *predicate)
{
    predicate->kind = PREDICATE_ALL;
    return parse_parts(parser, SPOT_MEMBER(spot, "all"), json_get(object, "all"), depth, predicate);
}

static bool parse_any(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct predicate *predicate)
{
    predicate->kind = PREDICATE_ANY;
    return parse_parts(parser, SPOT_MEMBER(spot, "any"), json_get(object, "any"), depth, predicate);
}

static bool parse_not(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct predicate *predicate)
{
    predicate->kind = PREDICATE_NOT;
    return parse_part(parser, SPOT_MEMBER(spot, "not"), json_get(object, "not"), depth, predicate);
}

static bool parse_has(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct predicate *predicate)
{
    static const char *const keys[] = {"property", "has", "note", NULL};
    const struct path *path = predicate->path;
    bool outer = parser->in_element, ok;

    predicate->kind = PREDICATE_HAS;
    if (!parse_members(parser, spot, object, keys, 0))
        return false;
    if (!path->steps[path->n - 1].each)
        return parse_fail(parser, SPOT_MEMBER(spot, "property"), "bad_path", "has asks the elements of an array, so its path ends with []");
    parser->in_element = true;
    ok = parse_part(parser, SPOT_MEMBER(spot, "has"), json_get(object, "has"), depth, predicate);
    parser->in_element = outer;
    return ok;
}

static bool parse_property(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct predicate *predicate)
{
    predicate->kind = PREDICATE_PROPERTY;
    if (!parse_count_leaf(parser, spot) ||
        !parse_path(parser, SPOT_MEMBER(spot, "property"), json_get(object, "property"), &predicate->path))
        return false;
    if (json_get(object, "has").type != JSON_T_NONE)
        return parse_has(parser, spot, object, depth, predicate);
    return parse_some_tests(parser, spot, object, CONTEXT_VALUE, &predicate->tests);
}

static bool parse_context(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct predicate *predicate)
{
    (void)depth;
    predicate->kind = PREDICATE_CONTEXT;
    return parse_count_leaf(parser, spot) &&
           parse_path(parser, SPOT_MEMBER(spot, "context"), json_get(object, "context"), &predicate->path) &&
           parse_some_tests(parser, spot, object, CONTEXT_VALUE, &predicate->tests);
}

static bool parse_time(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct predicate *predicate)
{
    struct json unit = json_get(object, "time");

    (void)depth;
    predicate->kind = PREDICATE_TIME;
    predicate->weekday = json_is(unit, "weekday");
    parser->time_low = predicate->weekday ? 1 : 0;
    parser->time_high = predicate->weekday ? 7 : 23;
    if (!predicate->weekday && !json_is(unit, "hour"))
        return parse_fail(parser, SPOT_MEMBER(spot, "time"), "bad_operand", "\"hour\" or \"weekday\" is expected");
    return parse_count_leaf(parser, spot) && parse_some_tests(parser, spot, object, CONTEXT_TIME, &predicate->tests);
}

static bool parse_predicate(struct parser *parser, const struct spot *spot, struct json value, size_t depth, struct predicate *predicate)
{
    static const struct {
        const char *keys[4]; /* the first tells the form */
        unsigned contexts;
        bool of_event;
        bool (*parse)(struct parser *, const struct spot *, struct json, size_t, struct predicate *);
    } forms[] = {
        {{"all", "note", NULL}, 0, false, parse_all},
        {{"any", "note", NULL}, 0, false, parse_any},
        {{"not", "note", NULL}, 0, false, parse_not},
        {{"property", "has", "note", NULL}, CONTEXT_VALUE, false, parse_property},
        {{"context", "note", NULL}, CONTEXT_VALUE, true, parse_context},
        {{"time", "note", NULL}, CONTEXT_TIME, true, parse_time},
    };
    static const char *const none[] = {"note", NULL};

    if (!parse_check_depth(parser, spot, depth))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        if (json_get(value, forms[i].keys[0]).type == JSON_T_NONE)
            continue;
        if (forms[i].of_event && parser->in_element)
            return parse_fail(parser, SPOT_MEMBER(spot, forms[i].keys[0]), "unknown_member",
                              "inside has only the element's properties can be asked for");
        return parse_members(parser, spot, value, forms[i].keys, forms[i].contexts) && parse_note(parser, spot, value) &&
               forms[i].parse(parser, spot, value, depth, predicate);
    }
    if (!parse_members(parser, spot, value, none, ~0U))
        return false;
    return parse_fail(parser, spot, "missing_member", "one of all, any, not, property, context and time is expected");
}

bool parse_where(struct parser *parser, const struct spot *spot, struct json object, size_t depth, const struct predicate **ret_where)
{
    struct json value = json_get(object, "where");
    struct predicate *where;

    if (value.type == JSON_T_NONE)
        return true;
    where = segment_alloc(parser->segment, sizeof *where);
    *ret_where = where;
    return parse_predicate(parser, SPOT_MEMBER(spot, "where"), value, depth + 1, where);
}
