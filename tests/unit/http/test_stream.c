/* Streamed answers: bytes written by one thread and read by a client that may be slow, gone or stopped. */
#include "server/http/private.h"
#include "tests/unit/http/support.h"

/* The struct behind daemon.c's http, as far as the tests turn its screws. */
struct http {
    struct loop *loops[HTTP_LOOPS_MAX];
};

static struct app app;
static _Atomic size_t written;   /* bytes that stream_write took */
static _Atomic unsigned n_ended; /* streams that came to their end … */
static _Atomic unsigned n_cut;   /* … and those whose client was gone */

enum { PIECE = 1000, PIECES = 5000 };

static void fill(char *piece, unsigned number)
{
    for (size_t i = 0; i < PIECE; i++)
        piece[i] = (char)('a' + (number + i) % 26);
}

/* ?pieces=N&end=bad. */
static void work(struct app *unused, struct request *rq)
{
    const char *pieces = request_query(rq, "pieces");
    unsigned n = pieces ? (unsigned)strtoul(pieces, NULL, 10) : PIECES;
    bool complete = !request_query(rq, "end"), alive = true;
    struct stream *stream = reply_stream(rq, 200, "application/x-ndjson");
    char piece[PIECE];

    (void)unused;
    request_finish(rq);
    for (unsigned i = 0; i < n && alive; i++) {
        fill(piece, i);
        alive = stream_write(stream, piece, sizeof piece);
        atomic_fetch_add(&written, alive ? sizeof piece : 0);
    }
    stream_end(stream, complete);
    atomic_fetch_add(alive ? &n_ended : &n_cut, 1);
}

static void start(void)
{
    struct http_config config = test_config();

    app_start(&app, &config);
    app.work = work;
    atomic_store(&written, 0);
    atomic_store(&n_ended, 0);
    atomic_store(&n_cut, 0);
}

static void stop(void)
{
    app_stop(&app);
}

static void wait_for(_Atomic unsigned *value, unsigned n)
{
    int64_t until_us = clock_mono_us() + PATIENCE_MS * US_PER_MS;

    while (atomic_load(value) < n && clock_mono_us() < until_us)
        (void)poll(NULL, 0, 1);
    ck_assert_uint_ge(atomic_load(value), n);
}

/* Reads to the end of the connection, or of a chunked answer. */
static struct buf read_all(int fd, bool chunked)
{
    struct buf bytes = BUF_INIT(64 << 20);

    while (!(chunked && bytes.len > 7 && !memcmp(bytes.data + bytes.len - 7, "\r\n0\r\n\r\n", 7)) && read_more(fd, &bytes))
        continue;
    return bytes;
}

/* Takes the chunks apart in place; the length of what they held, or -1 when the last is missing. */
static long dechunk(char *at, const char *end)
{
    char *out = at, *start_of = at;

    for (;;) {
        char *line;
        size_t size = strtoul(at, &line, 16);

        if (line == at || line + 2 > end)
            return -1;
        at = line + 2;
        if (!size)
            return out - start_of;
        if (at + size + 2 > end)
            return -1;
        memmove(out, at, size);
        out += size;
        at += size + 2;
    }
}

static void assert_pieces(const char *at, size_t n)
{
    char piece[PIECE];

    for (unsigned i = 0; i < n; i++) {
        fill(piece, i);
        ck_assert(!memcmp(at + i * (size_t)PIECE, piece, PIECE));
    }
}

START_TEST(a_stream_arrives_whole_and_the_connection_stays)
{
    int fd = client_open(&app);

    for (int round = 0; round < 2; round++) {
        struct buf bytes;
        char *body;

        client_send(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
        bytes = read_all(fd, true);
        ck_assert_ptr_nonnull(strcasestr(bytes.data, "Transfer-Encoding: chunked\r\n"));
        body = strstr(bytes.data, "\r\n\r\n") + 4;
        ck_assert_int_eq(dechunk(body, bytes.data + bytes.len), PIECE * PIECES);
        assert_pieces(body, PIECES);
        buf_release(&bytes);
    }
    (void)close(fd);
    wait_for(&n_ended, 2);
    app_wait(&app, &app.n_done, 2);
    ck_assert_uint_eq(app_count(&app, &app.last_status), 200);
}
END_TEST

START_TEST(a_stream_to_an_old_client_ends_with_the_connection)
{
    int fd = client_open(&app);
    struct buf bytes;
    char *body;

    client_send(fd, "GET /later HTTP/1.0\r\n\r\n");
    bytes = read_all(fd, false);
    body = strstr(bytes.data, "\r\n\r\n") + 4;
    ck_assert_uint_eq(bytes.len - (size_t)(body - bytes.data), PIECE * PIECES);
    assert_pieces(body, PIECES);
    buf_release(&bytes);
    (void)close(fd);
}
END_TEST

START_TEST(an_empty_stream_and_head_have_no_body)
{
    int fd = client_open(&app);
    struct buf bytes = BUF_INIT(1 << 16);

    client_send(fd, "GET /later?pieces=0 HTTP/1.1\r\nHost: a\r\n\r\n");
    buf_release(&bytes);
    bytes = read_all(fd, true);
    ck_assert_int_eq(dechunk(strstr(bytes.data, "\r\n\r\n") + 4, bytes.data + bytes.len), 0);
    buf_release(&bytes);
    client_send(fd, "HEAD /later HTTP/1.1\r\nHost: a\r\n\r\n");
    bytes = read_all(fd, false);
    ck_assert(starts_with(bytes.data, "HTTP/1.1 200"));
    ck_assert_ptr_null(strcasestr(bytes.data, "Content-Length"));
    ck_assert_ptr_eq(strstr(bytes.data, "\r\n\r\n") + 4, bytes.data + bytes.len);
    buf_release(&bytes);
    (void)close(fd);
    wait_for(&n_ended, 1);
    wait_for(&n_cut, 1);
}
END_TEST

/* Unpacks a gzip of one member; the length, or -1 when it is not whole. */
static long gunzip(const char *bytes, size_t len, char *ret_text, size_t max)
{
    z_stream zip = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)len, .next_out = (Bytef *)ret_text, .avail_out = (uInt)max};
    int result;

    ck_assert_int_eq(inflateInit2(&zip, 15 + 16), Z_OK);
    result = inflate(&zip, Z_FINISH);
    (void)inflateEnd(&zip);
    return result == Z_STREAM_END && zip.avail_in == 0 ? (long)zip.total_out : -1;
}

START_TEST(a_stream_is_gzipped_on_request)
{
    static const unsigned counts[] = {0, 1, 20, PIECES};
    char *text = malloc(PIECE * PIECES);
    int fd = client_open(&app);

    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct buf bytes, request = BUF_INIT(200);
        char *body;
        long len;

        buf_addf(&request, "GET /later?pieces=%u HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n", counts[i]);
        client_send(fd, buf_text(&request));
        buf_release(&request);
        bytes = read_all(fd, true);
        ck_assert_ptr_nonnull(strcasestr(bytes.data, "Content-Encoding: gzip\r\n"));
        ck_assert_ptr_nonnull(strcasestr(bytes.data, "Vary: Accept-Encoding\r\n"));
        body = strstr(bytes.data, "\r\n\r\n") + 4;
        len = dechunk(body, bytes.data + bytes.len);
        ck_assert_int_ge(len, 0);
        ck_assert_int_le(len, PIECE * (long)counts[i] / 10 + 200);
        ck_assert_int_eq(gunzip(body, (size_t)len, text, PIECE * PIECES), PIECE * (long)counts[i]);
        assert_pieces(text, counts[i]);
        buf_release(&bytes);
    }
    (void)close(fd);
    free(text);
}
END_TEST

START_TEST(an_incomplete_gzip_breaks_the_connection_off)
{
    int fd = client_open(&app);
    struct buf bytes;

    client_send(fd, "GET /later?pieces=3&end=bad HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    bytes = read_all(fd, false);
    ck_assert_int_eq(dechunk(strstr(bytes.data, "\r\n\r\n") + 4, bytes.data + bytes.len), -1);
    buf_release(&bytes);
    (void)close(fd);
    wait_for(&n_ended, 1);
}
END_TEST

START_TEST(an_incomplete_stream_breaks_the_connection_off)
{
    int fd = client_open(&app);
    struct buf bytes;

    client_send(fd, "GET /later?pieces=3&end=bad HTTP/1.1\r\nHost: a\r\n\r\n");
    bytes = read_all(fd, false);
    ck_assert_int_eq(dechunk(strstr(bytes.data, "\r\n\r\n") + 4, bytes.data + bytes.len), -1);
    buf_release(&bytes);
    (void)close(fd);
    app_wait(&app, &app.n_gone, 1);
}
END_TEST

START_TEST(a_client_that_leaves_stops_the_writer)
{
    int fd = client_open(&app);
    char some[100];

    client_send(fd, "GET /later?pieces=1000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_int_gt(recv(fd, some, sizeof some, 0), 0);
    (void)close(fd);
    wait_for(&n_cut, 1);
    app_wait(&app, &app.n_gone, 1);
}
END_TEST

static _Atomic unsigned n_idle;

/* Writes a little, then nothing until the client is gone. */
static void work_idle(struct app *unused, struct request *rq)
{
    struct stream *stream = reply_stream(rq, 200, "text/event-stream");

    (void)unused;
    request_finish(rq);
    ck_assert(stream_write(stream, "data: 1\n\n", 9));
    atomic_fetch_add(&n_idle, 1);
    wait_for(&n_cut, 1); /* set by the test: stands for an event that comes late */
    for (int i = 0; i < 1000; i++)
        if (!stream_write(stream, "data: 2\n\n", 9))
            break;
    stream_end(stream, true);
    atomic_fetch_add(&n_ended, 1);
}

START_TEST(a_client_that_leaves_an_idle_stream_is_noticed)
{
    int fd = client_open(&app);
    char some[1000];

    app.work = work_idle;
    client_send(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_int_gt(recv(fd, some, sizeof some, 0), 0);
    wait_for(&n_idle, 1);
    (void)close(fd);
    app_wait(&app, &app.n_gone, 1);
    atomic_store(&n_cut, 1);
    wait_for(&n_ended, 1);
}
END_TEST

START_TEST(a_client_that_does_not_read_stops_the_writer_at_a_bound)
{
    int fd = client_open(&app);
    int small = 4096;

    ck_assert(!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small));
    atomic_store(&app.http->loops[0]->stall_us, 200 * US_PER_MS);
    client_send(fd, "GET /later?pieces=1000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&n_cut, 1);
    ck_assert_uint_lt(atomic_load(&written), 16 << 20); /* the ring and the kernel's buffers */
    (void)close(fd);
    app_wait(&app, &app.n_gone, 1);
}
END_TEST

START_TEST(many_streams_at_once)
{
    enum { N = 32 };
    int fds[N];

    for (int i = 0; i < N; i++) {
        fds[i] = client_open(&app);
        client_send(fds[i], "GET /later?pieces=100 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    for (int i = 0; i < N; i++) {
        struct buf bytes = read_all(fds[i], true);

        ck_assert_int_eq(dechunk(strstr(bytes.data, "\r\n\r\n") + 4, bytes.data + bytes.len), PIECE * 100);
        buf_release(&bytes);
        (void)close(fds[i]);
    }
}
END_TEST

START_TEST(stop_breaks_off_a_stream_that_does_not_end)
{
    int fd = client_open(&app);
    char some[1000];

    app.work = work_idle;
    client_send(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_int_gt(recv(fd, some, sizeof some, 0), 0);
    wait_for(&n_idle, 1);
    http_stop(app.http, 50);
    atomic_store(&n_cut, 1); /* the writer goes on after the server's end */
    wait_for(&n_ended, 1);
    (void)close(fd);
    app_stop_worker(&app);
    start(); /* for the fixture */
}
END_TEST

/* The deadline has answered for the owner, who streams all the same. */
START_TEST(a_stream_begun_too_late_goes_nowhere)
{
    app_lock(&app);
    app.hold = true;
    app_unlock(&app);
    {
        AUTO_REPLY struct reply reply = ask(&app, "GET /later?timeout=20 HTTP/1.1\r\nHost: a\r\n\r\n");

        ck_assert_uint_eq(reply.status, 503);
    }
    app_release(&app);
    wait_for(&n_cut, 1);
}
END_TEST

RUN_TESTS_WITH(start, stop, "stream", a_stream_arrives_whole_and_the_connection_stays, a_stream_to_an_old_client_ends_with_the_connection,
               an_empty_stream_and_head_have_no_body, a_stream_is_gzipped_on_request, an_incomplete_gzip_breaks_the_connection_off,
               an_incomplete_stream_breaks_the_connection_off, a_client_that_leaves_stops_the_writer,
               a_client_that_leaves_an_idle_stream_is_noticed, a_client_that_does_not_read_stops_the_writer_at_a_bound,
               many_streams_at_once, stop_breaks_off_a_stream_that_does_not_end, a_stream_begun_too_late_goes_nowhere)
