/* Events as such: the catalogue of their names, the newest ones for a live view, and the log of those that were refused.
 * The catalogue's counts are the worker's and as fresh as it is. Properties and context go out as they are stored, so numbers are exact.
 * Events of one person are in profiles.c. */
#include <inttypes.h>
#include <stdlib.h>

#include "api/event_json.h"
#include "api/handlers.h"
#include "api/page.h"
#include "api/person.h"
#include "db/catalogue.h"
#include "db/reject.h"

enum { PAGE_BYTES = 8 << 20, FETCH_BYTES = 1 << 20, FETCH_FIRST = 10, FETCH_MOST = 200 };

static void put_event(struct json_out *out, const struct event_row *row, bool with_person)
{
    json_open(out, '{');
    json_add_text(out, "event", row->name);
    if (with_person)
        person_put(out, &row->who);
    json_add_instant(out, "ts", row->place.ts_us);
    json_add_instant(out, "received_at", row->place.received_us);
    json_add_text(out, "source", row->source);
    json_add_raw(out, "properties", row->properties);
    json_add_raw(out, "context", row->context);
    json_close(out, '}');
}

void event_put(struct json_out *out, const struct db_rows *rows, size_t i)
{
    struct event_row row = db_event_row(rows, i);

    put_event(out, &row, false);
}

int32_t event_fetch(const struct db_rows *last)
{
    return last ? db_rows_worth(last, FETCH_BYTES, FETCH_MOST) : FETCH_FIRST;
}

enum db_status event_put_page(struct db *db, struct json_out *out, struct event_page *page)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    size_t begin = out->buf->len;
    int32_t left = page->limit, n = event_fetch(NULL);
    enum db_status status = DB_OK;

    json_open(out, '[');
    while (left > 0 && out->buf->len - begin < PAGE_BYTES && (status = db_events_next(db, n < left ? n : left, &rows)) == DB_OK) {
        for (size_t i = 0; i < db_rows_count(&rows); i++) {
            struct event_row row = db_event_row(&rows, i);

            put_event(out, &row, page->with_person);
            page->place = row.place;
        }
        left -= (int32_t)db_rows_count(&rows);
        n = event_fetch(&rows);
    }
    json_close(out, ']');
    if (status == DB_OK)
        status = db_events_next(db, 1, &rows);
    page->more = status == DB_OK;
    return status == DB_NONE ? DB_OK : status;
}

enum handled api_event_recent(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    struct event_page page = {.with_person = true};
    enum db_status status;

    if (!page_limit(c, &page.limit))
        return HANDLED_ANSWERED;
    page_begin(&out);
    status = db_begin(c->db, DB_REPEATABLE_READ_ONLY);
    if (status == DB_OK)
        status = db_event_recent_open(c->db, page.limit);
    if (status == DB_OK)
        status = event_put_page(c->db, &out, &page);
    db_rollback(c->db);
    if (status != DB_OK)
        return answer_status(c, status);
    return page_end(c, &out, NULL);
}

static void put_name(struct json_out *out, const struct catalogue_row *row)
{
    json_open(out, '{');
    json_add_text(out, "name", row->name);
    json_add_int(out, "count", row->events);
    json_add_instant(out, "first_seen", row->first_seen_us);
    json_add_instant(out, "last_seen", row->last_seen_us);
    json_add_raw(out, "properties", row->properties);
    json_close(out, '}');
}

enum handled api_event_names(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    enum db_status status;
    struct page page;
    size_t n;

    if (!page_read(c, &page))
        return HANDLED_ANSWERED;
    status = db_catalogue_list(c->db, page.place, request_query(c->rq, "q"), page.limit + 1, &rows);
    if (status != DB_OK && status != DB_NONE)
        return answer_status(c, status);
    n = db_rows_count(&rows);
    page_begin(&out);
    json_open(&out, '[');
    for (size_t i = 0; i < n && i < (size_t)page.limit; i++) {
        struct catalogue_row row = db_catalogue_row(&rows, i);

        put_name(&out, &row);
    }
    json_close(&out, ']');
    return page_end(c, &out, n > (size_t)page.limit ? db_catalogue_row(&rows, n - 2).name : NULL);
}

static void put_reject(struct json_out *out, const struct db_rows *rows, size_t i)
{
    json_open(out, '{');
    json_add_int(out, "id", db_int(rows, i, REJECT_ID));
    json_add_instant(out, "at", db_instant(rows, i, REJECT_AT));
    json_add_text(out, "source", db_text(rows, i, REJECT_SOURCE));
    json_add_text(out, "code", db_text(rows, i, REJECT_CODE));
    json_add_text(out, "detail", db_text(rows, i, REJECT_DETAIL));
    json_add_text(out, "payload", db_text(rows, i, REJECT_PAYLOAD));
    json_close(out, '}');
}

enum handled api_reject_list(struct call *c)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct json_out out = JSON_OUT(&text);
    int64_t before = INT64_MAX;
    enum db_status status;
    struct page page;
    char next[24];
    size_t n;

    if (!page_read(c, &page))
        return HANDLED_ANSWERED;
    if (!page.first)
        before = strtoll(page.place, NULL, 10);
    status = db_reject_list(c->db, before, (size_t)page.limit + 1, &rows);
    if (status != DB_OK && status != DB_NONE)
        return answer_status(c, status);
    n = db_rows_count(&rows);
    page_begin(&out);
    json_open(&out, '[');
    for (size_t i = 0; i < n && i < (size_t)page.limit; i++)
        put_reject(&out, &rows, i);
    json_close(&out, ']');
    if (n > (size_t)page.limit)
        (void)snprintf(next, sizeof next, "%" PRId64, db_int(&rows, n - 2, REJECT_ID));
    return page_end(c, &out, n > (size_t)page.limit ? next : NULL);
}
