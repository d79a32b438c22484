/* A request that no server made: what api/ asks of one, as a test sets it, and what it answered. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "api/call.h"
#include "server/base/alloc.h"

enum { FAKE_MAX = 16 };

struct request {
    const char *path;
    const char *query[2 * FAKE_MAX]; /* name, value, …, NULL */
    const char *host;
    const char *proto;
    unsigned status; /* of the answer */
    char body[4096];
    char link[4096];
};

/* A call on it; free nothing. */
struct fake {
    struct request rq;
    struct api api;
    struct call call;
};

static inline struct call *fake_call(struct fake *fake, const char *path, const char *const *query)
{
    *fake = (struct fake){.rq = {.path = path, .host = "shop.example:8080"}};
    for (size_t i = 0; query && query[i]; i++)
        fake->rq.query[i] = query[i];
    fake->call = (struct call){.rq = &fake->rq, .api = &fake->api, .face = FACE_MANAGE};
    return &fake->call;
}

const char *request_path(const struct request *rq)
{
    return rq->path;
}

const char *request_id(const struct request *rq)
{
    (void)rq;
    return "fake";
}

const char *request_header(const struct request *rq, const char *name)
{
    return strcmp(name, "Host") == 0 ? rq->host : strcmp(name, "X-Forwarded-Proto") == 0 ? rq->proto : NULL;
}

const char *request_query(const struct request *rq, const char *name)
{
    for (size_t i = 0; rq->query[i]; i += 2)
        if (strcmp(rq->query[i], name) == 0)
            return rq->query[i + 1];
    return NULL;
}

void request_each_query(const struct request *rq, bool (*fn)(void *context, const char *name, const char *value), void *context)
{
    for (size_t i = 0; rq->query[i]; i += 2)
        if (!fn(context, rq->query[i], rq->query[i + 1]))
            return;
}

void reply_header(struct request *rq, const char *name, const char *value)
{
    if (strcmp(name, "Link") == 0)
        (void)snprintf(rq->link, sizeof rq->link, "%s", value);
}

void reply_body(struct request *rq, unsigned status, const char *content_type, struct buf *body)
{
    (void)content_type;
    rq->status = status;
    (void)snprintf(rq->body, sizeof rq->body, "%s", buf_text(body));
}

void reply_static(struct request *rq, unsigned status, const char *content_type, const void *bytes, size_t len)
{
    (void)content_type;
    (void)bytes;
    (void)len;
    rq->status = status;
}

void reply_empty(struct request *rq, unsigned status)
{
    rq->status = status;
}
