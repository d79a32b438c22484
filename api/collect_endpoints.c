/* The paths that events come in on. The one idea: a call walks through three steps, whichever thread it is on: whose key is it, is the body one, what
 * messages are in it; and then the job is the writers', who answer after the commit. A small body makes all steps on the loop thread; a large one, or an
 * unknown key, is taken up again on a query thread. 200 is sent by api_ingest_done and nowhere else. */
#include <string.h>

#include "api/auth.h"
#include "api/collect/batch.h"
#include "api/handlers.h"
#include "server/base/alloc.h"

enum { LOOP_BODY_MAX = 64 << 10 /* bytes scanned on the loop thread: about 0.1 ms */ };

void api_ingest_done(struct ingest_job *const *jobs, size_t n, enum ingest_result result)
{
    static const char success[] = "{\"success\":true}";
    struct request **rqs AUTO_FREE = mem_alloc(n * sizeof(struct request *));

    for (size_t i = 0; i < n; i++) {
        struct call *c = jobs[i]->owner;

        rqs[i] = c->rq;
        if (result == INGEST_STORED)
            reply_static(c->rq, 200, "application/json", success, sizeof success - 1);
        else
            (void)answer_problem(c, PROBLEM_UNAVAILABLE, NULL);
        ingest_job_free(jobs[i]);
    }
    request_finish_many(rqs, n);
}

/* An SDK in a browser or an app sends without a secret of its own and says who it is by Origin or by no user agent of a server library; then the
 * address is worth keeping. */
static bool is_client_side(const struct call *c)
{
    return request_header(c->rq, "Origin") != NULL;
}

static enum handled submit(struct call *c, const char *type)
{
    struct collect_call how = {.type = type,
                               .ip = request_address(c->rq),
                               .client_side = is_client_side(c),
                               .source_id = c->key.source_id,
                               .clock = c->ports->clock,
                               .floor_us = INT64_MIN,
                               .message_max = c->api->config.message_max,
                               .items_max = COLLECT_ITEMS_MAX};
    struct err err = ERR_INIT;
    struct ingest_job *job;

    if (!collect_build(&c->collect, &how, &job, &err))
        return answer_problem(c, PROBLEM_BAD_BODY, &err);
    job->owner = c;
    if (c->ports->ingest(c->ports->app, job))
        return HANDLED_LENT;
    ingest_job_free(job);
    return answer_problem(c, PROBLEM_OVERLOADED, NULL);
}

/* The key of the head, else of the body. */
static enum auth find_key(struct call *c)
{
    enum auth auth = auth_collect(c);
    char *text AUTO_FREE = NULL;

    if (auth != AUTH_NONE)
        return auth;
    text = collect_write_key(c->collect);
    return text ? auth_key(c, text, strlen(text)) : AUTH_NONE;
}

/* The body is open: whose is it? */
static enum handled admit(struct call *c, const char *type)
{
    enum auth auth = find_key(c);
    bool sure = false;

    if (auth == AUTH_UNKNOWN && !c->on_query_thread)
        return HANDLED_ELSEWHERE;
    if (auth == AUTH_UNKNOWN && c->db) {
        sure = c->ports->reload_keys(c->ports->app, c->db);
        auth = find_key(c);
    }
    if (auth == AUTH_UNKNOWN && !sure) /* not known to be unknown: an SDK drops what gets a 401 */
        return answer_problem(c, PROBLEM_UNAVAILABLE, NULL);
    if (auth == AUTH_NONE)
        return answer_problem_detail(c, PROBLEM_UNAUTHORIZED, "no write key");
    if (auth == AUTH_UNKNOWN)
        return answer_problem_detail(c, PROBLEM_UNAUTHORIZED, "the write key is unknown or revoked");
    if (c->key.role != ROLE_WRITE)
        return answer_problem_detail(c, PROBLEM_UNAUTHORIZED, "an API key is no write key");
    if (!c->key.origin_ok)
        return answer_problem(c, PROBLEM_ORIGIN_NOT_ALLOWED, NULL);
    return submit(c, type);
}

static enum handled collect(struct call *c, const char *type)
{
    struct err err = ERR_INIT;
    size_t len;
    char *body;

    if (c->collect)
        return admit(c, type);
    (void)request_body(c->rq, &len);
    if (len > LOOP_BODY_MAX && !c->on_query_thread)
        return HANDLED_ELSEWHERE;
    body = request_take_body(c->rq, &len);
    if (!collect_open(body, len, &c->collect, &err))
        return answer_problem(c, PROBLEM_BAD_BODY, &err);
    return admit(c, type);
}

enum handled api_track(struct call *c)
{
    return collect(c, "track");
}

enum handled api_identify(struct call *c)
{
    return collect(c, "identify");
}

enum handled api_page(struct call *c)
{
    return collect(c, "page");
}

enum handled api_screen(struct call *c)
{
    return collect(c, "screen");
}

enum handled api_group(struct call *c)
{
    return collect(c, "group");
}

enum handled api_alias(struct call *c)
{
    return collect(c, "alias");
}

enum handled api_batch(struct call *c)
{
    return collect(c, NULL);
}

enum handled api_import(struct call *c)
{
    return collect(c, NULL);
}

enum handled api_t(struct call *c)
{
    return collect(c, "track");
}

enum handled api_i(struct call *c)
{
    return collect(c, "identify");
}

enum handled api_p(struct call *c)
{
    return collect(c, "page");
}

enum handled api_s(struct call *c)
{
    return collect(c, "screen");
}

enum handled api_g(struct call *c)
{
    return collect(c, "group");
}

enum handled api_a(struct call *c)
{
    return collect(c, "alias");
}

enum handled api_b(struct call *c)
{
    return collect(c, NULL);
}

enum handled api_beacon_batch(struct call *c)
{
    return collect(c, NULL);
}
