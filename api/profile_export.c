/* All that is held on a person, as one document. The one idea: one snapshot, written as it is read, so a person with a million events takes
 * no more memory than one with ten. Once the answer has begun a failure breaks the connection off, so that nobody takes half for all.
 * What a profile and an event look like is not decided here. */
#include "api/event_json.h"
#include "api/handlers.h"
#include "api/person.h"
#include "api/profile_json.h"
#include "db/profile.h"

struct whole {
    struct db *db;
    struct stream *stream;
    struct buf text;
    struct json_out out;
};

static bool pass_on(struct whole *whole)
{
    bool ok = buf_ok(&whole->text) && stream_write(whole->stream, whole->text.data, whole->text.len);

    buf_clear(&whole->text);
    return ok;
}

/* Newest first. */
static bool write_events(struct whole *whole, const struct id *profile)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    int32_t n = event_fetch(NULL);
    enum db_status status = db_profile_events_open(whole->db, profile, NULL);

    if (status != DB_OK)
        return false;
    json_key(&whole->out, "events");
    json_open(&whole->out, '[');
    while ((status = db_events_next(whole->db, n, &rows)) == DB_OK) {
        n = event_fetch(&rows);
        for (size_t i = 0; i < db_rows_count(&rows); i++) {
            event_put(&whole->out, &rows, i); /* 1e99 is read back with all its digits: an event may be large */
            if (!pass_on(whole))
                return false;
        }
    }
    json_close(&whole->out, ']');
    return status == DB_NONE;
}

/* The request and the call are gone after. */
static void write_all(struct call *c, struct whole *whole, const struct id *profile)
{
    struct request *rq = c->rq;
    bool complete;

    whole->stream = reply_stream(rq, 200, "application/json");
    request_finish(rq);
    complete = write_events(whole, profile);
    json_close(&whole->out, '}');
    stream_end(whole->stream, complete && pass_on(whole));
}

enum handled api_profile_export(struct call *c)
{
    struct whole whole = {.db = c->db, .text = BUF_INIT(ANSWER_MAX)};
    enum db_status status;
    struct id raw, profile;

    if (!person_read(call_param(c, 0), &raw))
        return answer_status(c, DB_NONE);
    whole.out = (struct json_out)JSON_OUT(&whole.text);
    status = db_begin(whole.db, DB_REPEATABLE_READ_ONLY);
    json_open(&whole.out, '{');
    if (status == DB_OK)
        status = profile_put(whole.db, &raw, &whole.out, &profile);
    if (status == DB_OK)
        write_all(c, &whole, &profile);
    db_rollback(whole.db);
    buf_release(&whole.text);
    return status == DB_OK ? HANDLED_LENT : answer_status(c, status);
}
