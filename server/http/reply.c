/* Answers. A reply_… makes the whole answer, gzip included, on the thread that calls it; the loop's thread only passes it on.
 * A request has two places for one: its owner's, and another for the `expired` hook, since the owner may be writing its own at
 * that very moment. Streams are in stream.c. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/http/private.h"

enum {
    GZIP_FROM = 1024,      /* a smaller answer fits a packet anyway */
    GZIP_LEVEL = 4,        /* 5 % larger than level 6 on JSON, in half the time */
    HEADERS_MAX = 16 << 10 /* of one answer: only what repeats the client's words comes near */
};

struct answer *answer_of(struct request *rq)
{
    return loop_is_own_thread(rq->loop) && rq->loop->expiring == rq ? &rq->expired_answer : &rq->answer;
}

void answer_drop(struct answer *answer)
{
    if (answer->response)
        MHD_destroy_response(answer->response);
    answer->response = NULL;
    buf_release(&answer->headers);
}

/* libmicrohttpd leaves out a header whose name or value could break the head; so do we, without a word: such a value comes from a client. */
static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    (void)MHD_add_response_header(response, name, value);
}

void answer_set(struct request *rq, struct answer *answer, unsigned status, const char *content_type, struct MHD_Response *response)
{
    const char *at = buf_text(&answer->headers);
    const char *end = at + answer->headers.len;

    ASSERT(response && !answer->response);
    while (at < end) {
        const char *value = at + strlen(at) + 1;

        add_header(response, at, value);
        at = value + strlen(value) + 1;
    }
    if (content_type)
        add_header(response, "Content-Type", content_type);
    add_header(response, "X-Request-Id", rq->id);
    answer->status = status;
    answer->response = response;
}

void reply_header(struct request *rq, const char *name, const char *value)
{
    struct answer *answer = answer_of(rq);

    ASSERT(!answer->response);
    if (!answer->headers.max)
        buf_init(&answer->headers, HEADERS_MAX);
    if (strlen(name) + strlen(value) + 2 > answer->headers.max - answer->headers.len)
        return;
    buf_add(&answer->headers, name, strlen(name) + 1);
    buf_add(&answer->headers, value, strlen(value) + 1);
}

/* --- Bodies --- */

bool is_text(const char *content_type)
{
    static const char *const kinds[] = {"text/", "json", "xml", "javascript"};

    for (size_t i = 0; content_type && i < ARRAY_LEN(kinds); i++)
        if (strcasestr(content_type, kinds[i]))
            return true;
    return false;
}

z_stream *zip_new(void)
{
    enum { WINDOW_GZIP = 15 + 16, MEMORY = 8 };
    z_stream *zip = mem_zalloc(sizeof *zip);

    if (deflateInit2(zip, GZIP_LEVEL, Z_DEFLATED, WINDOW_GZIP, MEMORY, Z_DEFAULT_STRATEGY) == Z_OK)
        return zip;
    free(zip);
    return NULL;
}

void zip_free(z_stream *zip)
{
    if (zip)
        (void)deflateEnd(zip);
    free(zip);
}

/* Replaces the body by its gzip. False when that is no smaller. */
static bool compress_body(struct buf *body)
{
    struct buf out = BUF_INIT(body->len - 1);
    z_stream *zip = body->len > UINT32_MAX ? NULL : zip_new();
    bool done = false;

    if (!zip)
        return false;
    zip->next_in = (Bytef *)body->data;
    zip->avail_in = (uInt)body->len;
    zip->next_out = (Bytef *)buf_room(&out, out.max);
    zip->avail_out = (uInt)out.max;
    if (zip->next_out && deflate(zip, Z_FINISH) == Z_STREAM_END) {
        buf_added(&out, zip->total_out);
        done = true;
    }
    zip_free(zip);
    if (!done) {
        buf_release(&out);
        return false;
    }
    buf_release(body);
    *body = out;
    return true;
}

static struct MHD_Response *static_response(struct answer *answer, const void *bytes, size_t len)
{
    answer->len = len;
    return MHD_create_response_from_buffer(len, (void *)bytes, MHD_RESPMEM_PERSISTENT);
}

void reply_body(struct request *rq, unsigned status, const char *content_type, struct buf *body)
{
    struct answer *answer = answer_of(rq);
    struct MHD_Response *response;

    if (!buf_ok(body)) {
        log_error("answer larger than its buffer", LOG_FIELD("path", LOG_TEXT(rq->path)), LOG_FIELD("max", LOG_INT(body->max)), );
        buf_release(body);
        reply_empty(rq, 500);
        return;
    }
    if (body->len > GZIP_FROM && is_text(content_type)) {
        reply_header(rq, "Vary", "Accept-Encoding");
        if (rq->accepts_gzip && compress_body(body))
            reply_header(rq, "Content-Encoding", "gzip");
    }
    answer->len = body->len;
    if (body->len) {
        response = MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_FREE);
        buf_init(body, body->max);
    } else {
        response = static_response(answer, "", 0);
        buf_release(body);
    }
    answer_set(rq, answer, status, content_type, response);
}

void answer_static(struct request *rq, struct answer *answer, unsigned status, const char *content_type, const char *text)
{
    answer_set(rq, answer, status, content_type, static_response(answer, text, strlen(text)));
}

void reply_static(struct request *rq, unsigned status, const char *content_type, const void *bytes, size_t len)
{
    struct answer *answer = answer_of(rq);

    answer_set(rq, answer, status, content_type, static_response(answer, bytes, len));
}

void reply_empty(struct request *rq, unsigned status)
{
    reply_static(rq, status, NULL, "", 0);
}
