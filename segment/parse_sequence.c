/* Sequences: the list of steps and what may stand in each. The one idea: a step is read as any step first, then what its place
 * forbids is refused: `within` and `same` on the first, two `absent` side by side, `for` on one that is not the last. `times` stays
 * a number here; compile_sequence.c repeats the step. */
#include "segment/parse.h"

static bool parse_event_step(struct parser *parser, const struct spot *spot, struct json value, struct step *step)
{
    struct json times = json_get(value, "times");

    if (!parse_names(parser, SPOT_MEMBER(spot, "event"), json_get(value, "event"), &step->names))
        return false;
    if (!parse_duration_member(parser, spot, value, "within", &step->within_us))
        return false;
    step->times = 1;
    return times.type == JSON_T_NONE || json_int(times, 2, SEQUENCE_TIMES_MAX, &step->times) ||
           parse_fail(parser, SPOT_MEMBER(spot, "times"), "bad_operand", "a whole number from 2 to %d is expected", SEQUENCE_TIMES_MAX);
}

static bool parse_absent_step(struct parser *parser, const struct spot *spot, struct json value, struct step *step)
{
    step->absent = true;
    return parse_names(parser, SPOT_MEMBER(spot, "absent"), json_get(value, "absent"), &step->names) &&
           parse_duration_member(parser, spot, value, "for", &step->for_us);
}

static bool parse_step(struct parser *parser, const struct spot *spot, struct json value, size_t depth, struct step *step)
{
    static const char *const event_keys[] = {"event", "where", "within", "same", "times", NULL};
    static const char *const absent_keys[] = {"absent", "where", "for", "same", NULL};
    bool absent = json_get(value, "absent").type != JSON_T_NONE;
    struct json same = json_get(value, "same");

    if (!parse_members(parser, spot, value, absent ? absent_keys : event_keys, 0))
        return false;
    if (!absent && json_get(value, "event").type == JSON_T_NONE)
        return parse_fail(parser, spot, "missing_member", "a step has \"event\" or \"absent\"");
    if (!(absent ? parse_absent_step : parse_event_step)(parser, spot, value, step))
        return false;
    if (same.type != JSON_T_NONE && !parse_plain_path(parser, SPOT_MEMBER(spot, "same"), same, &step->same))
        return false;
    return parse_where(parser, spot, value, depth, &step->where);
}

static bool check_place(struct parser *parser, const struct spot *spot, const struct node *node, size_t i)
{
    const struct step *step = &node->steps[i];

    if (i == 0 && step->absent)
        return parse_fail(parser, SPOT_MEMBER(spot, "absent"), "bad_sequence", "the first step is an event step");
    if (i == 0 && step->within_us)
        return parse_fail(parser, SPOT_MEMBER(spot, "within"), "bad_sequence", "the first step has no step before it");
    if (i == 0 && step->same)
        return parse_fail(parser, SPOT_MEMBER(spot, "same"), "bad_sequence", "same compares with the first step");
    if (step->absent && node->steps[i - 1].absent)
        return parse_fail(parser, SPOT_MEMBER(spot, "absent"), "bad_sequence", "two absent steps stand side by side");
    if (step->for_us && i + 1 < node->n_steps)
        return parse_fail(parser, SPOT_MEMBER(spot, "for"), "bad_sequence",
                          "for belongs to a last absent; between two steps it lasts from one to the other");
    return true;
}

bool parse_sequence(struct parser *parser, const struct spot *spot, struct json object, size_t depth, struct node *node)
{
    const struct spot *at = SPOT_MEMBER(spot, "sequence");
    struct json value = json_get(object, "sequence"), element;
    struct json_iter iter;

    if (!parse_list(parser, at, value, SEQUENCE_STEPS_MAX))
        return false;
    node->n_steps = json_count(value);
    node->steps = segment_alloc(parser->segment, node->n_steps * sizeof *node->steps);
    iter = json_iter(value);
    for (size_t i = 0; json_next_element(&iter, &element); i++)
        if (!parse_step(parser, SPOT_ELEMENT(at, i), element, depth, &node->steps[i]) || !check_place(parser, SPOT_ELEMENT(at, i), node, i))
            return false;
    return parse_duration_member(parser, spot, object, "span", &node->span_us) && parse_window(parser, spot, object, &node->window);
}
