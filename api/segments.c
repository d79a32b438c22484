/* Segments as a resource: list, read, delete, dependents. Creating and changing them is in segment_save.c, their members in members.c.
 * A page is ordered by key, and its cursor is the last key of it.
 * What a deleted segment leaves behind is the worker's to clear. */
#include <string.h>

#include "api/handlers.h"
#include "api/page.h"
#include "api/segment_json.h"

static bool is_one_of(const char *value, const char *const *choices, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(value, choices[i]) == 0)
            return true;
    return false;
}

/* Reads the filters; false: answered. */
static bool read_filter(struct call *c, struct segment_filter *filter)
{
    static const char *const kinds[] = {"rule", "list"}, *const states[] = {"building", "live", "failed"};
    const char *fields = request_query(c->rq, "fields");

    filter->kind = request_query(c->rq, "kind");
    filter->tag = request_query(c->rq, "tag");
    filter->state = request_query(c->rq, "state");
    filter->text = request_query(c->rq, "q");
    filter->definitions = fields != NULL;
    if (filter->kind && !is_one_of(filter->kind, kinds, ARRAY_LEN(kinds)))
        (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "kind is rule or list");
    else if (filter->state && !is_one_of(filter->state, states, ARRAY_LEN(states)))
        (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "state is building, live or failed");
    else if (fields && strcmp(fields, "definition") != 0)
        (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "fields can be definition");
    else
        return true;
    return false;
}

enum handled api_segment_list(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    struct segment_filter filter = {.kind = NULL};
    struct page page;
    enum db_status status;
    size_t n;

    if (!page_read(c, &page) || !read_filter(c, &filter))
        return HANDLED_ANSWERED;
    filter.after = page.place;
    filter.limit = page.limit + 1;
    status = db_segment_list(c->db, &filter, &rows);
    if (status != DB_OK && status != DB_NONE)
        return answer_status(c, status);
    n = db_rows_count(&rows);
    page_begin(&out);
    json_open(&out, '[');
    for (size_t i = 0; i < n && i < (size_t)page.limit; i++) {
        struct segment_row row = db_segment_row(&rows, i);

        segment_put(&out, &row, filter.definitions);
    }
    json_close(&out, ']');
    return page_end(c, &out, n > (size_t)page.limit ? db_segment_row(&rows, n - 2).key : NULL);
}

enum handled api_segment_read(struct call *c)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_segment_read(c->db, call_param(c, 0), &rows);
    char etag[ETAG_MAX];
    struct segment_row row;

    if (status != DB_OK)
        return answer_status(c, status);
    row = db_segment_row(&rows, 0);
    segment_etag(&row, etag);
    if (!answer_is_known(c, etag))
        return answer_segment(c, 200, &row);
    answer_header(c, "ETag", etag);
    return answer_empty(c, 304);
}

static void put_keys(struct json_out *out, const struct db_rows *rows)
{
    json_open(out, '[');
    for (size_t i = 0; i < db_rows_count(rows); i++)
        json_put_text(out, db_text(rows, i, 0));
    json_close(out, ']');
}

enum handled api_segment_dependents(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    enum db_status status = db_segment_read(c->db, call_param(c, 0), &rows);

    if (status == DB_OK)
        status = db_segment_dependents(c->db, call_param(c, 0), &rows);
    else
        return answer_status(c, status);
    if (status != DB_OK && status != DB_NONE)
        return answer_status(c, status);
    page_begin(&out);
    put_keys(&out, &rows);
    return page_end(c, &out, NULL);
}

/* --- Delete --- */

struct deletion {
    struct call *c;
    struct buf dependents; /* JSON; not empty: the segment is in use */
    bool changed;          /* If-Match does not hold */
};

static enum db_status delete_in_tx(struct db *db, void *context)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct deletion *deletion = context;
    const char *key = call_param(deletion->c, 0);
    struct json_out out = JSON_OUT(&deletion->dependents);
    struct segment_row row;
    enum db_status status;

    buf_clear(&deletion->dependents);
    status = db_segment_lock(db);
    if (status == DB_OK)
        status = db_segment_read(db, key, &rows);
    if (status != DB_OK)
        return status;
    row = db_segment_row(&rows, 0);
    deletion->changed = !segment_matches(deletion->c, &row);
    if (deletion->changed)
        return DB_OK;
    status = db_segment_dependents(db, key, &rows);
    if (status == DB_OK)
        put_keys(&out, &rows);
    return status == DB_NONE ? db_segment_delete(db, key) : status;
}

enum handled api_segment_delete(struct call *c)
{
    AUTO_BUF struct buf dependents = BUF_INIT(ANSWER_MAX);
    struct deletion deletion = {.c = c, .dependents = dependents};
    enum db_status status = db_tx(c->db, DB_READ_COMMITTED, delete_in_tx, &deletion);

    dependents = deletion.dependents; /* released with it */
    if (status != DB_OK)
        return answer_status(c, status);
    if (deletion.changed)
        return answer_problem(c, PROBLEM_PRECONDITION_FAILED, NULL);
    if (dependents.len)
        return answer_problem_with(c, PROBLEM_SEGMENT_IN_USE, "other segments refer to this one", "dependents", buf_text(&dependents));
    return answer_empty(c, 204);
}
