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

/* Is it a write key, and used where its source allows? False: answered. */
static bool may_ask(struct call *c)
{
    if (c->key.role != ROLE_WRITE)
        (void)answer_problem_detail(c, PROBLEM_UNAUTHORIZED, "an API key is no write key");
    else if (!c->key.origin_ok)
        (void)answer_problem(c, PROBLEM_ORIGIN_NOT_ALLOWED, NULL);
    else
        return true;
    return false;
}

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
    enum auth auth = auth_collect(c);
    enum db_status status;
    struct id raw[NAMES];
    bool sure = false;
    size_t n;

    if (auth == AUTH_UNKNOWN && c->db) {
        sure = c->ports->reload_keys(c->ports->app, c->db);
        auth = auth_collect(c);
    }
    if (auth == AUTH_NONE)
        return answer_problem_detail(c, PROBLEM_UNAUTHORIZED, "no write key");
    if (auth == AUTH_OK && !may_ask(c))
        return HANDLED_ANSWERED;
    if (!c->on_query_thread)
        return HANDLED_ELSEWHERE;
    if (auth == AUTH_UNKNOWN && sure)
        return answer_problem_detail(c, PROBLEM_UNAUTHORIZED, "the write key is unknown or revoked");
    if (auth == AUTH_UNKNOWN || !c->db)
        return answer_problem(c, PROBLEM_UNAVAILABLE, NULL);
    n = add_person(c, "userId", "user", raw, 0);
    n = add_person(c, "anonymousId", "anonymous", raw, n);
    status = db_visitor_segments(c->db, raw, n, &rows);
    if (status != DB_OK && status != DB_NONE)
        return answer_status(c, status);
    reply_header(c->rq, "Cache-Control", "no-store");
    return answer_keys(c, &rows);
}
