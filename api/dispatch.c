/* From a request to its handler: route, key, parameters, content types, body; then on to the right thread. The one idea: what every call must pass
 * is checked here from its row of the route table, in one order (404, 405, 401, 403, 400, 406, 415, body), so a handler sees only calls that are well formed.
 * The collect and operate faces run on the loop thread; the manage face never does. A key that the process does not know costs the call a turn on a
 * query thread, where the keys are read again. */
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "api/auth.h"
#include "api/call.h"
#include "api/collect/batch.h"
#include "api/cors.h"
#include "api/hook_certificates.h"
#include "api/metrics.h"
#include "api/negotiate.h"
#include "api/once.h"
#include "api/routes.h"
#include "api/text.h"
#include "api/tracker.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/base/utf8.h"

enum {
    UPLOAD_MAX = 32 << 20,            /* bytes of a file of members, from who has a key: a million of them */
    LONG_TIMEOUT_MS = 15 * 60 * 1000, /* exports and verification */
    WAIT_TIMEOUT_MS = 60 * 1000,      /* the longest long poll */
    SLOW_US = 1000 * 1000             /* a quick call that takes longer is logged */
};

#define FACE_BIT(face) (1U << (face))

static void call_free(void *state)
{
    struct call *c = state;

    if (c->route)
        route_match_release(&c->match);
    collect_free(c->collect);
    if (c->kept)
        c->free_kept(c->kept);
    once_free(c->once);
    free(c);
}

static struct call *call_new(struct api *api, struct request *rq)
{
    struct call *c = mem_zalloc(sizeof *c);

    c->rq = rq;
    c->api = api;
    c->ports = &api->ports;
    c->face = FACE_MANAGE;
    c->body = JSON_NONE;
    c->feed_place = -1;
    request_set_state(rq, c, call_free);
    return c;
}

/* --- Checks --- */

struct parameter_check {
    const struct route *route;
    const struct request *rq;
    char bad[64];
    bool not_utf8;
    bool twice;
    bool ok;
};

static bool check_parameter(void *context, const char *name, const char *value)
{
    struct parameter_check *check = context;
    size_t len = strlen(name);
    bool paging = strcmp(name, "limit") == 0 || strcmp(name, "cursor") == 0;

    check->not_utf8 = !utf8_ok(name, len) || !utf8_ok(value, strlen(value));
    check->ok = !check->not_utf8 &&
                ((len && text_has_word(check->route->query, name, len)) || (paging && text_has_word(check->route->query, "page", 4)));
    check->twice = check->ok && request_query(check->rq, name) != value;
    check->ok &= !check->twice;
    if (!check->ok && !check->not_utf8)
        (void)snprintf(check->bad, sizeof check->bad, "%s", name);
    return check->ok;
}

static bool parameters_ok(struct call *c)
{
    struct parameter_check check = {.route = c->route, .rq = c->rq, .ok = true};
    char detail[128];

    request_each_query(c->rq, check_parameter, &check);
    if (check.ok)
        return true;
    if (check.not_utf8)
        (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "a query parameter is not UTF-8");
    (void)snprintf(detail, sizeof detail, check.twice ? "given twice: %s" : "no such query parameter: %s", check.bad);
    if (check.twice)
        (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, detail);
    else if (!check.not_utf8)
        (void)answer_problem_detail(c, PROBLEM_UNKNOWN_PARAMETER, detail);
    return false;
}

static bool accept_ok(struct call *c)
{
    const char *format = text_has_word(c->route->query, "format", 6) ? request_query(c->rq, "format") : NULL;

    if (format && !negotiate_format(format, c->route->types, &c->type)) {
        (void)answer_problem_detail(c, PROBLEM_BAD_PARAMETER, "format is none of those offered");
        return false;
    }
    if (format || negotiate_accept(request_header(c->rq, "Accept"), c->route->types, &c->type))
        return true;
    (void)answer_problem(c, PROBLEM_NOT_ACCEPTABLE, NULL);
    return false;
}

/* What the head of a manage call with a known key must fulfil; false: answered. */
static bool head_ok(struct call *c)
{
    if (c->key.role < c->route->role) {
        (void)answer_problem_detail(c, PROBLEM_WRONG_ROLE,
                                    c->route->role == ROLE_ADMIN ? "an admin key is needed"
                                                                 : "an API key with the role read or admin is needed");
        return false;
    }
    if (!parameters_ok(c) || !accept_ok(c))
        return false;
    if (c->route->body == BODY_NONE || negotiate_body(request_header(c->rq, "Content-Type"), c->route->body))
        return true;
    (void)answer_problem_detail(c, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                                c->route->body == BODY_MEMBERS ? "the body must be application/x-ndjson or text/csv"
                                                               : "the body must be application/json");
    return false;
}

static void begin_manage(struct call *c)
{
    switch (auth_manage(c)) {
    case AUTH_NONE:
        (void)answer_problem_detail(c, PROBLEM_UNAUTHORIZED, "no key: send Authorization: Bearer KEY");
        return;
    case AUTH_UNKNOWN:
        c->key_missed = true;
        return;
    case AUTH_OK:
        if (head_ok(c) && c->route->body == BODY_MEMBERS)
            request_set_body_limit(c->rq, UPLOAD_MAX);
        return;
    }
    BUG("impossible auth");
}

/* --- Hooks on the loop thread --- */

/* Of a path that nobody knows: who posts there without an API key, or asks whether it may, is an SDK that was told a wrong address. */
static enum face face_of(const struct request *rq, const struct route_found *found, unsigned faces)
{
    const char *key = request_header(rq, "Authorization");
    bool sends = strcmp(request_method(rq), "POST") == 0 && (!key || strncasecmp(key, "Bearer ", 7) != 0);

    if (found->route || found->other)
        return (found->route ? found->route : found->other)->face;
    sends |= strcmp(request_method(rq), "OPTIONS") == 0;
    return sends && (faces & FACE_BIT(FACE_COLLECT)) ? FACE_COLLECT : FACE_MANAGE;
}

static void begin(struct request *rq, struct api *api, unsigned faces)
{
    struct call *c = call_new(api, rq);
    struct route_found found;
    const char *path = request_path(rq);

    while (path[0] == '/' && path[1] == '/') /* clients put "https://host/" and "/v1/batch" together, and a redirect would lose the body */
        path++;
    path = tracker_route(&api->config, request_method(rq), path, &faces);
    routes_find(request_method(rq), path, faces, &found);
    request_set_body_limit(rq, api->config.body_max);
    c->route = found.route;
    c->match = found.match;
    c->face = face_of(rq, &found, faces);
    if (c->face == FACE_COLLECT || (!found.route && !found.other))
        cors_add(c);
    if (found.route) {
        if (c->face == FACE_MANAGE)
            begin_manage(c);
        return;
    }
    if (c->face == FACE_COLLECT && strcmp(request_method(rq), "OPTIONS") == 0) {
        cors_preflight(c);
    } else if (found.other) {
        reply_header(rq, "Allow", found.allow);
        (void)answer_problem(c, PROBLEM_METHOD_NOT_ALLOWED, NULL);
    } else {
        (void)answer_problem(c, PROBLEM_NOT_FOUND, NULL);
    }
}

static void begin_main(struct request *rq, void *context)
{
    struct api *api = context;

    begin(rq, api, FACE_BIT(FACE_COLLECT) | FACE_BIT(FACE_MANAGE) | (api->config.operate_apart ? 0 : FACE_BIT(FACE_OPERATE)));
}

static void begin_operate(struct request *rq, void *context)
{
    begin(rq, context, FACE_BIT(FACE_OPERATE));
}

static void on_query(struct work *work, struct db *db);

/* Puts the call where its answer takes that long: a streamed form on the long lane. */
static void choose_lane(struct call *c)
{
    bool streamed = c->type == TYPE_NDJSON || c->type == TYPE_CSV;

    c->work.run = on_query;
    c->work.lane = streamed ? LANE_LONG : c->route->lane;
}

static unsigned patience_ms(const struct call *c)
{
    if (c->work.lane == LANE_LONG)
        return LONG_TIMEOUT_MS;
    return c->api->config.timeout_ms + (text_has_word(c->route->query, "wait", 4) ? WAIT_TIMEOUT_MS : 0);
}

/* The call is another thread's as soon as it is queued. */
static void hand_over(struct call *c, struct request *rq, unsigned timeout_ms)
{
    c->on_query_thread = true;
    if (c->ports->query(c->ports->app, &c->work))
        request_suspend(rq, timeout_ms);
    else
        (void)answer_problem(c, PROBLEM_OVERLOADED, NULL);
}

static void run(struct request *rq, void *context)
{
    struct call *c = request_state(rq);
    unsigned timeout_ms;

    (void)context;
    choose_lane(c);
    timeout_ms = patience_ms(c);
    switch (c->face == FACE_MANAGE ? HANDLED_ELSEWHERE : c->route->handler(c)) {
    case HANDLED_ANSWERED:
        return;
    case HANDLED_ELSEWHERE:
        hand_over(c, rq, timeout_ms);
        return;
    case HANDLED_LENT:
        request_suspend(rq, timeout_ms);
        return;
    case HANDLED_PARKED:
        break;
    }
    BUG("a call parked on the loop thread");
}

static void expired(struct request *rq, void *context)
{
    struct call *c = request_state(rq);

    (void)context;
    if (c->face == FACE_COLLECT)
        cors_add(c);
    (void)answer_problem(c, PROBLEM_TIMEOUT, NULL);
}

static enum problem body_problem(const char *code)
{
    if (strcmp(code, "overloaded") == 0)
        return PROBLEM_OVERLOADED;
    if (strcmp(code, "bad_request") == 0)
        return PROBLEM_BAD_REQUEST;
    if (strcmp(code, "head_too_large") == 0)
        return PROBLEM_HEAD_TOO_LARGE;
    return strcmp(code, "body_too_large") == 0 ? PROBLEM_BODY_TOO_LARGE : PROBLEM_BAD_ENCODING;
}

static void bad_body(struct request *rq, void *context, const char *code, const char *detail)
{
    struct call *c = request_state(rq);
    enum problem problem = body_problem(code);
    struct err err = ERR_INIT;

    (void)context;
    if (problem == PROBLEM_BAD_REQUEST && c->face == FACE_COLLECT)
        cors_add(c);
    (void)err_set(&err, code, "", "%s", detail);
    (void)answer_problem(c, problem, &err);
}

static void done(struct request *rq, void *context, unsigned status, int64_t took_us)
{
    struct api *api = context;
    struct call *c = request_state(rq);
    bool odd = status >= 500 || (took_us > SLOW_US && c && c->face != FACE_MANAGE);

    metrics_request(api->metrics, c ? c->route : NULL, status, took_us);
    LOG_AT(odd ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, "request", LOG_FIELD("request_id", LOG_TEXT(request_id(rq))),
           LOG_FIELD("method", LOG_TEXT(request_method(rq))), LOG_FIELD("path", LOG_TEXT(request_path(rq))),
           LOG_FIELD("status", LOG_INT(status)), LOG_FIELD("took_us", LOG_INT(took_us)),
           LOG_FIELD("from", LOG_TEXT(request_address(rq))), );
}

/* --- On a query thread --- */

/* The key was unknown: with fresh keys, is it still? False: answered. */
static bool key_ok(struct call *c)
{
    bool sure;

    if (!c->key_missed)
        return true;
    c->key_missed = false;
    sure = c->ports->reload_keys(c->ports->app, c->db);
    if (auth_manage(c) == AUTH_OK)
        return head_ok(c);
    if (sure)
        (void)answer_problem_detail(c, PROBLEM_UNAUTHORIZED, "the key is unknown or revoked");
    else
        (void)answer_problem(c, PROBLEM_UNAVAILABLE, NULL);
    return false;
}

static bool body_ok(struct call *c)
{
    struct json_numbers numbers;
    struct json_flaw flaw;
    char *text, detail[128];
    size_t len;

    if (c->route->body == BODY_NONE || c->route->body == BODY_MEMBERS || c->body.type != JSON_T_NONE)
        return true;
    text = request_body(c->rq, &len);
    if (!json_check_numbers(text, len, &c->body, &numbers, &flaw)) {
        (void)snprintf(detail, sizeof detail, "%s at byte %zu", flaw.what, flaw.offset);
        (void)answer_problem_detail(c, PROBLEM_INVALID_JSON, detail);
        return false;
    }
    if (numbers.mended) { /* events are taken as they are; what is written by hand is told */
        (void)answer_problem_detail(c, PROBLEM_INVALID_JSON, "an escaped NUL, or half of a surrogate pair, is no text");
        return false;
    }
    if (c->body.type == JSON_T_OBJECT)
        return true;
    (void)answer_problem_detail(c, PROBLEM_INVALID, "the body must be a JSON object");
    return false;
}

static enum handled work_on(struct call *c)
{
    if (c->face == FACE_COLLECT)
        return c->route->handler(c);
    if (!c->db)
        return answer_problem(c, PROBLEM_UNAVAILABLE, NULL);
    if (!key_ok(c) || !body_ok(c))
        return HANDLED_ANSWERED;
    c->seen = c->ports->moved(c->ports->app);
    return c->route->handler(c);
}

static void on_query(struct work *work, struct db *db)
{
    struct call *c = (struct call *)((char *)work - offsetof(struct call, work));
    struct request *rq = c->rq;
    enum handled handled = HANDLED_ANSWERED;

    c->db = db;
    /* A page that was closed does not wait for the answer; its events count all the same. */
    if (c->face == FACE_COLLECT || !request_is_over(rq))
        handled = work_on(c);
    if (handled == HANDLED_PARKED) {
        if (c->ports->park(c->ports->app, &c->work, c->seen, c->wait_until_us))
            return;
        c->no_wait = true;
        handled = work_on(c);
    }
    ASSERT(handled == HANDLED_ANSWERED || handled == HANDLED_LENT);
    if (handled == HANDLED_LENT)
        return;
    once_end(c);
    request_finish(rq);
}

/* --- The API as a whole --- */

struct api *api_new(const struct api_config *config, const struct ports *ports)
{
    struct api *api = mem_zalloc(sizeof *api);

    api->config = *config;
    api->ports = *ports;
    api->metrics = metrics_new();
    api->certificates = hook_certificates_new();
    return api;
}

void api_free(struct api *api)
{
    if (!api)
        return;
    metrics_free(api->metrics);
    hook_certificates_free(api->certificates);
    free(api);
}

struct http_hooks api_hooks(struct api *api)
{
    return (struct http_hooks){.begin = begin_main, .run = run, .expired = expired, .bad_body = bad_body, .done = done, .context = api};
}

struct http_hooks api_operate_hooks(struct api *api)
{
    struct http_hooks hooks = api_hooks(api);

    hooks.begin = begin_operate;
    return hooks;
}
