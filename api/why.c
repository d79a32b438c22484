/* GET …/why: the condition tree of a segment with each node's value for one person, so that anyone can check any member. The one idea: the rows of
 * the database are in document order, a parent before its parts, one definition after the other, so the trees are printed by walking them; a leaf
 * shows its own condition, cut out of the definition by its pointer, and a reference the tree of its segment, once. Explains the stored membership
 * at the worker's as_of; changes nothing. */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/person.h"
#include "db/why.h"
#include "segment/segment_why.h"
#include "server/base/alloc.h"
#include "server/base/vec.h"

enum { REFERENCES_SHOWN = 5 }; /* trees of segments within trees of segments */

/* A definition whose nodes have rows: the segment's own, or one that it refers to. */
struct tree {
    const char *key; /* NULL: the segment's own */
    const struct segment *segment;
    char *text; /* owned: what definition points into */
    struct json definition;
    const struct segment_node *nodes;
    size_t n;
    size_t row; /* of the first node */
    bool shown;
};

struct why {
    VEC(struct tree) trees;
    struct db_others others;
    struct db_rows rows;
    size_t depth; /* of references, while they are printed */
    struct json_out *out;
};

static void why_release(struct why *why)
{
    for (size_t i = 0; i < why->trees.n; i++)
        free(why->trees.at[i].text);
    vec_free(&why->trees);
    db_others_release(&why->others);
    db_rows_release(&why->rows);
}

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

static struct tree *find_tree(const struct why *why, const char *key)
{
    for (size_t i = 0; i < why->trees.n; i++)
        if (why->trees.at[i].key && strcmp(why->trees.at[i].key, key) == 0)
            return &why->trees.at[i];
    return NULL;
}

static void put_node(struct why *why, const struct tree *tree, size_t node);

/* The segment referred to, with its tree where that stands first and is not too deep. */
static void put_reference(struct why *why, const char *key)
{
    const struct segment *other = db_others_look_up(&why->others, key);
    struct tree *tree = find_tree(why, key);
    struct json_out *out = why->out;

    json_open(out, '{');
    json_add_text(out, "segment", key);
    json_add_text(out, "kind", other ? "rule" : "list");
    json_add_text(out, "timezone", other ? segment_timezone(other) : NULL);
    json_key(out, "tree");
    if (tree && !tree->shown && why->depth < REFERENCES_SHOWN) {
        tree->shown = true;
        why->depth++;
        put_node(why, tree, 0);
        why->depth--;
    } else {
        json_put_null(out);
    }
    json_close(out, '}');
}

/* Depth is bounded by the language (10), and of references above. */
static void put_node(struct why *why, const struct tree *tree, size_t node)
{
    const struct segment_node *shown = &tree->nodes[node];
    struct json condition = at_pointer(tree->definition, shown->pointer);
    struct json_out *out = why->out;
    size_t row = tree->row + node;

    json_open(out, '{');
    json_add_text(out, "kind", shown->kind);
    json_add_text(out, "pointer", shown->pointer);
    json_add_bool(out, "holds", db_bool(&why->rows, row, WHY_HOLDS));
    json_add_raw(out, "measured", db_text(&why->rows, row, WHY_MEASURED));
    json_add_raw(out, "events", db_text(&why->rows, row, WHY_EVENTS));
    json_add_raw(out, "steps", db_text(&why->rows, row, WHY_STEPS));
    json_add_instant(out, "changes_at", db_instant(&why->rows, row, WHY_CHANGES));
    json_key(out, "condition");
    if (is_leaf(tree, node) && condition.type != JSON_T_NONE)
        json_put_raw(out, condition.at, condition.len);
    else
        json_put_null(out);
    json_key(out, "reference");
    if (shown->key)
        put_reference(why, shown->key);
    else
        json_put_null(out);
    json_key(out, "parts");
    json_open(out, '[');
    for (size_t i = node + 1; i < tree->n; i++)
        if (tree->nodes[i].parent == node)
            put_node(why, tree, i);
    json_close(out, ']');
    json_close(out, '}');
}

static enum handled answer_why(struct call *c, const struct db_why_frame *frame, struct why *why)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);

    why->out = &out;
    json_open(&out, '{');
    json_add_text(&out, "segment", call_param(c, 0));
    person_put(&out, &frame->who);
    json_add_bool(&out, "member", frame->member);
    json_add_instant(&out, "as_of", frame->as_of_us);
    json_key(&out, "tree");
    put_node(why, &why->trees.at[0], 0);
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

static bool add_tree(struct why *why, const char *key, const struct segment *segment, size_t row)
{
    struct tree *tree = VEC_ADD(&why->trees);
    struct json_flaw flaw;
    size_t bad;

    *tree = (struct tree){.key = key, .segment = segment, .text = mem_strdup(segment_text(segment)), .row = row};
    tree->n = segment_nodes(segment, &tree->nodes);
    return json_check(tree->text, strlen(tree->text), &tree->definition, &bad, &flaw) && row + tree->n <= db_rows_count(&why->rows);
}

/* The definition's own rows come first, then those of each segment below it, each by its key. */
static bool add_trees(struct why *why, const struct segment *segment)
{
    bool ok = add_tree(why, NULL, segment, 0);

    for (size_t row = why->trees.at[0].n; ok && row < db_rows_count(&why->rows); row += why->trees.at[why->trees.n - 1].n) {
        const char *key = db_text(&why->rows, row, WHY_SEGMENT);
        const struct segment *other = key ? db_others_look_up(&why->others, key) : NULL;

        ok = other && add_tree(why, key, other, row);
    }
    return ok;
}

/* The definition is parsed and evaluated for the person. */
static enum handled explain(struct call *c, const struct db_why_frame *frame)
{
    CLEANUP(why_release) struct why why = {.trees = VEC_INIT, .others = DB_OTHERS_INIT(c->db), .rows = DB_ROWS_INIT};
    AUTO_SEGMENT struct segment *segment = NULL;
    struct err err = ERR_INIT;
    enum db_status status;

    why.others.serving = true;
    if (!segment_parse(frame->definition, strlen(frame->definition), frame->timezone, &segment, &err))
        return answer_problem(c, PROBLEM_INTERNAL, NULL);
    status = db_why_run(c->db, segment, frame, &why.others, &why.rows);
    if (status != DB_OK)
        return answer_status(c, status);
    return add_trees(&why, segment) ? answer_why(c, frame, &why) : answer_problem(c, PROBLEM_INTERNAL, NULL);
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
