/* All that is held on a person, as one document. The one idea: one snapshot, written as it is read, so a person with a million events takes
 * no more memory than one with ten. Once the answer has begun a failure breaks the connection off, so that nobody takes half for all.
 * What a profile and an event look like is not decided here. */
#include "api/event_json.h"
#include "api/handlers.h"
#include "api/person.h"
#include "api/profile_json.h"
#include "db/profile.h"

enum { BATCH = 500 };

struct export
{
    struct db *db;
    struct stream *stream;
    struct buf text;
    struct json_out out;
};

static bool pass_on(struct export *export)
{
    bool ok = stream_write(export->stream, export->text.data, export->text.len);

    buf_clear(&export->text);
    return ok;
}

/* Newest first. */
static bool write_events(struct export *export, const struct id *profile)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct event_place place;
    enum db_status status;
    bool first = true;

    json_key(&export->out, "events");
    json_open(&export->out, '[');
    while ((status = db_profile_events(export->db, profile, first ? NULL : &place, BATCH, &rows)) == DB_OK) {
        for (size_t i = 0; i < db_rows_count(&rows); i++)
            event_put(&export->out, &rows, i);
        place = db_event_row(&rows, db_rows_count(&rows) - 1).place;
        first = false;
        if (!pass_on(export))
            return false;
    }
    json_close(&export->out, ']');
    return status == DB_NONE;
}

/* The request and the call are gone after. */
static void write_all(struct call *c, struct export *export, const struct id *profile)
{
    struct request *rq = c->rq;
    bool complete;

    export->stream = reply_stream(rq, 200, "application/json");
    request_finish(rq);
    complete = write_events(export, profile);
    json_close(&export->out, '}');
    stream_end(export->stream, complete && pass_on(export));
}

enum handled api_profile_export(struct call *c)
{
    struct export export = {.db = c->db, .text = BUF_INIT(ANSWER_MAX)};
    enum db_status status;
    struct id raw, profile;

    if (!person_read(call_param(c, 0), &raw))
        return answer_status(c, DB_NONE);
    export.out = (struct json_out)JSON_OUT(&export.text);
    status = db_begin(export.db, DB_REPEATABLE_READ_ONLY);
    json_open(&export.out, '{');
    if (status == DB_OK)
        status = profile_put(export.db, &raw, &export.out, &profile);
    if (status == DB_OK)
        write_all(c, &export, &profile);
    db_rollback(export.db);
    buf_release(&export.text);
    return status == DB_OK ? HANDLED_LENT : answer_status(c, status);
}
