/* Checking a definition. The one idea: whatever can be wrong with it is found before it is stored, with a pointer to the spot, so the worker never meets a
 * definition it cannot compile: form and limits by segment/, time zone and patterns by PostgreSQL itself, references by walking the graph of all segments.
 * It saves nothing. */
#include "api/definition.h"

#include <stdlib.h>
#include <string.h>

#include "db/evaluate.h"
#include "db/segment.h"
#include "server/base/alloc.h"

enum { CHAIN_MAX = 20, CYCLE_MAX = 4096 };

void definition_release(struct definition *definition)
{
    segment_free(definition->segment);
    definition->segment = NULL;
}

/* An error inside the definition, told as one of the body. */
static void move_error(const struct err *inner, struct err *err)
{
    char pointer[ERR_POINTER_MAX];

    (void)snprintf(pointer, sizeof pointer, "/definition%.*s", ERR_POINTER_MAX - 16, inner->pointer);
    (void)err_set(err, inner->code, pointer, "%s", inner->detail);
}

static enum db_status check_patterns(struct db *db, const struct segment *segment, struct err *err)
{
    const struct segment_pattern *patterns;
    size_t n = segment_patterns(segment, &patterns);

    for (size_t i = 0; i < n; i++) {
        enum db_status status = db_pattern_check(db, patterns[i].pattern);
        struct err inner = ERR_INIT;

        if (status == DB_OK)
            continue;
        (void)err_set(&inner, "bad_pattern", patterns[i].pointer, "no regular expression of PostgreSQL");
        move_error(&inner, err);
        return status;
    }
    return DB_OK;
}

/* Later lookups by the worker find the names' numbers. */
static enum db_status intern_names(struct db *db, const struct segment *segment)
{
    const struct segment_names *names = &segment_depends(segment)->events;
    int32_t *ids AUTO_FREE = mem_grow(NULL, names->n_names, sizeof *ids);

    return names->n_names ? db_evaluate_names(db, names->names, names->n_names, ids) : DB_OK;
}

enum db_status definition_check(struct db *db, struct definition *definition, struct err *err)
{
    struct err inner = ERR_INIT;
    enum db_status status;

    if (!segment_parse(definition->text.at, definition->text.len, definition->timezone, &definition->segment, &inner)) {
        move_error(&inner, err);
        return DB_NONE;
    }
    status = db_timezone_check(db, definition->timezone);
    if (status == DB_NONE)
        (void)err_set(err, "bad_timezone", "/timezone", "no such IANA time zone");
    if (status == DB_OK)
        status = check_patterns(db, definition->segment, err);
    if (status == DB_OK)
        status = intern_names(db, definition->segment);
    return status;
}

/* --- References --- */

enum { UNKNOWN = -1 };

/* The graph of what refers to what, and the definition that wants into it. Without the definition it has no cycle. */
struct graph {
    struct db_rows edges; /* ordered by key; only segments that refer to something */
    size_t n;
    const char *own;  /* the definition's key; "" when it is not saved */
    int *below;       /* of each row: references on the longest chain down from it, or UNKNOWN */
    int *above;       /* on the longest chain from it down to own, 0: it does not get there, or UNKNOWN */
    struct buf cycle; /* "b → a" once own was met: its way back, built from the end */
};

static void graph_release(struct graph *graph)
{
    db_rows_release(&graph->edges);
    buf_release(&graph->cycle);
    free(graph->below);
    free(graph->above);
}

/* The row of a key, or graph->n: it refers to nothing. */
static size_t row_of(const struct graph *graph, const char *key, size_t len)
{
    size_t low = 0, high = graph->n;

    while (low < high) {
        size_t mid = (low + high) / 2;
        const char *at = db_text(&graph->edges, mid, EDGE_KEY);
        int order = strncmp(at, key, len);

        if (order == 0 && at[len] == '\0')
            return mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return graph->n;
}

static bool is_own(const struct graph *graph, const char *key, size_t len)
{
    return strlen(graph->own) == len && len && memcmp(graph->own, key, len) == 0;
}

/* A step of the way back, put before those that follow it. */
static void note_cycle(struct graph *graph, const char *key, size_t len)
{
    AUTO_BUF struct buf rest = BUF_INIT(CYCLE_MAX);

    buf_addf(&rest, "%.*s%s%s", (int)len, key, graph->cycle.len ? " → " : "", buf_text(&graph->cycle));
    buf_clear(&graph->cycle);
    buf_add(&graph->cycle, rest.data, rest.len);
}

static int below(struct graph *graph, const char *key, size_t len)
{
    size_t row = row_of(graph, key, len);
    struct db_array refers;
    int deepest = 0;

    if (is_own(graph, key, len))
        note_cycle(graph, key, len);
    if (row == graph->n || graph->cycle.len)
        return 0;
    if (graph->below[row] != UNKNOWN)
        return graph->below[row];
    refers = db_array(&graph->edges, row, EDGE_REFERS);
    while (refers.left) {
        size_t next_len;
        const char *next = db_array_next_text(&refers, &next_len);
        int chain = 1 + below(graph, next, next_len);

        deepest = chain > deepest ? chain : deepest;
        if (graph->cycle.len) {
            note_cycle(graph, key, len);
            return 0;
        }
    }
    return graph->below[row] = deepest;
}

static int above(struct graph *graph, size_t row)
{
    struct db_array refers = db_array(&graph->edges, row, EDGE_REFERS);
    int longest = 0;

    if (graph->above[row] != UNKNOWN)
        return graph->above[row];
    while (refers.left) {
        size_t len, next;
        const char *key = db_array_next_text(&refers, &len);
        int chain = is_own(graph, key, len);

        next = row_of(graph, key, len);
        if (!chain && next < graph->n && above(graph, next))
            chain = 1 + above(graph, next);
        longest = chain > longest ? chain : longest;
    }
    return graph->above[row] = longest;
}

/* The pointer to where the definition refers to this key, as a member of the body. */
static bool find_reference(struct json at, const char *key, struct buf *pointer)
{
    struct json_iter iter = json_iter(at);
    struct json name = JSON_NONE, value;
    size_t len = pointer->len, i = 0;

    while (at.type == JSON_T_OBJECT ? json_next_member(&iter, &name, &value) : json_next_element(&iter, &value)) {
        buf_add_char(pointer, '/');
        if (at.type == JSON_T_OBJECT)
            json_decode(name, pointer);
        else
            buf_add_int(pointer, (int64_t)i++);
        if (at.type == JSON_T_OBJECT && json_is(name, "segment") && json_is(value, key))
            return true;
        if (find_reference(value, key, pointer))
            return true;
        pointer->len = len; /* what was added leads elsewhere */
    }
    return false;
}

static enum db_status refuse(const struct definition *definition, const char *key, const char *code, const char *detail, struct err *err)
{
    AUTO_BUF struct buf pointer = BUF_INIT(ERR_POINTER_MAX);

    buf_add_text(&pointer, "/definition");
    (void)find_reference(definition->text, key, &pointer);
    (void)err_set(err, code, buf_text(&pointer), "%s", detail);
    return DB_NONE;
}

static enum db_status check_known(struct db *db, const struct definition *definition, struct err *err)
{
    const struct segment_depends *depends = segment_depends(definition->segment);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_segment_known(db, depends->segments, depends->n_segments, &rows);

    if (status != DB_OK && status != DB_NONE)
        return status;
    for (size_t i = 0; i < depends->n_segments; i++) {
        bool known = false;

        for (size_t k = 0; k < db_rows_count(&rows) && !known; k++)
            known = strcmp(db_text(&rows, k, 0), depends->segments[i]) == 0;
        if (!known)
            return refuse(definition, depends->segments[i], "unknown_segment", "there is no such segment", err);
    }
    return DB_OK;
}

static enum db_status check_chains(struct graph *graph, const struct definition *definition, struct err *err)
{
    const struct segment_depends *depends = segment_depends(definition->segment);
    const char *deepest_key = depends->segments[0];
    int deepest = 0, highest = 0;
    char detail[ERR_DETAIL_MAX];

    for (size_t i = 0; i < depends->n_segments; i++) {
        const char *key = depends->segments[i];
        int chain = 1 + below(graph, key, strlen(key));

        if (graph->cycle.len) {
            (void)snprintf(detail, sizeof detail, "a cycle: %s → %s", graph->own, buf_text(&graph->cycle));
            return refuse(definition, key, "segment_cycle", detail, err);
        }
        if (chain > deepest) {
            deepest = chain;
            deepest_key = key;
        }
    }
    for (size_t row = 0; row < graph->n; row++)
        highest = above(graph, row) > highest ? above(graph, row) : highest;
    if (deepest + highest <= CHAIN_MAX)
        return DB_OK;
    return refuse(definition, deepest_key, "limit", "a chain of more than 20 references", err);
}

enum db_status definition_check_references(struct db *db, const struct definition *definition, const char *key, struct err *err)
{
    const struct segment_depends *depends = segment_depends(definition->segment);
    CLEANUP(graph_release) struct graph graph = {.edges = DB_ROWS_INIT, .own = key ? key : "", .cycle = BUF_INIT(CYCLE_MAX)};
    enum db_status status;

    if (!depends->n_segments)
        return DB_OK;
    status = check_known(db, definition, err);
    if (status == DB_OK)
        status = db_segment_edges(db, &graph.edges);
    if (status != DB_OK)
        return status == DB_NONE && !err->code ? DB_OK : status;
    graph.n = db_rows_count(&graph.edges);
    graph.below = mem_grow(NULL, graph.n, sizeof *graph.below);
    graph.above = mem_grow(NULL, graph.n, sizeof *graph.above);
    for (size_t i = 0; i < graph.n; i++)
        graph.below[i] = graph.above[i] = UNKNOWN;
    return check_chains(&graph, definition, err);
}
