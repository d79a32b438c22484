/* Members of a segment: pages, streams, one person; as they are, or (?at=) as they were at an instant of the last 30 days, by the feed. The one idea: a page is
 * one snapshot of its own, a stream is one snapshot as a whole. A stream's request is finished before its body is written, so what the body needs is copied
 * before, and the call is not touched after. Lists are not changed here. */
#include <stdlib.h>
#include <string.h>

#include "api/consent.h"
#include "api/handlers.h"
#include "api/instants.h"
#include "api/member_text.h"
#include "api/page.h"
#include "api/person.h"
#include "api/segment_json.h"
#include "db/feed.h"
#include "server/base/alloc.h"

enum { TRAITS_MAX = 20 };

/* ?fields=email,plan: the traits to give. */
struct fields {
    char *text; /* owned; its commas are made NUL */
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

/* ?at=: INSTANT_NONE when not given. False: answered. An as_of that the caller has just read may be a little beyond our estimate of the clock. */
static bool read_at(struct call *c, int64_t *ret_at_us)
{
    int64_t now_us = db_clock_now_us(c->ports->clock) + US_PER_S;

    *ret_at_us = INSTANT_NONE;
    if (!instant_parameter(c, "at", ret_at_us))
        return false;
    if (*ret_at_us == INSTANT_NONE || (*ret_at_us <= now_us && *ret_at_us > now_us - FEED_KEEP_DAYS * 86400 * US_PER_S))
        return true;
    (void)answer_problem_detail(c, PROBLEM_OUT_OF_HISTORY, "at must lie in the last 30 days");
    return false;
}

/* Puts the segment back to that instant; false: answered. */
static bool look_back(struct call *c, int64_t at_us, struct segment_row *segment)
{
    enum db_status status;

    if (at_us == INSTANT_NONE)
        return true;
    if (at_us < segment->created_us) {
        (void)answer_problem_detail(c, PROBLEM_OUT_OF_HISTORY, "the segment was made later");
        return false;
    }
    if (at_us < segment->as_of_us) /* nothing is known yet of what lies after the worker's as_of */
        segment->as_of_us = at_us;
    status = db_member_count_at(c->db, segment->key, at_us, &segment->size);
    if (status != DB_OK)
        (void)answer_status(c, status);
    return status == DB_OK;
}

static enum handled answer_page(struct call *c, const struct page *page, const struct segment_row *segment, const struct db_rows *rows)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    size_t n = db_rows_count(rows), limit = (size_t)page->limit;
    char place[ID_TEXT];

    page_begin(&out);
    json_open(&out, '[');
    for (size_t i = 0; i < n && i < limit; i++) {
        struct member_row row = db_member_row(rows, i);

        if (!db_member_is_place(rows, i))
            member_put(&out, &row);
        id_print(&row.profile_id, place);
    }
    json_close(&out, ']');
    page_next(c, &out, n > limit || db_member_ends_early(rows) ? place : NULL);
    segment_put_freshness(&out, segment);
    json_add_int(&out, "size", segment->size);
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

static bool write_stream(void *context, const char *bytes, size_t len)
{
    return stream_write(context, bytes, len);
}

/* Begins the answer; the request and the call are gone after. */
static struct stream *begin_stream(struct call *c, const struct segment_row *segment)
{
    struct request *rq = c->rq;
    char as_of[INSTANT_TEXT] = "";
    struct stream *stream;

    if (segment->as_of_us != INSTANT_NONE)
        instant_print(segment->as_of_us, as_of);
    reply_header(rq, "Cohortd-As-Of", as_of);
    reply_header(rq, "Cohortd-State", segment_state(segment));
    stream = reply_stream(rq, 200, c->type == TYPE_CSV ? "text/csv; charset=utf-8" : "application/x-ndjson");
    request_finish(rq);
    return stream;
}

static enum handled stream_members(struct call *c, const struct member_query *query)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    char *key AUTO_FREE = mem_strdup(call_param(c, 0));
    struct member_export export = {.db = c->db,
                                   .key = key,
                                   .at_us = query->at_us,
                                   .form = c->type == TYPE_CSV ? MEMBER_CSV : MEMBER_NDJSON,
                                   .traits = query->traits,
                                   .n_traits = query->n_traits,
                                   .reachable = query->reachable,
                                   .n_reachable = query->n_reachable,
                                   .write = write_stream};
    enum db_status status = db_begin(c->db, DB_REPEATABLE_READ_ONLY);
    struct segment_row segment;
    bool answered = false;

    if (status == DB_OK)
        status = db_segment_read(c->db, key, &rows);
    if (status == DB_OK) {
        segment = db_segment_row(&rows, 0);
        answered = !look_back(c, query->at_us, &segment);
    }
    if (status == DB_OK && !answered) {
        export.context = begin_stream(c, &segment);
        stream_end(export.context, member_export_run(&export));
    }
    db_rollback(export.db);
    if (answered)
        return HANDLED_ANSWERED;
    return status == DB_OK ? HANDLED_LENT : answer_status(c, status);
}

static enum handled list_members(struct call *c, const struct page *page, struct member_query *query)
{
    AUTO_DB_ROWS struct db_rows segment_rows = DB_ROWS_INIT, rows = DB_ROWS_INIT;
    struct segment_row segment;
    enum db_status status;

    if (!page->first && !id_read(page->place, &query->after))
        return answer_problem(c, PROBLEM_BAD_CURSOR, NULL);
    query->limit = page->limit + 1;
    status = db_member_page(c->db, query, &segment_rows, &rows);
    if (status != DB_OK)
        return answer_status(c, status);
    segment = db_segment_row(&segment_rows, 0);
    return look_back(c, query->at_us, &segment) ? answer_page(c, page, &segment, &rows) : HANDLED_ANSWERED;
}

enum handled api_member_list(struct call *c)
{
    CLEANUP(fields_release) struct fields fields = {.n = 0};
    AUTO_REACHABLE struct reachable reachable = {.n = 0};
    struct member_query query = {.key = call_param(c, 0)};
    struct page page;

    if (!page_read(c, &page) || !fields_read(c, &fields) || !read_at(c, &query.at_us) || !reachable_read(c, &reachable))
        return HANDLED_ANSWERED;
    query.traits = fields.names;
    query.n_traits = fields.n;
    query.reachable = reachable.channels;
    query.n_reachable = reachable.n;
    return c->type == TYPE_JSON ? list_members(c, &page, &query) : stream_members(c, &query);
}

enum handled api_member_read(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    enum db_status status = DB_NONE;
    char as_of[INSTANT_TEXT];
    struct member_row row;
    int64_t as_of_us;
    struct id raw;

    if (person_read(call_param(c, 1), &raw))
        status = db_member_read(c->db, call_param(c, 0), &raw, &rows, &as_of_us);
    if (status != DB_OK)
        return answer_status(c, status);
    row = db_member_row(&rows, 0);
    member_put(&out, &row);
    instant_print(as_of_us, as_of);
    reply_header(c->rq, "Cohortd-As-Of", as_of);
    return answer_json(c, 200, &text);
}
