/* GET …/why: the condition tree of a segment with each node's value for one person, so that anyone can check any member. The one idea: the rows of
 * the database are in document order, a parent before its parts, so the tree is printed by walking them; a leaf shows its own condition, cut out of
 * the definition by its pointer. Explains the stored membership at the worker's as_of; changes nothing. */
#include <string.h>

#include "api/handlers.h"
#include "api/person.h"
#include "db/why.h"
#include "segment/segment_why.h"
#include "server/base/alloc.h"

struct tree {
    struct json definition;
    const struct segment_node *nodes;
    size_t n;
    const struct db_rows *rows;
    struct json_out *out;
};

/* One step of a pointer: the member or element of that name (len bytes, escaped). */
static struct json step_into(struct json at, const char *name, size_t len)
{
    struct json_iter iter = json_iter(at);
    char *text AUTO_FREE = mem_strndup(name, len);
    struct json element = JSON_NONE;
    size_t left = 0;

    if (at.type == JSON_T_OBJECT)
        return json_get(at, text);
    for (const char *digit = text; *digit; digit++)
        left = left * 10 + (size_t)(*digit - '0');
    while (json_next_element(&iter, &element))
        if (left-- == 0)
            return element;
    return JSON_NONE;
}

/* Members on the way to a condition are words of the language, so nothing is escaped. */
static struct json at_pointer(struct json at, const char *pointer)
{
    while (*pointer == '/') {
        size_t len = strcspn(++pointer, "/");

        at = step_into(at, pointer, len);
        pointer += len;
    }
    return at;
}

static bool is_leaf(const struct tree *tree, size_t node)
{
    return node + 1 >= tree->n || tree->nodes[node + 1].parent != node;
}

/* Depth is bounded by the language (10). */
static void put_node(const struct tree *tree, size_t node)
{
    struct json_out *out = tree->out;
    struct json condition = at_pointer(tree->definition, tree->nodes[node].pointer);

    json_open(out, '{');
    json_add_text(out, "kind", tree->nodes[node].kind);
    json_add_text(out, "pointer", tree->nodes[node].pointer);
    json_add_bool(out, "holds", db_bool(tree->rows, node, WHY_HOLDS));
    json_add_raw(out, "measured", db_text(tree->rows, node, WHY_MEASURED));
    json_add_raw(out, "events", db_text(tree->rows, node, WHY_EVENTS));
    json_add_instant(out, "changes_at", db_instant(tree->rows, node, WHY_CHANGES));
    json_key(out, "condition");
    if (is_leaf(tree, node) && condition.type != JSON_T_NONE)
        json_put_raw(out, condition.at, condition.len);
    else
        json_put_null(out);
    json_key(out, "parts");
    json_open(out, '[');
    for (size_t i = node + 1; i < tree->n; i++)
        if (tree->nodes[i].parent == node)
            put_node(tree, i);
    json_close(out, ']');
    json_close(out, '}');
}

static enum handled answer_why(struct call *c, const struct db_why_frame *frame, struct tree *tree)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);

    tree->out = &out;
    json_open(&out, '{');
    json_add_text(&out, "segment", call_param(c, 0));
    json_add_text(&out, "user_id", frame->user_id);
    json_add_text(&out, "anonymous_id", frame->anonymous_id);
    json_add_bool(&out, "member", frame->member);
    json_add_instant(&out, "as_of", frame->as_of_us);
    json_key(&out, "tree");
    put_node(tree, 0);
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

/* The definition is parsed and evaluated for the person. */
static enum handled explain(struct call *c, const struct db_why_frame *frame)
{
    char *text AUTO_FREE = mem_strdup(frame->definition);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    AUTO_SEGMENT struct segment *segment = NULL;
    struct tree tree = {.rows = &rows};
    struct err err = ERR_INIT;
    struct json_flaw flaw;
    enum db_status status;
    size_t bad;

    if (!json_check(text, strlen(text), &tree.definition, &bad, &flaw) ||
        !segment_parse(frame->definition, strlen(frame->definition), frame->timezone, &segment, &err))
        return answer_problem(c, PROBLEM_INTERNAL, NULL);
    status = db_why_run(c->db, segment, frame, &rows);
    if (status != DB_OK)
        return answer_status(c, status);
    tree.n = segment_nodes(segment, &tree.nodes);
    ASSERT(db_rows_count(&rows) == tree.n);
    return answer_why(c, frame, &tree);
}

enum handled api_member_why(struct call *c)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = DB_NONE;
    struct db_why_frame frame;
    struct id raw;

    if (person_read(call_param(c, 1), &raw))
        status = db_why_frame(c->db, call_param(c, 0), &raw, &rows, &frame);
    if (status != DB_OK)
        return answer_status(c, status);
    if (!frame.definition)
        return answer_problem(c, PROBLEM_NOT_A_RULE, NULL);
    if (frame.as_of_us == INSTANT_NONE)
        return answer_problem_detail(c, PROBLEM_UNAVAILABLE, "the worker has not begun");
    return explain(c, &frame);
}
