/* GET /v1/visitor/segments: what a page may know of its visitor, so that it can adapt itself. The one idea: whoever has the public write key may ask, so the
 * answer holds the keys of `public` segments and nothing else, and is the same for a person who is unknown and one who is in none. The key is checked
 * on the loop thread, the look-up is one statement. */
#include <string.h>

#include "api/auth.h"
#include "api/collect/person.h"
#include "api/handlers.h"
#include "db/profile.h"
#include "server/base/utf8.h"

enum { NAMES = 2 };

/* Appends the person that a parameter names, if it can name one. */
static size_t add_person(struct call *c, const char *parameter, const char *kind, struct id raw[NAMES], size_t n)
{
    const char *text = request_query(c->rq, parameter);
    struct span id = {.at = text, .len = text ? strlen(text) : 0};

    if (!text || !utf8_ok(text, id.len) || id_judge(id) != ID_USABLE)
        return n;
    raw[n] = id_person(kind, id.at, id.len);
    return n + 1;
}

static enum handled answer_keys(struct call *c, const struct db_rows *rows)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);

    json_open(&out, '{');
    json_key(&out, "segments");
    json_open(&out, '[');
    for (size_t i = 0; i < db_rows_count(rows); i++)
        json_put_text(&out, db_text(rows, i, 0));
    json_close(&out, ']');
    json_close(&out, '}');
    return answer_json(c, 200, &text);
}

enum handled api_visitor_segments(struct call *c)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum handled handled;
    enum db_status status;
    struct id raw[NAMES];
    size_t n;

    if (!auth_write(c, auth_collect, &handled))
        return handled;
    if (!c->on_query_thread)
        return HANDLED_ELSEWHERE;
    if (!c->db)
        return answer_problem(c, PROBLEM_UNAVAILABLE, NULL);
    n = add_person(c, "userId", "user", raw, 0);
    n = add_person(c, "anonymousId", "anonymous", raw, n);
    status = db_visitor_segments(c->db, raw, n, &rows);
    if (status != DB_OK && status != DB_NONE)
        return answer_status(c, status);
    reply_header(c->rq, "Cache-Control", "no-store");
    return answer_keys(c, &rows);
}
