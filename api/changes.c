/* The feed of changes. The one idea: a reader keeps the last seq it has seen and asks for what is after it; as seq grows in order of
 * visibility, it never skips a change. With ?wait= a call that finds nothing is parked, holding no thread, and runs again when the feed
 * moves or its time is over. `next` is given when a page is full, next_cursor always: it is the seq to go on from, as ?after=. */
#include <inttypes.h>
#include <string.h>

#include "api/change_stream.h"
#include "api/consent.h"
#include "api/handlers.h"
#include "api/page.h"
#include "api/person.h"
#include "db/segment.h"

#define WAIT_MAX_US (60 * US_PER_S)

struct ask {
    struct feed_query query;
    struct reachable reachable; /* owned: the query borrows it */
    int64_t seen;               /* the end of the feed before it was read; only where rows are left out */
    bool latest;
    int64_t wait_us;
};

static bool refuse(struct call *c, const char *detail)
{
    (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, detail);
    return false;
}

static void ask_release(struct ask *ask)
{
    reachable_release(&ask->reachable);
}

/* False: answered. */
static bool read_ask(struct call *c, struct ask *ask)
{
    const char *resume = c->type == TYPE_EVENTS ? request_header(c->rq, "Last-Event-ID") : NULL;
    const char *after = resume ? resume : request_query(c->rq, "after"), *wait = request_query(c->rq, "wait");
    struct json number = {.type = JSON_T_NUMBER, .at = after, .len = after ? strlen(after) : 0};

    ask->query.after = -1;
    ask->latest = after && strcmp(after, "latest") == 0;
    if (after && !ask->latest && (!number.len || !json_int(number, 0, INT64_MAX, &ask->query.after)))
        return refuse(c, resume ? "Last-Event-ID must be a seq of the feed" : "after must be a seq of the feed, or latest");
    if (wait && (!duration_read(wait, strlen(wait), &ask->wait_us) || ask->wait_us > WAIT_MAX_US))
        return refuse(c, "wait must be a duration of 1s to 60s");
    if (!reachable_read(c, &ask->reachable))
        return false;
    ask->query.reachable = ask->reachable.channels;
    ask->query.n_reachable = ask->reachable.n;
    return page_limit(c, &ask->query.limit);
}

void change_put(struct json_out *out, const struct feed_row *row)
{
    json_open(out, '{');
    json_add_int(out, "seq", row->seq);
    json_add_text(out, "segment", row->segment);
    person_put(out, &row->who);
    json_add_text(out, "op", row->op);
    json_add_instant(out, "at", row->at_us);
    json_add_text(out, "cause", row->cause);
    json_close(out, '}');
}

static enum handled answer_feed(struct call *c, const struct ask *ask, const struct db_rows *rows)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    size_t n = db_rows_count(rows);
    int64_t last = ask->query.after > 0 ? ask->query.after : 0;
    bool more = n == (size_t)ask->query.limit;
    char place[24];

    page_begin(&out);
    json_open(&out, '[');
    for (size_t i = 0; i < n; i++) {
        struct feed_row row = db_feed_row(rows, i);

        if (row.op)
            change_put(&out, &row);
        more |= !row.op;
        last = row.seq;
    }
    if (!more && last < ask->seen) /* what was left out, other segments' too, is not looked at again, nor does the place expire */
        last = ask->seen;
    json_close(&out, ']');
    (void)snprintf(place, sizeof place, "%" PRId64, last);
    if (more) {
        page_go_on(c, &out, "after", place);
    } else {
        json_add_null(&out, "next");
        json_add_text(&out, "next_cursor", place);
    }
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

/* Is there anything to wait for, and time left? Then when the waiting ends. */
static bool may_wait(struct call *c, const struct ask *ask, int64_t *ret_until_us)
{
    int64_t now_us = clock_mono_us();

    *ret_until_us = c->wait_until_us ? c->wait_until_us : now_us + ask->wait_us;
    return ask->wait_us && !c->no_wait && now_us < *ret_until_us;
}

/* Nothing was read, or what was asked for is no longer kept: is the place one of this feed at all, and its segment known? A place beyond the end was
 * given by another database, or before this one was restored: waiting there would skip what comes. False: answered. */
static bool check_place(struct call *c, const struct ask *ask)
{
    int64_t last = 0;
    enum db_status status = ask->query.segment ? db_feed_knows(c->db, ask->query.segment) : DB_OK;

    if (status == DB_OK && ask->query.after > 0)
        status = db_feed_last(c->db, &last);
    if (status != DB_OK)
        (void)answer_status(c, status);
    else if (ask->query.after > last)
        (void)answer_problem_detail(c, PROBLEM_BAD_CURSOR, "the place is beyond the end of the feed; read members anew, then after=latest");
    else
        return true;
    return false;
}

static enum handled read_feed(struct call *c, const char *segment)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    CLEANUP(ask_release) struct ask ask = {.query = {.segment = segment}};
    enum db_status status = DB_OK;
    int64_t until_us;

    if (!read_ask(c, &ask))
        return HANDLED_ANSWERED;
    if (ask.latest && c->feed_place < 0)
        status = db_feed_last(c->db, &c->feed_place);
    if (ask.latest)
        ask.query.after = c->feed_place; /* where the first look found the end, however often we look */
    if (status == DB_OK && (segment || ask.query.n_reachable))
        status = db_feed_last(c->db, &ask.seen);
    if (status == DB_OK)
        status = db_feed_read(c->db, &ask.query, &rows);
    if ((status == DB_NONE || (status == DB_OK && !db_rows_count(&rows))) && !check_place(c, &ask))
        return HANDLED_ANSWERED;
    if (status == DB_NONE)
        return answer_problem(c, PROBLEM_CURSOR_EXPIRED, NULL);
    if (status != DB_OK)
        return answer_status(c, status);
    if (c->type == TYPE_EVENTS)
        return change_stream_begin(c, &ask.query);
    if (!db_rows_count(&rows) && may_wait(c, &ask, &until_us))
        return call_park(c, until_us);
    return answer_feed(c, &ask, &rows);
}

enum handled api_changes(struct call *c)
{
    return read_feed(c, request_query(c->rq, "segment"));
}

/* A deleted segment's feed is there under /v1/changes?segment=. */
enum handled api_segment_changes(struct call *c)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status = db_segment_read(c->db, call_param(c, 0), &rows);

    return status == DB_OK ? read_feed(c, call_param(c, 0)) : answer_status(c, status);
}
