/* Operators of leaves and their operands. The one idea: one table says which operator stands where and what it takes, so a new
 * operator is a row here and its SQL in compile_test.c. An object as operand is refused as reserved: comparison with another value
 * is to come. Patterns are gathered for the database to try; only back-references are refused here. */
#include <inttypes.h>
#include <string.h>

#include "segment/parse.h"

enum item { ITEM_SCALAR, ITEM_NUMBER, ITEM_TEXT, ITEM_PATTERN, ITEM_FLAG, ITEM_MOMENT, ITEM_DURATION, ITEM_DAYS, ITEM_TIME, ITEM_STATE };
enum arity { ONE, PAIR, LIST };

enum {
    VALUES = CONTEXT_VALUE | CONTEXT_TRAIT,
    DATES = CONTEXT_VALUE | CONTEXT_TRAIT | CONTEXT_SEEN,
    COMPARED = CONTEXT_MEASURE | CONTEXT_VALUE | CONTEXT_TRAIT
};

struct operator_row {
    const char *name;
    enum op op;
    unsigned contexts;
    enum arity arity;
    enum item item;
};

static const struct operator_row OPERATORS[] = {
    {"eq", OP_EQ, VALUES, ONE, ITEM_SCALAR},
    {"eq", OP_EQ, CONTEXT_MEASURE, ONE, ITEM_NUMBER},
    {"eq", OP_EQ, CONTEXT_TIME, ONE, ITEM_TIME},
    {"eq", OP_EQ, CONTEXT_IDENTIFIED, ONE, ITEM_FLAG},
    {"eq", OP_EQ, CONTEXT_CONSENT, ONE, ITEM_STATE},
    {"neq", OP_NEQ, VALUES, ONE, ITEM_SCALAR},
    {"neq", OP_NEQ, CONTEXT_MEASURE, ONE, ITEM_NUMBER},
    {"neq", OP_NEQ, CONTEXT_TIME, ONE, ITEM_TIME},
    {"neq", OP_NEQ, CONTEXT_IDENTIFIED, ONE, ITEM_FLAG},
    {"neq", OP_NEQ, CONTEXT_CONSENT, ONE, ITEM_STATE},
    {"in", OP_IN, VALUES, LIST, ITEM_SCALAR},
    {"in", OP_IN, CONTEXT_TIME, LIST, ITEM_TIME},
    {"in", OP_IN, CONTEXT_CONSENT, LIST, ITEM_STATE},
    {"nin", OP_NIN, VALUES, LIST, ITEM_SCALAR},
    {"nin", OP_NIN, CONTEXT_TIME, LIST, ITEM_TIME},
    {"nin", OP_NIN, CONTEXT_CONSENT, LIST, ITEM_STATE},
    {"gt", OP_GT, COMPARED, ONE, ITEM_NUMBER},
    {"gt", OP_GT, CONTEXT_TIME, ONE, ITEM_TIME},
    {"gte", OP_GTE, COMPARED, ONE, ITEM_NUMBER},
    {"gte", OP_GTE, CONTEXT_TIME, ONE, ITEM_TIME},
    {"lt", OP_LT, COMPARED, ONE, ITEM_NUMBER},
    {"lt", OP_LT, CONTEXT_TIME, ONE, ITEM_TIME},
    {"lte", OP_LTE, COMPARED, ONE, ITEM_NUMBER},
    {"lte", OP_LTE, CONTEXT_TIME, ONE, ITEM_TIME},
    {"between", OP_BETWEEN, COMPARED, PAIR, ITEM_NUMBER},
    {"between", OP_BETWEEN, CONTEXT_TIME, PAIR, ITEM_TIME},
    {"contains", OP_CONTAINS, VALUES, ONE, ITEM_TEXT},
    {"starts_with", OP_STARTS_WITH, VALUES, ONE, ITEM_TEXT},
    {"ends_with", OP_ENDS_WITH, VALUES, ONE, ITEM_TEXT},
    {"matches", OP_MATCHES, VALUES, ONE, ITEM_PATTERN},
    {"exists", OP_EXISTS, DATES, ONE, ITEM_FLAG},
    {"before", OP_BEFORE, DATES, ONE, ITEM_MOMENT},
    {"after", OP_AFTER, DATES, ONE, ITEM_MOMENT},
    {"within_last", OP_WITHIN_LAST, CONTEXT_TRAIT | CONTEXT_SEEN, ONE, ITEM_DURATION},
    {"within_next", OP_WITHIN_NEXT, CONTEXT_TRAIT | CONTEXT_SEEN, ONE, ITEM_DURATION},
    {"anniversary_in", OP_ANNIVERSARY_IN, CONTEXT_TRAIT, ONE, ITEM_DAYS},
};

bool parse_is_operator(struct json key, unsigned contexts)
{
    for (size_t i = 0; i < ARRAY_LEN(OPERATORS); i++)
        if ((OPERATORS[i].contexts & contexts) && json_is(key, OPERATORS[i].name))
            return true;
    return (contexts & VALUES) && json_is(key, "ignore_case");
}

static bool parse_decimal(struct parser *parser, const struct spot *spot, struct json value, struct operand *operand)
{
    char *digits;

    if (!json_number_ok(value.at, value.len))
        return parse_fail(parser, spot, "bad_operand", "the number has more than 50 characters or an exponent of more than 2 digits");
    digits = segment_alloc(parser->segment, value.len + 1);
    memcpy(digits, value.at, value.len);
    operand->type = OPERAND_NUMBER;
    operand->text = digits;
    return true;
}

static bool parse_flag(const struct json value, struct operand *operand)
{
    operand->type = OPERAND_BOOLEAN;
    operand->text = value.type == JSON_T_TRUE ? "true" : "false";
    return true;
}

static bool parse_scalar(struct parser *parser, const struct spot *spot, struct json value, struct operand *operand)
{
    if (value.type == JSON_T_NUMBER)
        return parse_decimal(parser, spot, value, operand);
    if (value.type == JSON_T_TRUE || value.type == JSON_T_FALSE)
        return parse_flag(value, operand);
    if (value.type != JSON_T_STRING)
        return parse_fail(parser, spot, "bad_operand", "a string, a number, true or false is expected");
    operand->type = OPERAND_TEXT;
    return parse_text(parser, spot, value, TEXT_CHARS_MAX, &operand->text);
}

/* A back-reference makes the regular expression engine slow without bound. Whatever the pattern's own options, a backslash with a digit from
 * 1 on is refused. */
static bool has_back_reference(const char *pattern)
{
    for (; *pattern; pattern++) {
        if (*pattern != '\\')
            continue;
        pattern++;
        if (*pattern >= '1' && *pattern <= '9')
            return true;
        if (!*pattern)
            return false;
    }
    return false;
}

static bool parse_pattern(struct parser *parser, const struct spot *spot, struct json value, struct operand *operand)
{
    struct segment *segment = parser->segment;

    if (!parse_text(parser, spot, value, PATTERN_CHARS_MAX, &operand->text))
        return false;
    if (has_back_reference(operand->text))
        return parse_fail(parser, spot, "bad_operand", "a pattern cannot have back-references");
    segment->patterns = segment_push(segment, segment->patterns, segment->n_patterns, sizeof *segment->patterns);
    segment->patterns[segment->n_patterns++] = (struct segment_pattern){.pattern = operand->text, .pointer = parse_pointer(parser, spot)};
    return true;
}

static bool parse_time(struct parser *parser, const struct spot *spot, struct json value, struct operand *operand)
{
    int64_t n;

    if (!json_int(value, parser->time_low, parser->time_high, &n))
        return parse_fail(parser, spot, "bad_operand", "a whole number from %" PRId64 " to %" PRId64 " is expected", parser->time_low,
                          parser->time_high);
    return parse_decimal(parser, spot, value, operand);
}

static bool parse_state(struct parser *parser, const struct spot *spot, struct json value, struct operand *operand)
{
    if (value.type != JSON_T_STRING || !(json_is(value, "granted") || json_is(value, "denied") || json_is(value, "unknown")))
        return parse_fail(parser, spot, "bad_operand", "consent is \"granted\", \"denied\" or \"unknown\"");
    return parse_text(parser, spot, value, TEXT_CHARS_MAX, &operand->text);
}

static bool parse_days(struct parser *parser, const struct spot *spot, struct json value, struct operand *operand)
{
    operand->type = OPERAND_DURATION;
    if (!parse_duration(parser, spot, value, &operand->us))
        return false;
    if (value.at[value.len - 2] != 'd' && value.at[value.len - 2] != 'w')
        return parse_fail(parser, spot, "bad_operand", "whole days or weeks are expected, for instance \"7d\"");
    return true;
}

static bool parse_item(struct parser *parser, const struct spot *spot, struct json value, enum item item, struct operand *operand)
{
    if (value.type == JSON_T_OBJECT)
        return parse_fail(parser, spot, "reserved", "comparison with another value is reserved for a later version");
    switch (item) {
    case ITEM_SCALAR:
        return parse_scalar(parser, spot, value, operand);
    case ITEM_NUMBER:
        if (value.type != JSON_T_NUMBER)
            return parse_fail(parser, spot, "bad_operand", "a number is expected");
        return parse_decimal(parser, spot, value, operand);
    case ITEM_TEXT:
        operand->type = OPERAND_TEXT;
        return parse_name(parser, spot, value, &operand->text);
    case ITEM_PATTERN:
        operand->type = OPERAND_TEXT;
        return parse_pattern(parser, spot, value, operand);
    case ITEM_FLAG:
        if (value.type != JSON_T_TRUE && value.type != JSON_T_FALSE)
            return parse_fail(parser, spot, "bad_operand", "true or false is expected");
        return parse_flag(value, operand);
    case ITEM_MOMENT:
        operand->type = OPERAND_MOMENT;
        return parse_moment(parser, spot, value, &operand->moment);
    case ITEM_DURATION:
        operand->type = OPERAND_DURATION;
        return parse_duration(parser, spot, value, &operand->us);
    case ITEM_DAYS:
        return parse_days(parser, spot, value, operand);
    case ITEM_TIME:
        return parse_time(parser, spot, value, operand);
    case ITEM_STATE:
        operand->type = OPERAND_TEXT;
        return parse_state(parser, spot, value, operand);
    }
    BUG("no such kind of operand");
}

static bool parse_operands(struct parser *parser, const struct spot *spot, struct json value, const struct operator_row *row,
                           struct test *ret_test)
{
    struct json_iter iter;
    struct json element;
    struct operand *operands;
    size_t n = 0;

    *ret_test = (struct test){.op = row->op, .n = 1};
    if (row->arity == ONE) {
        ret_test->operands = operands = segment_alloc(parser->segment, sizeof *operands);
        return parse_item(parser, spot, value, row->item, operands);
    }
    if (value.type == JSON_T_OBJECT)
        return parse_item(parser, spot, value, row->item, NULL);
    if (!parse_list(parser, spot, value, LIST_ITEMS_MAX))
        return false;
    ret_test->n = json_count(value);
    if (row->arity == PAIR && ret_test->n != 2)
        return parse_fail(parser, spot, "bad_operand", "a list of two numbers, low and high, is expected");
    ret_test->operands = operands = segment_alloc(parser->segment, ret_test->n * sizeof *operands);
    iter = json_iter(value);
    for (; json_next_element(&iter, &element); n++)
        if (!parse_item(parser, SPOT_ELEMENT(spot, n), element, row->item, &operands[n]))
            return false;
    return true;
}

static bool takes_ignore_case(const struct test *test)
{
    switch (test->op) {
    case OP_CONTAINS:
    case OP_STARTS_WITH:
    case OP_ENDS_WITH:
    case OP_MATCHES:
        return true;
    case OP_EQ:
    case OP_NEQ:
    case OP_IN:
    case OP_NIN:
        for (size_t i = 0; i < test->n; i++)
            if (test->operands[i].type == OPERAND_TEXT)
                return true;
        return false;
    case OP_GT:
    case OP_GTE:
    case OP_LT:
    case OP_LTE:
    case OP_BETWEEN:
    case OP_EXISTS:
    case OP_BEFORE:
    case OP_AFTER:
    case OP_WITHIN_LAST:
    case OP_WITHIN_NEXT:
    case OP_ANNIVERSARY_IN:
        return false;
    }
    BUG("no such operator");
}

static bool parse_ignore_case(struct parser *parser, const struct spot *spot, struct json value, size_t first_pattern, struct tests *tests)
{
    bool takes = false;

    if (value.type == JSON_T_NONE)
        return true;
    if (value.type != JSON_T_TRUE && value.type != JSON_T_FALSE)
        return parse_fail(parser, spot, "wrong_type", "true or false is expected");
    for (size_t i = 0; i < tests->n; i++)
        takes |= takes_ignore_case(&tests->items[i]);
    if (!takes)
        return parse_fail(parser, spot, "unknown_member", "ignore_case stands beside operators on texts only");
    tests->ignore_case = value.type == JSON_T_TRUE;
    for (size_t i = first_pattern; i < parser->segment->n_patterns; i++)
        parser->segment->patterns[i].ignore_case = tests->ignore_case;
    return true;
}

bool parse_tests(struct parser *parser, const struct spot *spot, struct json object, enum context context, struct tests *ret_tests)
{
    size_t first_pattern = parser->segment->n_patterns;
    struct test *items = NULL;

    for (size_t i = 0; i < ARRAY_LEN(OPERATORS); i++) {
        const struct operator_row *row = &OPERATORS[i];
        struct json value = row->contexts & (unsigned)context ? json_get(object, row->name) : JSON_NONE;

        if (value.type == JSON_T_NONE)
            continue;
        items = segment_push(parser->segment, items, ret_tests->n, sizeof *items);
        if (!parse_operands(parser, SPOT_MEMBER(spot, row->name), value, row, &items[ret_tests->n]))
            return false;
        ret_tests->n++;
    }
    ret_tests->items = items;
    if (!((unsigned)context & VALUES))
        return true;
    return parse_ignore_case(parser, SPOT_MEMBER(spot, "ignore_case"), json_get(object, "ignore_case"), first_pattern, ret_tests);
}

bool parse_some_tests(struct parser *parser, const struct spot *spot, struct json object, enum context context, struct tests *ret_tests)
{
    if (!parse_tests(parser, spot, object, context, ret_tests))
        return false;
    return ret_tests->n > 0 || parse_fail(parser, spot, "missing_member", "an operator is missing, for instance \"eq\" or \"gte\"");
}
