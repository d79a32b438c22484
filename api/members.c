/* Members of a segment: pages, streams, one person. The one idea: a page is one snapshot of its own, a stream is one snapshot as a whole, read in batches
 * so that memory stays constant however many members there are. A stream's request is finished before its body is written, so what the body needs is
 * copied before. */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/page.h"
#include "api/person.h"
#include "api/segment_json.h"
#include "db/member.h"
#include "server/base/alloc.h"

enum { TRAITS_MAX = 20, BATCH = 500, PIECE_MAX = 64 << 10 };

/* ?fields=email,plan: the traits to give. */
struct fields {
    char *text; /* owned; commas made NUL */
    const char *names[TRAITS_MAX];
    size_t n;
};

static void fields_release(struct fields *fields)
{
    free(fields->text);
}

/* False: answered. */
static bool fields_read(struct call *c, struct fields *fields)
{
    const char *asked = request_query(c->rq, "fields");
    char *at;

    if (!asked)
        return true;
    fields->text = at = mem_strdup(asked);
    while (at && *at && fields->n < TRAITS_MAX) {
        fields->names[fields->n++] = at;
        at = strchr(at, ',');
        if (at)
            *at++ = '\0';
    }
    if (fields->n && !(at && *at))
        return true;
    (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "fields must be 1 to 20 names of traits, parted by commas");
    return false;
}

static void put_member(struct json_out *out, const struct member_row *row)
{
    json_open(out, '{');
    json_add_text(out, "user_id", row->user_id);
    json_add_text(out, "anonymous_id", row->anonymous_id);
    json_add_instant(out, "entered_at", row->entered_us);
    if (row->traits)
        json_add_raw(out, "traits", row->traits);
    json_close(out, '}');
}

/* --- A page --- */

static enum handled answer_page(struct call *c, const struct page *page, const struct db_rows *segment_rows, const struct db_rows *rows)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    struct segment_row segment = db_segment_row(segment_rows, 0);
    size_t n = db_rows_count(rows), shown = n > (size_t)page->limit ? (size_t)page->limit : n;
    char place[ID_TEXT];

    json_open(&out, '{');
    json_key(&out, "data");
    json_open(&out, '[');
    for (size_t i = 0; i < shown; i++) {
        struct member_row row = db_member_row(rows, i);

        put_member(&out, &row);
        id_print(&row.profile_id, place);
    }
    json_close(&out, ']');
    page_next(c, &out, n > shown ? place : NULL);
    segment_put_freshness(&out, &segment);
    json_add_int(&out, "size", segment.size);
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

/* --- A stream --- */

struct export
{
    struct db *db;
    struct stream *stream;
    enum answer_type type;
    char *key; /* owned */
    struct member_query query;
};

static void put_csv_text(struct buf *line, const char *text)
{
    bool quote = text && text[strcspn(text, ",\"\r\n")];

    if (quote)
        buf_add_char(line, '"');
    for (; text && *text; text++) {
        if (*text == '"')
            buf_add_char(line, '"');
        buf_add_char(line, *text);
    }
    if (quote)
        buf_add_char(line, '"');
}

/* A trait in CSV: a string's text, else its JSON. */
static void put_csv_trait(struct buf *line, struct json value)
{
    char *text AUTO_FREE = value.type == JSON_T_STRING ? json_text(value) : mem_strndup(value.at ? value.at : "", value.at ? value.len : 0);

    put_csv_text(line, value.type == JSON_T_NULL ? "" : text);
}

static void put_csv_row(struct buf *text, const struct export *export, const struct member_row *row)
{
    char entered[INSTANT_TEXT];
    struct json traits = {.type = JSON_T_OBJECT, .at = row->traits, .len = row->traits ? strlen(row->traits) : 0};

    instant_print(row->entered_us, entered);
    put_csv_text(text, row->user_id);
    buf_add_char(text, ',');
    put_csv_text(text, row->anonymous_id);
    buf_addf(text, ",%s", entered);
    for (size_t i = 0; i < export->query.n_traits; i++) {
        buf_add_char(text, ',');
        put_csv_trait(text, row->traits ? json_get(traits, export->query.traits[i]) : JSON_NONE);
    }
    buf_add_text(text, "\r\n");
}

static void put_csv_head(struct buf *text, const struct export *export)
{
    buf_add_text(text, "user_id,anonymous_id,entered_at");
    for (size_t i = 0; i < export->query.n_traits; i++) {
        buf_add_char(text, ',');
        put_csv_text(text, export->query.traits[i]);
    }
    buf_add_text(text, "\r\n");
}

static bool write_rows(const struct export *export, const struct db_rows *rows)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);

    for (size_t i = 0; i < db_rows_count(rows); i++) {
        struct member_row row = db_member_row(rows, i);
        struct json_out out = JSON_OUT(&text);

        if (export->type == TYPE_CSV) {
            put_csv_row(&text, export, &row);
        } else {
            put_member(&out, &row);
            buf_add_char(&text, '\n');
        }
        if (text.len > PIECE_MAX && !stream_write(export->stream, text.data, text.len))
            return false;
        if (text.len > PIECE_MAX)
            buf_clear(&text);
    }
    return !text.len || stream_write(export->stream, text.data, text.len);
}

/* Writes the whole segment; false: the client or the database is gone. */
static bool write_all(struct export *export)
{
    AUTO_BUF struct buf head = BUF_INIT(PIECE_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    if (export->type == TYPE_CSV)
        put_csv_head(&head, export);
    if (head.len && !stream_write(export->stream, head.data, head.len))
        return false;
    while ((status = db_member_more(export->db, &export->query, &rows)) == DB_OK) {
        if (!write_rows(export, &rows))
            return false;
        export->query.after = db_member_row(&rows, db_rows_count(&rows) - 1).profile_id;
        if (db_rows_count(&rows) < BATCH)
            return true;
    }
    return status == DB_NONE;
}

/* Begins the answer; the request and the call are gone after. */
static void begin_stream(struct call *c, struct export *export, const struct segment_row *segment)
{
    struct request *rq = c->rq;
    char as_of[INSTANT_TEXT] = "";

    if (segment->as_of_us != INSTANT_NONE)
        instant_print(segment->as_of_us, as_of);
    reply_header(rq, "Cohortd-As-Of", as_of);
    reply_header(rq, "Cohortd-State", segment_state(segment));
    export->stream = reply_stream(rq, 200, export->type == TYPE_CSV ? "text/csv; charset=utf-8" : "application/x-ndjson");
    request_finish(rq);
}

static enum handled stream_members(struct call *c, struct fields *fields)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct export export = {.db = c->db, .type = c->type, .key = mem_strdup(call_param(c, 0))};
    enum db_status status = db_begin(c->db, DB_REPEATABLE_READ_ONLY);
    struct segment_row segment;

    export.query = (struct member_query){.key = export.key, .limit = BATCH, .traits = fields->names, .n_traits = fields->n};
    if (status == DB_OK)
        status = db_segment_read(c->db, export.key, &rows);
    if (status == DB_OK) {
        segment = db_segment_row(&rows, 0);
        begin_stream(c, &export, &segment);
        stream_end(export.stream, write_all(&export));
    }
    db_rollback(export.db);
    free(export.key);
    return status == DB_OK ? HANDLED_LENT : answer_status(c, status);
}

enum handled api_member_list(struct call *c)
{
    CLEANUP(fields_release) struct fields fields = {.n = 0};
    AUTO_DB_ROWS struct db_rows segment = DB_ROWS_INIT, rows = DB_ROWS_INIT;
    struct member_query query = {.key = call_param(c, 0)};
    enum db_status status;
    struct page page;

    if (!page_read(c, &page) || !fields_read(c, &fields))
        return HANDLED_ANSWERED;
    if (c->type != TYPE_JSON)
        return stream_members(c, &fields);
    if (!page.first && !id_read(page.place, &query.after))
        return answer_problem(c, PROBLEM_BAD_CURSOR, NULL);
    query.limit = page.limit + 1;
    query.traits = fields.names;
    query.n_traits = fields.n;
    status = db_member_page(c->db, &query, &segment, &rows);
    return status == DB_OK ? answer_page(c, &page, &segment, &rows) : answer_status(c, status);
}

enum handled api_member_read(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    enum db_status status = DB_NONE;
    char as_of_text[INSTANT_TEXT];
    struct member_row row;
    int64_t as_of_us;
    struct id raw;

    if (person_read(call_param(c, 1), &raw))
        status = db_member_read(c->db, call_param(c, 0), &raw, &rows, &as_of_us);
    if (status != DB_OK)
        return answer_status(c, status);
    row = db_member_row(&rows, 0);
    put_member(&out, &row);
    instant_print(as_of_us, as_of_text);
    reply_header(c->rq, "Cohortd-As-Of", as_of_text);
    return answer_json(c, 200, &text);
}
