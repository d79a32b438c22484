/* A request's way through libmicrohttpd: line, head (`begin`), body, `run`, perhaps suspended, answer, completed. All of it on the loop's
 * thread, but for request_finish and the last unref. The invariants: a connection is suspended only inside request_on_data, after `run`;
 * it is answered from there only; and what the answer side owns is not read before request_deliver. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/http/private.h"

/* What every client can read: RFC 9457 and the members that SDKs look for (protocol.md, section 3). */
#define STATIC_PROBLEM(title, status, code, detail)                                                                                        \
    "{\"success\":false,\"type\":\"about:blank\",\"title\":\"" title "\",\"status\":" status ",\"code\":\"" code "\",\"detail\":\"" detail \
    "\",\"message\":\"" detail "\",\"error\":\"" detail "\"}"

static const char problem_type[] = "application/problem+json";
static const char no_answer[] = STATIC_PROBLEM("Internal Server Error", "500", "internal", "something went wrong here");

/* --- Life --- */

void *request_on_line(void *closure, const char *uri, struct MHD_Connection *connection)
{
    struct loop *loop = closure;
    struct request *rq = mem_alloc(sizeof *rq);

    memset(rq, 0, offsetof(struct request, text));
    loop_ref(loop);
    rq->loop = loop;
    atomic_init(&rq->refs, 2);
    rq->conn = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    rq->connection = connection;
    rq->body_limit = HTTP_BODY_DEFAULT;
    head_take_uri(rq, uri ? uri : "");
    rq->conn->deadline_us = clock_mono_us() + atomic_load(&loop->read_us);
    return rq;
}

void request_ref(struct request *rq)
{
    atomic_fetch_add(&rq->refs, 1);
}

void request_unref(struct request *rq)
{
    struct loop *loop = rq->loop;

    if (atomic_fetch_sub(&rq->refs, 1) > 1)
        return;
    if (rq->free_state)
        rq->free_state(rq->state);
    answer_drop(&rq->answer);
    answer_drop(&rq->expired_answer);
    body_release(&rq->body);
    request_free_texts(rq);
    free(rq);
    loop_unref(loop);
}

void request_deliver(struct request *rq)
{
    rq->delivered = true;
    if (!rq->connection || rq->is_expired)
        answer_drop(&rq->answer);
    if (rq->is_suspended)
        loop_resume(rq->loop, rq);
}

void request_on_completed(void *closure, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode why)
{
    struct loop *loop = closure;
    struct request *rq = *request;
    bool sent;

    (void)connection;
    if (!rq)
        return;
    *request = NULL;
    sent = why == MHD_REQUEST_TERMINATED_COMPLETED_OK && rq->stage == STAGE_ANSWERED;
    atomic_store(&rq->over, true);
    if (rq->stage == STAGE_BODY)
        atomic_fetch_sub(&loop->n_body_bytes, rq->body.bytes.len);
    if (rq->counted) {
        loop->active--;
        loop->hooks.done(rq, loop->hooks.context, sent ? rq->status : 0, clock_mono_us() - rq->begun_us);
    }
    rq->connection = NULL;
    rq->conn->deadline_us = clock_mono_us() + atomic_load(&loop->read_us) + loop->config.idle_timeout_s * US_PER_S;
    rq->conn = NULL;
    if (rq->delivered || !rq->asked_suspend)
        answer_drop(&rq->answer);
    if (!rq->asked_suspend && !atomic_exchange(&rq->finished, true))
        request_unref(rq);
    request_unref(rq);
}

/* --- Answering --- */

/* Gives the answer to libmicrohttpd. Without one (its owner found the client gone, or a bug) the connection ends, or a 500 is sent. */
static enum MHD_Result queue_answer(struct request *rq)
{
    struct loop *loop = rq->loop;
    struct answer *answer = rq->is_expired ? &rq->expired_answer : &rq->answer;
    enum MHD_Result result;

    if (!answer->response) {
        if (atomic_load(&rq->over) && !rq->is_expired)
            return MHD_NO;
        log_error("request without an answer", LOG_FIELD("path", LOG_TEXT(rq->path)), );
        answer_static(rq, answer, 500, problem_type, no_answer);
    }
    if (atomic_load(&loop->draining))
        (void)MHD_add_response_header(answer->response, "Connection", "close");
    rq->stage = STAGE_ANSWERED;
    rq->status = answer->status;
    rq->conn->deadline_us =
        answer->is_stream ? 0 : clock_mono_us() + atomic_load(&loop->read_us) + (int64_t)answer->len * US_PER_S / HTTP_READ_RATE;
    result = MHD_queue_response(rq->connection, answer->status, answer->response);
    answer_drop(answer);
    return result;
}

void request_expire(struct request *rq)
{
    struct loop *loop = rq->loop;

    rq->is_expired = true;
    atomic_store(&rq->over, true);
    loop->expiring = rq;
    loop->hooks.expired(rq, loop->hooks.context);
    loop->expiring = NULL;
    if (rq->is_suspended)
        loop_resume(loop, rq);
}

/* --- Reading --- */

/* Is so much more than the limit that it is not even read and dropped? */
static bool too_far(const struct request *rq, uint64_t bytes)
{
    return bytes > rq->body_limit && bytes - rq->body_limit > HTTP_DROP_MAX;
}

/* The answer is known and the body still to come. It is let come and dropped, or its sender may never read the answer; but not a body that
 * is held back until we say "continue", nor one without end. */
static bool answer_now(const struct request *rq, uint64_t length)
{
    if (length && request_header(rq, "Expect"))
        return true;
    return length != LENGTH_UNKNOWN && too_far(rq, length);
}

/* Where such a request ends is anybody's guess: the connection ends with the answer, whatever follows on it. */
static enum MHD_Result refuse_head(struct request *rq)
{
    struct loop *loop = rq->loop;

    answer_drop(&rq->answer);
    loop->hooks.bad_body(rq, loop->hooks.context, "bad_request", "the request's head is ambiguous");
    if (rq->answer.response)
        (void)MHD_add_response_header(rq->answer.response, "Connection", "close");
    return queue_answer(rq);
}

static enum MHD_Result begin(struct request *rq, const char *method, const char *version)
{
    struct loop *loop = rq->loop;
    uint64_t length;
    bool sound = head_take(rq, method, version, &length);

    rq->stage = STAGE_BODY;
    rq->counted = true;
    loop->active++;
    loop->hooks.begin(rq, loop->hooks.context);
    body_begin(&rq->body, request_header(rq, "Content-Encoding"), rq->body_limit, length == LENGTH_UNKNOWN ? 0 : length,
               loop->config.gzip_ratio_max);
    if (!sound)
        return refuse_head(rq);
    if (rq->head_bytes > HTTP_HEAD_MAX)
        body_refuse(&rq->body, "head_too_large", "the request's head is larger than 24 KiB");
    if ((!rq->answer.response && !rq->body.flaw) || !answer_now(rq, length))
        return MHD_YES;
    if (!rq->answer.response)
        loop->hooks.bad_body(rq, loop->hooks.context, rq->body.flaw, rq->body.detail);
    return queue_answer(rq);
}

static void keep_data(struct request *rq, const char *data, size_t len)
{
    struct loop *loop = rq->loop;
    size_t before = rq->body.bytes.len;

    body_feed(&rq->body, data, len);
    if (atomic_load(&loop->n_body_bytes) - before + rq->body.bytes.len > atomic_load(&loop->bodies_max))
        body_refuse(&rq->body, "overloaded", "too many bodies are on their way in");
    atomic_fetch_add(&loop->n_body_bytes, rq->body.bytes.len - before);
}

static enum MHD_Result take_data(struct request *rq, const char *data, size_t len)
{
    if (rq->answer.response)
        rq->body.received += len;
    else
        keep_data(rq, data, len);
    rq->conn->deadline_us += (int64_t)len * US_PER_S / HTTP_READ_RATE;
    return too_far(rq, rq->body.received) ? MHD_NO : MHD_YES;
}

static enum MHD_Result run(struct request *rq)
{
    struct loop *loop = rq->loop;
    const struct http_hooks *hooks = &loop->hooks;

    rq->stage = STAGE_RUN;
    rq->conn->deadline_us = 0;
    atomic_fetch_sub(&loop->n_body_bytes, rq->body.bytes.len);
    if (rq->answer.response)
        return queue_answer(rq);
    if (body_end(&rq->body))
        hooks->run(rq, hooks->context);
    else
        hooks->bad_body(rq, hooks->context, rq->body.flaw, rq->body.detail);
    if (!rq->asked_suspend)
        return queue_answer(rq);
    if (!loop->ending) {
        loop_suspend(loop, rq, rq->timeout_ms ? clock_mono_us() + rq->timeout_ms * US_PER_MS : 0);
        return MHD_YES;
    }
    request_expire(rq);
    return queue_answer(rq);
}

enum MHD_Result request_on_data(void *closure, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                const char *data, size_t *data_len, void **request)
{
    struct request *rq = *request;
    enum MHD_Result result;

    (void)closure;
    (void)url;
    (void)connection;
    switch (rq->stage) {
    case STAGE_HEAD:
        return begin(rq, method, version);
    case STAGE_BODY:
        if (!*data_len)
            return run(rq);
        result = take_data(rq, data, *data_len);
        *data_len = 0;
        return result;
    case STAGE_RUN:
        return queue_answer(rq);
    case STAGE_ANSWERED:
        break;
    }
    return MHD_NO;
}

/* --- What the application asks --- */

char *request_body(struct request *rq, size_t *ret_len)
{
    *ret_len = rq->body.bytes.len;
    buf_add_text(&rq->body.bytes, ""); /* so that there is memory, with its NUL */
    return rq->body.bytes.data;
}

char *request_take_body(struct request *rq, size_t *ret_len)
{
    *ret_len = rq->body.bytes.len;
    return buf_take(&rq->body.bytes);
}

void request_set_body_limit(struct request *rq, size_t bytes)
{
    rq->body_limit = bytes;
}

void request_set_state(struct request *rq, void *state, void (*free_state)(void *state))
{
    rq->state = state;
    rq->free_state = free_state;
}

void *request_state(const struct request *rq)
{
    return rq->state;
}

void request_suspend(struct request *rq, unsigned timeout_ms)
{
    rq->asked_suspend = true;
    rq->timeout_ms = timeout_ms;
}

bool request_is_over(const struct request *rq)
{
    return atomic_load(&rq->over);
}

void request_finish(struct request *rq)
{
    request_finish_many(&rq, 1);
}

void request_finish_many(struct request *const *rqs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (atomic_exchange(&rqs[i]->finished, true))
            BUG("request finished twice");
    loop_ready(rqs, n);
}
