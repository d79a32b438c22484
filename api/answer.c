/* The ways to answer. The one idea: an answer is one call, and what it looks like follows from the face: problem+json (RFC 9457) for tools, one JSON
 * object that every SDK can read on the collect face (protocol.md, section 3), where 413 and 415 become 400, because some SDKs drop a batch only then.
 * It knows no resource. */
#include <string.h>

#include "api/call.h"
#include "server/base/utf8.h"

#define PROBLEM_TYPE "https://cohortd.example/problems/"
#define RETRY_AFTER  "1"

const char *call_param(const struct call *c, size_t n)
{
    ASSERT(n < c->match.n_params);
    return c->match.params[n];
}

enum handled call_park(struct call *c, int64_t until_us)
{
    c->wait_until_us = until_us;
    return HANDLED_PARKED;
}

void answer_header(struct call *c, const char *name, const char *value)
{
    reply_header(c->rq, name, value);
    if (c->keeper)
        c->keeper->header(c, name, value);
}

enum handled answer_json(struct call *c, unsigned status, struct buf *json)
{
    if (!buf_ok(json)) /* what people send about themselves may be large: that must not be the end of the process */
        return answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "the answer would be too large: ask for fewer, by limit or fields");
    if (c->keeper && status == 201)
        c->keeper->body(c, status, json);
    reply_body(c->rq, status, "application/json", json);
    return HANDLED_ANSWERED;
}

/* Does If-None-Match name it? RFC 9110 §13.1.2: weakly, and "*" is any. */
bool answer_is_known(const struct call *c, const char *etag)
{
    const char *known = request_header(c->rq, "If-None-Match");

    return known && (strcmp(known, "*") == 0 || strstr(known, etag)); /* an ETag never stands within another: it has its quotes */
}

enum handled answer_tagged(struct call *c, const char *content_type, struct buf *text)
{
    uint8_t hash[KEY_HASH_SIZE];
    char etag[64] = "\"";

    sha256(buf_text(text), text->len, hash);
    base64url(hash, ID_SIZE, etag + 1);
    (void)snprintf(etag + strlen(etag), 2, "\"");
    reply_header(c->rq, "ETag", etag);
    if (answer_is_known(c, etag))
        return answer_empty(c, 304);
    reply_body(c->rq, 200, content_type, text);
    return HANDLED_ANSWERED;
}

enum handled answer_created(struct call *c, const char *location, struct buf *json)
{
    answer_header(c, "Location", location);
    return answer_json(c, 201, json);
}

enum handled answer_empty(struct call *c, unsigned status)
{
    reply_empty(c->rq, status);
    return HANDLED_ANSWERED;
}

bool answer_is_pixel(const struct call *c)
{
    return c->route && c->route->types && strcmp(c->route->types, "image/gif") == 0;
}

enum handled answer_pixel(struct call *c)
{
    /* 1×1, the one colour transparent: GIF89a of 43 bytes. */
    static const uint8_t gif[] = {'G', 'I', 'F', '8', '9', 'a', 1, 0, 1, 0, 0x80, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, '!', 0xf9, 4,
                                  1,   0,   0,   0,   0,   ',', 0, 0, 0, 0, 1,    0, 1, 0, 0, 2, 2,    0x44, 1,    0,   ';'};

    reply_header(c->rq, "Cache-Control", "no-store");
    reply_static(c->rq, 200, "image/gif", gif, sizeof gif);
    return HANDLED_ANSWERED;
}

/* What an answer about a problem says. */
struct telling {
    const struct problem_row *row;
    const char *code;
    const char *detail;     /* NULL: the title */
    const char *pointer;    /* NULL: no `errors` */
    const char *extra;      /* a further member, NULL: none … */
    const char *extra_json; /* … and its value */
};

/* A detail may quote the client and be cut within a character: it is told up to there. */
static void add_told(struct json_out *out, const char *key, const char *text)
{
    const char *at = text, *end = text + strlen(text);
    size_t n;

    while ((n = utf8_char(at, end)) > 0)
        at += n;
    json_key(out, key);
    json_put_text_len(out, text, (size_t)(at - text));
}

static void put_common(struct json_out *out, const struct telling *telling, unsigned status)
{
    char type[128];

    (void)snprintf(type, sizeof type, "%s%s", PROBLEM_TYPE, telling->code);
    json_add_text(out, "type", type);
    json_add_text(out, "title", telling->row->title);
    json_add_int(out, "status", status);
    json_add_text(out, "code", telling->code);
}

static enum handled answer_sdk(struct call *c, const struct telling *telling)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);
    unsigned status = telling->row->status;
    const char *detail = telling->detail ? telling->detail : telling->row->title;

    if (status == 413 || status == 415 || status == 422)
        status = 400;
    json_open(&out, '{');
    json_add_bool(&out, "success", false);
    put_common(&out, telling, status);
    add_told(&out, "message", detail);
    add_told(&out, "error", detail);
    json_add_text(&out, "request_id", request_id(c->rq));
    json_close(&out, '}');
    reply_body(c->rq, status, "application/json", &text);
    return HANDLED_ANSWERED;
}

static void put_errors(struct json_out *out, const struct telling *telling)
{
    json_key(out, "errors");
    json_open(out, '[');
    if (telling->pointer) {
        json_open(out, '{');
        add_told(out, "pointer", telling->pointer);
        add_told(out, "detail", telling->detail);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static enum handled answer_tool(struct call *c, const struct telling *telling)
{
    AUTO_BUF struct buf text = BUF_INIT(ANSWER_MAX);
    struct json_out out = JSON_OUT(&text);

    json_open(&out, '{');
    put_common(&out, telling, telling->row->status);
    add_told(&out, "detail", telling->detail ? telling->detail : telling->row->title);
    put_errors(&out, telling);
    if (telling->extra)
        json_add_raw(&out, telling->extra, telling->extra_json);
    json_add_text(&out, "request_id", request_id(c->rq));
    json_close(&out, '}');
    reply_body(c->rq, telling->row->status, "application/problem+json", &text);
    return HANDLED_ANSWERED;
}

static enum handled tell(struct call *c, const struct telling *telling)
{
    bool sdk = c->face == FACE_COLLECT;

    if (answer_is_pixel(c))
        return answer_pixel(c);
    if (telling->row->status == 503 || (telling->row->status == 413 && !sdk))
        reply_header(c->rq, "Retry-After", RETRY_AFTER);
    if (telling->row->status == 401)
        reply_header(c->rq, "WWW-Authenticate", sdk ? "Basic realm=\"cohortd\"" : "Bearer realm=\"cohortd\"");
    return sdk ? answer_sdk(c, telling) : answer_tool(c, telling);
}

enum handled answer_problem(struct call *c, enum problem problem, const struct err *err)
{
    struct telling telling = {.row = problem_row(problem)};

    telling.code = err && err->code ? err->code : telling.row->code;
    if (err && err->code) {
        telling.pointer = err->pointer;
        telling.detail = err->detail;
    }
    return tell(c, &telling);
}

enum handled answer_problem_detail(struct call *c, enum problem problem, const char *detail)
{
    return answer_problem_with(c, problem, detail, NULL, NULL);
}

enum handled answer_problem_with(struct call *c, enum problem problem, const char *detail, const char *member, const char *json)
{
    struct telling telling = {.row = problem_row(problem), .detail = detail, .extra = member, .extra_json = json};

    telling.code = telling.row->code;
    return tell(c, &telling);
}

enum handled answer_status(struct call *c, enum db_status status)
{
    switch (status) {
    case DB_NONE:
        return answer_problem(c, PROBLEM_NOT_FOUND, NULL);
    case DB_RETRY:
        return answer_problem(c, PROBLEM_UNAVAILABLE, NULL);
    case DB_ERROR:
        return answer_problem(c, PROBLEM_INTERNAL, NULL);
    case DB_OK:
        break;
    }
    BUG("an answer for DB_OK");
}
