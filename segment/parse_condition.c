/* Conditions: the tree of a definition. The one idea: one table of forms, each told by its own key, with the members it may have; a
 * new form is a row, its parser here, its SQL in compile_condition.c and its line in depend.c. Whether a segment that is referred to
 * exists is not asked here. */
#include <string.h>

#include "segment/decimal.h"
#include "segment/parse.h"
#include "server/base/alloc.h"

bool parse_check_depth(struct parser *parser, const struct spot *spot, size_t depth)
{
    return depth <= CONDITION_DEPTH_MAX || parse_fail(parser, spot, "limit", "conditions are nested deeper than %d", CONDITION_DEPTH_MAX);
}

bool parse_count_leaf(struct parser *parser, const struct spot *spot)
{
    return ++parser->n_leaves <= CONDITIONS_MAX || parse_fail(parser, spot, "limit", "there are more than %d conditions", CONDITIONS_MAX);
}

bool parse_note(struct parser *parser, const struct spot *spot, struct json object)
{
    struct json value = json_get(object, "note");
    const char *text;

    return value.type == JSON_T_NONE || parse_text(parser, SPOT_MEMBER(spot, "note"), value, TEXT_CHARS_MAX, &text);
}

static bool parse_part(struct parser *parser, const struct spot *spot, struct json value, size_t depth, struct node *node)
{
    node->parts = segment_push(parser->segment, node->parts, node->n_parts, sizeof *node->parts);
    return parse_condition(parser, spot, value, depth + 1, &node->parts[node->n_parts++]);
}

static bool parse_list_form(struct parser *parser, const struct spot *spot, struct json value, size_t depth, struct node *node)
{
    struct json_iter iter;
    struct json element;

    if (!parse_list(parser, spot, value, LIST_ITEMS_MAX))
        return false;
    iter = json_iter(value);
    while (json_next_element(&iter, &element))
        if (!parse_part(parser, SPOT_ELEMENT(spot, node->n_parts), element, depth, node))
            return false;
    return true;
}

static bool parse_all(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    node->kind = NODE_ALL;
    return parse_list_form(parser, SPOT_MEMBER(spot, "all"), json_get(object, "all"), depth, node);
}

static bool parse_any(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    node->kind = NODE_ANY;
    return parse_list_form(parser, SPOT_MEMBER(spot, "any"), json_get(object, "any"), depth, node);
}

static bool parse_not(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    node->kind = NODE_NOT;
    return parse_part(parser, SPOT_MEMBER(spot, "not"), json_get(object, "not"), depth, node);
}

static bool parse_some(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    node->kind = NODE_SOME;
    return parse_list_form(parser, SPOT_MEMBER(spot, "some"), json_get(object, "some"), depth, node) &&
           parse_some_tests(parser, spot, object, CONTEXT_MEASURE, &node->tests);
}

static bool parse_points(struct parser *parser, const struct spot *spot, struct json value, const char **ret_points)
{
    char *digits;

    if (value.type != JSON_T_NUMBER || !json_number_ok(value.at, value.len))
        return parse_fail(parser, spot, value.type == JSON_T_NONE ? "missing_member" : "bad_operand", "a number of points is expected");
    digits = segment_alloc(parser->segment, value.len + 1);
    memcpy(digits, value.at, value.len);
    *ret_points = digits;
    return true;
}

static bool parse_score_item(struct parser *parser, const struct spot *spot, struct json value, size_t depth, struct node *node)
{
    static const char *const keys[] = {"if", "points", NULL};
    struct json condition;

    if (!parse_members(parser, spot, value, keys, 0))
        return false;
    condition = json_get(value, "if");
    if (condition.type == JSON_T_NONE)
        return parse_fail(parser, spot, "missing_member", "\"if\" is missing");
    node->points = segment_push(parser->segment, node->points, node->n_parts, sizeof *node->points);
    return parse_points(parser, SPOT_MEMBER(spot, "points"), json_get(value, "points"), &node->points[node->n_parts]) &&
           parse_part(parser, SPOT_MEMBER(spot, "if"), condition, depth, node);
}

static bool parse_score(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    const struct spot *at = SPOT_MEMBER(spot, "score");
    struct json value = json_get(object, "score"), element;
    struct json_iter iter;

    node->kind = NODE_SCORE;
    if (!parse_list(parser, at, value, LIST_ITEMS_MAX))
        return false;
    iter = json_iter(value);
    while (json_next_element(&iter, &element))
        if (!parse_score_item(parser, SPOT_ELEMENT(at, node->n_parts), element, depth, node))
            return false;
    return parse_some_tests(parser, spot, object, CONTEXT_MEASURE, &node->tests);
}

static bool parse_event_form(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    node->kind = NODE_EVENT;
    return parse_count_leaf(parser, spot) && parse_event(parser, spot, object, node) &&
           parse_where(parser, spot, object, depth, &node->where);
}

static bool parse_sequence_form(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    node->kind = NODE_SEQUENCE;
    return parse_count_leaf(parser, spot) && parse_sequence(parser, spot, object, depth, node);
}

static bool parse_trait(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    (void)depth;
    node->kind = NODE_TRAIT;
    return parse_count_leaf(parser, spot) && parse_path(parser, SPOT_MEMBER(spot, "trait"), json_get(object, "trait"), &node->path) &&
           parse_some_tests(parser, spot, object, CONTEXT_TRAIT, &node->tests);
}

static bool parse_profile(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    static const char *const keys[] = {"profile", "note", NULL};
    struct json value = json_get(object, "profile");
    enum context context = CONTEXT_SEEN;

    (void)depth;
    node->kind = NODE_SEEN;
    if (json_is(value, "identified")) {
        node->kind = NODE_IDENTIFIED;
        context = CONTEXT_IDENTIFIED;
    } else if (json_is(value, "last_seen")) {
        node->date.kind = DATE_LAST_SEEN;
    } else if (!json_is(value, "first_seen")) {
        return parse_fail(parser, SPOT_MEMBER(spot, "profile"), "bad_operand",
                          "\"first_seen\", \"last_seen\" or \"identified\" is expected");
    }
    return parse_count_leaf(parser, spot) && parse_members(parser, spot, object, keys, (unsigned)context) &&
           parse_some_tests(parser, spot, object, context, &node->tests);
}

static bool parse_segment_form(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    (void)depth;
    node->kind = NODE_SEGMENT;
    return parse_count_leaf(parser, spot) && parse_name(parser, SPOT_MEMBER(spot, "segment"), json_get(object, "segment"), &node->key);
}

static bool parse_consent(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    (void)depth;
    node->kind = NODE_CONSENT;
    return parse_count_leaf(parser, spot) && parse_name(parser, SPOT_MEMBER(spot, "consent"), json_get(object, "consent"), &node->key) &&
           parse_some_tests(parser, spot, object, CONTEXT_CONSENT, &node->tests);
}

/* A share in percent with at most two decimals, as hundredths. */
static bool parse_share(struct parser *parser, const struct spot *spot, struct json value, int64_t *ret_share)
{
    AUTO_FREE char *digits = NULL;
    struct decimal share;

    if (value.type == JSON_T_NONE)
        return parse_fail(parser, spot->up, "missing_member", "\"%s\" is missing", spot->name);
    if (value.type != JSON_T_NUMBER || !json_number_ok(value.at, value.len))
        return parse_fail(parser, spot, value.type == JSON_T_OBJECT ? "reserved" : "bad_operand", "a number is expected");
    digits = mem_strndup(value.at, value.len);
    share = decimal_read(digits, 2);
    if (share.fraction || decimal_compare(share, 0) < 0 || decimal_compare(share, 10000) > 0)
        return parse_fail(parser, spot, "bad_operand", "a share from 0 to 100 with at most two decimals is expected");
    *ret_share = share.whole;
    return true;
}

static bool parse_bucket(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    (void)depth;
    node->kind = NODE_BUCKET;
    if (!parse_count_leaf(parser, spot) ||
        !parse_text(parser, SPOT_MEMBER(spot, "bucket"), json_get(object, "bucket"), TEXT_CHARS_MAX, &node->key) ||
        !parse_share(parser, SPOT_MEMBER(spot, "from"), json_get(object, "from"), &node->low) ||
        !parse_share(parser, SPOT_MEMBER(spot, "to"), json_get(object, "to"), &node->high))
        return false;
    return node->low < node->high || parse_fail(parser, SPOT_MEMBER(spot, "to"), "bad_operand", "from is not below to");
}

static const struct {
    const char *keys[8]; /* the first tells the form */
    unsigned contexts;
    bool (*parse)(struct parser *, const struct spot *, struct json, size_t, struct node *);
} FORMS[] = {
    {{"all", "note", NULL}, 0, parse_all},
    {{"any", "note", NULL}, 0, parse_any},
    {{"not", "note", NULL}, 0, parse_not},
    {{"some", "note", NULL}, CONTEXT_MEASURE, parse_some},
    {{"score", "note", NULL}, CONTEXT_MEASURE, parse_score},
    {{"event", "where", "pick", "measure", "window", "note", NULL}, CONTEXT_MEASURE, parse_event_form},
    {{"sequence", "window", "span", "note", NULL}, 0, parse_sequence_form},
    {{"trait", "note", NULL}, CONTEXT_TRAIT, parse_trait},
    {{"profile", "note", NULL}, CONTEXT_SEEN | CONTEXT_IDENTIFIED, parse_profile},
    {{"segment", "note", NULL}, 0, parse_segment_form},
    {{"consent", "note", NULL}, CONTEXT_CONSENT, parse_consent},
    {{"bucket", "from", "to", "note", NULL}, 0, parse_bucket},
};

bool parse_condition(struct parser *parser, const struct spot *spot, struct json value, size_t depth, struct node **ret_node)
{
    static const char *const none[] = {"note", NULL};
    struct node *node;

    if (!parse_check_depth(parser, spot, depth))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(FORMS); i++) {
        if (json_get(value, FORMS[i].keys[0]).type == JSON_T_NONE)
            continue;
        *ret_node = node = segment_alloc(parser->segment, sizeof *node);
        node->number = parser->segment->n_nodes++;
        node->pointer = parse_pointer(parser, spot);
        return parse_members(parser, spot, value, FORMS[i].keys, FORMS[i].contexts) && parse_note(parser, spot, value) &&
               FORMS[i].parse(parser, spot, value, depth, node);
    }
    if (!parse_members(parser, spot, value, none, ~0U)) /* an operator is not what is wrong here */
        return false;
    return parse_fail(parser, spot, "missing_member",
                      "a condition is expected: all, any, not, some, score, event, sequence, trait, profile, segment, consent or bucket");
}
