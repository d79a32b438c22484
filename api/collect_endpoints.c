/* The paths that events come in on. The one idea: a call walks through three steps, whichever thread it is on: whose key is it, is the body one, what
 * messages are in it; and then the job is the writers', who answer after the commit. A small body makes all steps on the loop thread; a large one, or an
 * unknown key, is taken up again on a query thread. 200 is sent by api_ingest_done, or at once where there is
 * nothing to store. */
#include <string.h>

#include "api/auth.h"
#include "api/collect/batch.h"
#include "api/collect_endpoints.h"
#include "api/handlers.h"
#include "api/metrics.h"
#include "server/base/alloc.h"

enum { LOOP_BODY_MAX = 64 << 10 /* bytes scanned on the loop thread: about 0.1 ms */ };

static enum handled answer_success(struct call *c)
{
    static const char success[] = "{\"success\":true}";
    const char *text = c->success ? c->success : success;

    if (answer_is_pixel(c))
        return answer_pixel(c);
    reply_static(c->rq, 200, "application/json", text, strlen(text));
    return HANDLED_ANSWERED;
}

void api_ingest_done(struct ingest_job *const *jobs, size_t n, enum ingest_result result)
{
    struct request **rqs AUTO_FREE = mem_alloc(n * sizeof(struct request *));

    for (size_t i = 0; i < n; i++) {
        struct call *c = jobs[i]->owner;

        rqs[i] = c->rq;
        (void)(result == INGEST_STORED ? answer_success(c) : answer_problem(c, PROBLEM_UNAVAILABLE, NULL));
        ingest_job_free(jobs[i]);
    }
    request_finish_many(rqs, n);
}

static bool header_is(const struct call *c, const char *name, const char *value)
{
    const char *header = request_header(c->rq, name);

    return header && strcmp(header, value) == 0;
}

/* An SDK in a browser or an app has no secret of its own: it comes with an Origin, for an image, or with its key anywhere but in a header of a kind
 * that back ends use; then the items say more (batch.h). */
static enum sender sender_of(const struct call *c)
{
    if (c->sender != SENDER_UNKNOWN)
        return c->sender;
    if (request_header(c->rq, "Origin") || answer_is_pixel(c))
        return SENDER_CLIENT;
    return request_header(c->rq, "Authorization") || request_header(c->rq, "X-Write-Key") ? SENDER_SERVER : SENDER_UNKNOWN;
}

enum handled collect_store(struct call *c, const char *type, size_t items_max)
{
    struct collect_call how = {.type = type,
                               .ip = request_address(c->rq),
                               .sender = sender_of(c),
                               .privacy = c->key.privacy,
                               .opted_out = header_is(c, "Sec-GPC", "1") || header_is(c, "DNT", "1"),
                               .source_id = c->key.source_id,
                               .clock = c->ports->clock,
                               .floor_us = INT64_MIN,
                               .message_max = c->api->config.message_max,
                               .items_max = items_max};
    struct err err = ERR_INIT;
    struct ingest_job *job;

    if (!collect_build(&c->collect, &how, &job, &err))
        return answer_problem(c, PROBLEM_BAD_BODY, &err);
    metrics_dropped(c->api->metrics, job->n_dropped);
    if (!job->n_messages && !job->n_rejects) {
        ingest_job_free(job);
        return answer_success(c);
    }
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

enum handled collect_go_on(struct call *c, const char *type)
{
    enum handled handled;

    return auth_write(c, find_key, &handled) ? collect_store(c, type, COLLECT_ITEMS_MAX) : handled;
}

enum handled collect_text(struct call *c, const char *type, char *text, size_t len)
{
    struct err err = ERR_INIT;

    if (!collect_open(text, len, &c->collect, &err))
        return answer_problem(c, PROBLEM_BAD_BODY, &err);
    return collect_go_on(c, type);
}

/* The body is the text. */
static enum handled collect(struct call *c, const char *type)
{
    size_t len;
    char *body;

    if (c->collect)
        return collect_go_on(c, type);
    (void)request_body(c->rq, &len);
    if (len > LOOP_BODY_MAX && !c->on_query_thread)
        return HANDLED_ELSEWHERE;
    body = request_take_body(c->rq, &len);
    return collect_text(c, type, body, len);
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

/* Jitsu's: the path says the type, or `event`: then the body does. */
static enum handled jitsu(struct call *c, enum sender sender)
{
    static const char *const types[] = {"track", "identify", "page", "screen", "group", "alias", "event"};

    c->success = "{\"ok\":true}";
    c->sender = sender;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcmp(call_param(c, 0), types[i]) == 0)
            return collect(c, types[i]);
    return answer_problem(c, PROBLEM_NOT_FOUND, NULL);
}

enum handled api_jitsu(struct call *c)
{
    return jitsu(c, SENDER_CLIENT);
}

enum handled api_jitsu_server(struct call *c)
{
    return jitsu(c, SENDER_SERVER);
}
