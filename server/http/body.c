/* A body on its way in: counted, capped, inflated as it streams. Nothing here knows a connection, so it can be fuzzed.
 * The invariant: no more than the limit is ever held, and once the body is flawed nothing is; what follows is counted and
 * dropped. What the bytes mean is not asked here. */
#include <string.h>
#include <strings.h>

#include "server/http/private.h"

enum {
    RESERVE_MAX = 64 << 10,  /* a Content-Length is believed so far: whoever promises more must send it first */
    INFLATE_STEP = 16 << 10, /* room made for each call of inflate */
    RATIO_FREE = 1 << 20     /* so much may come out of anything: a shop's batch of 600 KiB that repeats itself is no bomb */
};

static enum body_coding coding_of(const char *content_encoding)
{
    if (!content_encoding || !*content_encoding || !strcasecmp(content_encoding, "identity"))
        return BODY_PLAIN;
    if (!strcasecmp(content_encoding, "gzip") || !strcasecmp(content_encoding, "x-gzip"))
        return BODY_GZIP;
    return BODY_UNKNOWN;
}

static void end_inflate(struct body *body)
{
    if (body->inflating)
        (void)inflateEnd(&body->zip);
    body->inflating = false;
}

void body_refuse(struct body *body, const char *code, const char *detail)
{
    body->flaw = code;
    body->detail = detail;
    buf_release(&body->bytes);
    end_inflate(body);
}

static void too_large(struct body *body)
{
    body_refuse(body, "body_too_large", "the body is larger than this request may have");
}

void body_begin(struct body *body, const char *content_encoding, size_t limit, uint64_t length, size_t ratio_max)
{
    *body = (struct body){.bytes = BUF_INIT(limit), .coding = coding_of(content_encoding), .ratio_max = ratio_max};
    if (length > limit)
        too_large(body);
    else if (body->coding == BODY_PLAIN && length && !buf_room(&body->bytes, length < RESERVE_MAX ? (size_t)length : RESERVE_MAX))
        too_large(body);
}

/* Room for one step of inflate; NULL when the limit is reached. */
static char *inflate_room(struct body *body, size_t *ret_len)
{
    size_t left = body->bytes.max - body->bytes.len;

    *ret_len = left < INFLATE_STEP ? left : INFLATE_STEP;
    return *ret_len ? buf_room(&body->bytes, *ret_len) : NULL;
}

static bool start_member(struct body *body)
{
    enum { WINDOW_GZIP = 15 + 16 }; /* zlib.h: the largest window, and a gzip header */

    if (body->inflating) {
        body->member_ended = false;
        return inflateReset(&body->zip) == Z_OK;
    }
    body->inflating = inflateInit2(&body->zip, WINDOW_GZIP) == Z_OK;
    return body->inflating;
}

/* One call of inflate; false when the body is flawed. At the limit it gets one spare byte, to learn whether there is more. */
static bool inflate_step(struct body *body)
{
    char spare[1];
    size_t room;
    char *out = inflate_room(body, &room);
    int result;

    body->zip.next_out = (Bytef *)(out ? out : spare);
    body->zip.avail_out = (uInt)(out ? room : sizeof spare);
    result = inflate(&body->zip, Z_NO_FLUSH);
    if (!out && !body->zip.avail_out) {
        too_large(body);
        return false;
    }
    if (out)
        buf_added(&body->bytes, room - body->zip.avail_out);
    if (result == Z_STREAM_END)
        body->member_ended = true;
    else if (result != Z_OK && result != Z_BUF_ERROR) {
        body_refuse(body, "bad_gzip", "the body is not the gzip that its content-encoding says");
        return false;
    }
    if (body->ratio_max && body->bytes.len > RATIO_FREE && body->bytes.len / body->ratio_max > body->received) {
        body_refuse(body, "bad_gzip", "the body is compressed more than is allowed");
        return false;
    }
    return true;
}

static void feed_gzip(struct body *body, const void *bytes, size_t len)
{
    if (!body->inflating && !start_member(body)) {
        body_refuse(body, "bad_gzip", "the body cannot be inflated");
        return;
    }
    body->zip.next_in = (z_const Bytef *)bytes;
    body->zip.avail_in = (uInt)len;
    for (;;) {
        if (body->member_ended) {
            if (!body->zip.avail_in)
                return;
            if (!start_member(body)) { /* RFC 1952: members may follow one another; what is none is garbage */
                body_refuse(body, "bad_gzip", "the body cannot be inflated");
                return;
            }
        }
        if (!inflate_step(body))
            return;
        if (!body->zip.avail_in && body->zip.avail_out && !body->member_ended)
            return;
    }
}

void body_feed(struct body *body, const void *bytes, size_t len)
{
    body->received += len;
    if (body->flaw || !len)
        return;
    switch (body->coding) {
    case BODY_PLAIN:
        buf_add(&body->bytes, bytes, len);
        if (!buf_ok(&body->bytes))
            too_large(body);
        return;
    case BODY_GZIP:
        feed_gzip(body, bytes, len);
        return;
    case BODY_UNKNOWN:
        body_refuse(body, "bad_encoding", "content-encoding must be gzip or identity");
        return;
    }
}

bool body_end(struct body *body)
{
    if (!body->flaw && body->inflating && !body->member_ended)
        body_refuse(body, "bad_gzip", "the body ends before its gzip does");
    end_inflate(body);
    return !body->flaw;
}

void body_release(struct body *body)
{
    end_inflate(body);
    buf_release(&body->bytes);
}
