/* Streamed answers: a ring of bytes between the thread that writes them and libmicrohttpd's reader on the loop's thread. While the ring is
 * empty the reader suspends its connection, and the next write has it resumed; while it is full the writer waits, with a deadline that each
 * byte taken moves on. The stream has two owners, writer and response, and goes with the last. A text is gzipped on the writer's thread, before
 * the ring, in constant memory; events are not: each must arrive as it is written. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/http/private.h"

enum {
    BLOCK = 16 << 10,    /* what libmicrohttpd takes at once for a client of HTTP/1.0 */
    ZIP_BLOCK = 16 << 10 /* bytes of gzip written at once */
};

struct stream {
    struct request *rq; /* holds a reference */
    _Atomic unsigned refs;
    pthread_mutex_t mtx;
    pthread_cond_t taken; /* the reader took bytes, or is gone */

    /* guarded by mtx */
    char *ring;                 /* HTTP_STREAM_MAX bytes */
    uint64_t n_written, n_read; /* bytes since it was empty */
    bool reader_waits;          /* the connection is suspended */
    bool ended, complete;
    bool gone; /* nobody reads any more */

    /* owned by the writer */
    z_stream *zip; /* NULL: not gzipped */
};

static void stream_unref(struct stream *stream)
{
    struct request *rq = stream->rq;

    if (atomic_fetch_sub(&stream->refs, 1) > 1)
        return;
    (void)pthread_cond_destroy(&stream->taken);
    (void)pthread_mutex_destroy(&stream->mtx);
    free(stream->ring);
    free(stream);
    request_unref(rq);
}

/* libmicrohttpd has no more use for it: all sent, or the client is gone. */
static void reader_gone(void *closure)
{
    struct stream *stream = closure;

    (void)pthread_mutex_lock(&stream->mtx);
    stream->gone = true;
    (void)pthread_cond_signal(&stream->taken);
    (void)pthread_mutex_unlock(&stream->mtx);
    stream_unref(stream);
}

static size_t take(struct stream *stream, char *ret_bytes, size_t max)
{
    size_t at = stream->n_read % HTTP_STREAM_MAX;
    size_t len = (size_t)(stream->n_written - stream->n_read);

    len = len < max ? len : max;
    len = len < HTTP_STREAM_MAX - at ? len : HTTP_STREAM_MAX - at;
    memcpy(ret_bytes, stream->ring + at, len);
    stream->n_read += len;
    return len;
}

/* On the loop's thread, called by libmicrohttpd. */
static ssize_t read_some(void *closure, uint64_t pos, char *ret_bytes, size_t max)
{
    struct stream *stream = closure;
    struct request *rq = stream->rq;
    bool must_wait = false;
    ssize_t result = 0;

    (void)pos;
    (void)pthread_mutex_lock(&stream->mtx);
    if (stream->n_written > stream->n_read) {
        result = (ssize_t)take(stream, ret_bytes, max);
        (void)pthread_cond_signal(&stream->taken);
    } else if (stream->ended) {
        result = stream->complete ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    } else if (atomic_load(&rq->over) || rq->loop->ending) {
        result = MHD_CONTENT_READER_END_WITH_ERROR;
    } else {
        must_wait = true;
    }
    stream->reader_waits = must_wait;
    (void)pthread_mutex_unlock(&stream->mtx);
    if (must_wait)
        loop_suspend(rq->loop, rq, 0);
    return result;
}

struct stream *reply_stream(struct request *rq, unsigned status, const char *content_type)
{
    struct answer *answer = answer_of(rq);
    struct stream *stream = mem_zalloc(sizeof *stream);
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_some, stream, reader_gone);
    pthread_condattr_t attr;

    request_ref(rq);
    stream->rq = rq;
    atomic_init(&stream->refs, 2);
    stream->ring = mem_alloc(HTTP_STREAM_MAX);
    (void)pthread_mutex_init(&stream->mtx, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&stream->taken, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (is_text(content_type) && strcmp(content_type, "text/event-stream") != 0) {
        reply_header(rq, "Vary", "Accept-Encoding");
        stream->zip = rq->accepts_gzip ? zip_new() : NULL;
        if (stream->zip)
            reply_header(rq, "Content-Encoding", "gzip");
    }
    answer->is_stream = true;
    answer->len = 0;
    if (!strcmp(rq->method, "HEAD")) /* libmicrohttpd 0.9.75 would send the last chunk all the same */
        (void)MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    answer_set(rq, answer, status, content_type, response);
    return stream;
}

static bool is_full(const struct stream *stream)
{
    return stream->n_written - stream->n_read >= HTTP_STREAM_MAX;
}

/* Waits until the ring has room. False when the client is gone or takes nothing for too long. */
static bool wait_for_room(struct stream *stream)
{
    int64_t deadline_us = clock_mono_us() + atomic_load(&stream->rq->loop->stall_us);
    struct timespec until = {.tv_sec = deadline_us / US_PER_S, .tv_nsec = deadline_us % US_PER_S * 1000};

    while (!stream->gone && is_full(stream))
        if (pthread_cond_timedwait(&stream->taken, &stream->mtx, &until))
            break;
    return !stream->gone && !is_full(stream);
}

static size_t put(struct stream *stream, const char *bytes, size_t len)
{
    size_t at, room;

    if (stream->n_written == stream->n_read) /* one that is mostly idle stays on its first pages */
        stream->n_written = stream->n_read = 0;
    at = stream->n_written % HTTP_STREAM_MAX;
    room = HTTP_STREAM_MAX - (size_t)(stream->n_written - stream->n_read);
    len = len < room ? len : room;
    len = len < HTTP_STREAM_MAX - at ? len : HTTP_STREAM_MAX - at;
    memcpy(stream->ring + at, bytes, len);
    stream->n_written += len;
    return len;
}

/* Has the reader resumed if it waits; called without the lock, with whether it did wait. */
static void wake(struct stream *stream, bool reader_waits)
{
    if (!reader_waits)
        return;
    request_ref(stream->rq);
    loop_ready(&stream->rq, 1);
}

/* Writes what fits, at least one byte unless the stream is over. */
static size_t write_some(struct stream *stream, const char *bytes, size_t len)
{
    bool waits = false;
    size_t n = 0;

    (void)pthread_mutex_lock(&stream->mtx);
    if (wait_for_room(stream)) {
        n = put(stream, bytes, len);
        waits = stream->reader_waits;
        stream->reader_waits = false;
    }
    (void)pthread_mutex_unlock(&stream->mtx);
    wake(stream, waits);
    return n;
}

size_t stream_room(struct stream *stream)
{
    size_t room;

    (void)pthread_mutex_lock(&stream->mtx);
    room = HTTP_STREAM_MAX - (size_t)(stream->n_written - stream->n_read);
    (void)pthread_mutex_unlock(&stream->mtx);
    return room;
}

static bool write_all(struct stream *stream, const char *at, size_t len)
{
    while (len) {
        size_t n = write_some(stream, at, len);

        if (!n)
            return false;
        at += n;
        len -= n;
    }
    return true;
}

/* Gzips and writes; flush: Z_NO_FLUSH, or Z_FINISH with the last bytes. */
static bool write_zipped(struct stream *stream, const void *bytes, size_t len, int flush)
{
    char out[ZIP_BLOCK];
    z_stream *zip = stream->zip;
    int result;

    zip->next_in = (Bytef *)(uintptr_t)bytes;
    zip->avail_in = (uInt)len;
    do {
        zip->next_out = (Bytef *)out;
        zip->avail_out = sizeof out;
        result = deflate(zip, flush);
        ASSERT(result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR);
        if (!write_all(stream, out, sizeof out - zip->avail_out))
            return false;
    } while (zip->avail_out == 0);
    return true;
}

bool stream_write(struct stream *stream, const void *bytes, size_t len)
{
    const char *at = bytes;

    if (!stream->zip)
        return write_all(stream, at, len);
    for (; len > UINT32_MAX; at += UINT32_MAX, len -= UINT32_MAX)
        if (!write_zipped(stream, at, UINT32_MAX, Z_NO_FLUSH))
            return false;
    return write_zipped(stream, at, len, Z_NO_FLUSH);
}

void stream_end(struct stream *stream, bool complete)
{
    bool waits;

    if (stream->zip)
        complete = complete && write_zipped(stream, NULL, 0, Z_FINISH);
    zip_free(stream->zip);

    (void)pthread_mutex_lock(&stream->mtx);
    stream->ended = true;
    stream->complete = complete;
    waits = stream->reader_waits;
    stream->reader_waits = false;
    (void)pthread_mutex_unlock(&stream->mtx);
    wake(stream, waits);
    stream_unref(stream);
}
