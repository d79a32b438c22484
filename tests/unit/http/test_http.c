/* Requests and answers as they travel: real sockets, one server a test. */
#include <zlib.h>

#include "tests/unit/http/support.h"

static struct app app;

static void start(void)
{
    struct http_config config = test_config();

    app_start(&app, &config);
}

static void stop(void)
{
    app_stop(&app);
}

START_TEST(a_post_is_echoed_and_the_connection_stays)
{
    int fd = client_open(&app);

    for (int i = 0; i < 3; i++) {
        AUTO_REPLY struct reply reply = {.status = 0};

        client_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        reply = client_read(fd);
        ck_assert_uint_eq(reply.status, 200);
        ck_assert(body_is(&reply, "hello"));
        ck_assert_ptr_nonnull(reply_get(&reply, "X-Request-Id"));
        ck_assert_ptr_null(reply_get(&reply, "Connection"));
    }
    (void)close(fd);
    app_wait(&app, &app.n_done, 3);
    ck_assert_uint_eq(app_count(&app, &app.last_status), 200);
}
END_TEST

START_TEST(a_suspended_post_is_answered_by_another_thread)
{
    AUTO_REPLY struct reply reply = ask(&app, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");

    ck_assert_uint_eq(reply.status, 200);
    ck_assert(body_is(&reply, "hello"));
}
END_TEST

/* --- Heads --- */

static bool has_line(const struct reply *reply, const char *line)
{
    char wanted[512];

    (void)snprintf(wanted, sizeof wanted, "%s\n", line);
    return memmem(reply->body, reply->body_len, wanted, strlen(wanted));
}

START_TEST(the_path_is_raw_and_the_query_decoded)
{
    AUTO_REPLY struct reply reply =
        ask(&app, "GET /show/a%2Fb+c%20?a=1+2%2B&b=%E2%98%83&a=second&flag&x=%zz&=skip&&n=%00&bad=%ff HTTP/1.1\r\n"
                  "Host: a\r\nX-Probe: here \r\n\r\n");

    ck_assert_uint_eq(reply.status, 200);
    ck_assert(has_line(&reply, "method=GET"));
    ck_assert(has_line(&reply, "path=/show/a%2Fb+c%20"));
    ck_assert(has_line(&reply, "query=a=1+2%2B&b=%E2%98%83&a=second&flag&x=%zz&=skip&&n=%00&bad=%ff"));
    ck_assert(has_line(&reply, "address=127.0.0.1"));
    ck_assert(has_line(&reply, "a=1 2+"));
    ck_assert(
        has_line(&reply, "all=[a]=[1 2+] [b]=[\xe2\x98\x83] [a]=[second] [flag]=[] [x]=[%zz] [n]=[\xef\xbf\xbd] [bad]=[\xef\xbf\xbd] "));
    ck_assert_str_eq(reply_get(&reply, "X-Show"), "yes");
    ck_assert_str_eq(reply_get(&reply, "Content-Type"), "text/plain");
}
END_TEST

START_TEST(the_absolute_form_is_understood)
{
    AUTO_REPLY struct reply reply = ask(&app, "GET http://shop.example/show?a=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    AUTO_REPLY struct reply bare = ask(&app, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");

    ck_assert(has_line(&reply, "path=/show"));
    ck_assert(has_line(&reply, "a=1"));
    ck_assert_uint_eq(bare.status, 200);
}
END_TEST

START_TEST(a_long_query_outgrows_the_request_and_works)
{
    AUTO_REPLY struct reply reply = {.status = 0};
    struct buf text = BUF_INIT(64 << 10);

    buf_add_text(&text, "GET /show?");
    for (int i = 0; i < 200; i++)
        buf_addf(&text, "k%d=%%41%%42%%43%%44%%45%d&", i, i);
    buf_add_text(&text, "a=last HTTP/1.1\r\nHost: a\r\n\r\n");
    reply = ask(&app, buf_text(&text));
    buf_release(&text);
    ck_assert_uint_eq(reply.status, 200);
    ck_assert(has_line(&reply, "a=last"));
    ck_assert_ptr_nonnull(memmem(reply.body, reply.body_len, "[k199]=[ABCDE199]", 17));
}
END_TEST

START_TEST(a_request_id_is_kept_when_it_is_good)
{
    AUTO_REPLY struct reply good = ask(&app, "GET /show HTTP/1.1\r\nHost: a\r\nx-request-id: Ab-9_.z\r\n\r\n");
    AUTO_REPLY struct reply bad = ask(&app, "GET /show HTTP/1.1\r\nHost: a\r\nx-request-id: a b\r\n\r\n");
    AUTO_REPLY struct reply other = ask(&app, "GET /show HTTP/1.1\r\nHost: a\r\n\r\n");
    char first[1024];

    ck_assert_str_eq(reply_get(&good, "X-Request-Id"), "Ab-9_.z");
    ck_assert_str_ne(reply_get(&bad, "X-Request-Id"), "a b");
    (void)snprintf(first, sizeof first, "%s", reply_get(&bad, "X-Request-Id"));
    ck_assert_uint_eq(strlen(first), 24);
    ck_assert_str_ne(reply_get(&other, "X-Request-Id"), first);
}
END_TEST

START_TEST(a_head_that_two_servers_could_cut_differently_is_refused)
{
    static const char *const heads[] = {
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /echo HTTP/1.1\r\n\r\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        AUTO_REPLY struct reply reply = {.status = 0};
        int fd = client_open(&app);

        client_send(fd, heads[i]);
        reply = client_read(fd);
        ck_assert_msg(reply.status == 400, "%s: %u", heads[i], reply.status);
        ck_assert(client_closed(fd));
        (void)close(fd);
    }
    ck_assert_uint_eq(app_count(&app, &app.n_run), 0);
}
END_TEST

START_TEST(a_head_too_large_is_refused_and_harms_nobody)
{
    struct buf text = BUF_INIT(1 << 20);
    int fd = client_open(&app);

    buf_add_text(&text, "GET /show HTTP/1.1\r\nHost: a\r\nX-Long: ");
    for (int i = 0; i < 100000; i++)
        buf_add_char(&text, 'x');
    (void)send(fd, text.data, text.len, MSG_NOSIGNAL);
    (void)close(fd);
    buf_release(&text);
    AUTO_REPLY struct reply reply = ask(&app, "GET /show HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_uint_eq(reply.status, 200);
}
END_TEST

/* --- Answers --- */

START_TEST(head_is_get_without_a_body)
{
    struct buf carry = BUF_INIT(1024);
    int fd = client_open(&app);

    for (int i = 0; i < 2; i++) {
        AUTO_REPLY struct reply reply = {.status = 0};

        client_send(fd, "HEAD /show HTTP/1.1\r\nHost: a\r\n\r\n");
        reply = client_read_carry(fd, true, &carry);
        ck_assert_uint_eq(reply.status, 200);
        ck_assert_uint_gt(strtoul(reply_get(&reply, "Content-Length"), NULL, 10), 0);
        ck_assert_uint_eq(carry.len, 0);
    }
    (void)close(fd);
}
END_TEST

/* Does the body inflate to what /big sends? */
static void assert_big_gzip(const struct reply *reply)
{
    static char text[1 << 16];
    z_stream zip = {.next_in = (Bytef *)(uintptr_t)reply->body, .avail_in = (uInt)reply->body_len};

    zip.next_out = (Bytef *)text;
    zip.avail_out = sizeof text;
    ck_assert_int_eq(inflateInit2(&zip, 15 + 16), Z_OK);
    ck_assert_int_eq(inflate(&zip, Z_FINISH), Z_STREAM_END);
    ck_assert(starts_with(text, "{\"n\":0},\n{\"n\":1},\n"));
    (void)inflateEnd(&zip);
}

START_TEST(a_long_text_is_gzipped_for_who_accepts_it)
{
    static const struct {
        const char *accept;
        bool gzipped;
    } cases[] = {
        {"gzip", true},
        {"deflate, gzip;q=1.0, *;q=0.5", true},
        {"GZIP", true},
        {"*", true},
        {"x-gzip", true},
        {"br;q=1.0, gzip;q=0.001", true},
        {"gzip;q=0", false},
        {"gzip; q=0.000", false},
        {"gzip;q=0, *", false},
        {"*;q=0", false},
        {"deflate, br", false},
        {"identity", false},
        {"", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_REPLY struct reply reply = {.status = 0};
        char text[256];

        (void)snprintf(text, sizeof text, "GET /big HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n", cases[i].accept);
        reply = ask(&app, text);
        ck_assert_uint_eq(reply.status, 200);
        ck_assert_str_eq(reply_get(&reply, "Vary"), "Accept-Encoding");
        ck_assert_msg(!!reply_get(&reply, "Content-Encoding") == cases[i].gzipped, "%s", cases[i].accept);
        if (cases[i].gzipped)
            assert_big_gzip(&reply);
    }
}
END_TEST

START_TEST(what_is_short_or_no_text_is_not_gzipped)
{
    AUTO_REPLY struct reply shorter = ask(&app, "GET /show HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    AUTO_REPLY struct reply image = ask(&app, "GET /big?type=image/png HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");

    ck_assert_ptr_null(reply_get(&shorter, "Content-Encoding"));
    ck_assert_ptr_null(reply_get(&shorter, "Vary"));
    ck_assert_ptr_null(reply_get(&image, "Content-Encoding"));
    ck_assert_ptr_null(reply_get(&image, "Vary"));
}
END_TEST

START_TEST(requests_may_be_pipelined)
{
    struct buf carry = BUF_INIT(1 << 20);
    int fd = client_open(&app);

    for (int i = 0; i < 50; i++)
        client_send(fd,
                    i % 2 ? "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi" : "GET /empty HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int i = 0; i < 50; i++) {
        AUTO_REPLY struct reply reply = client_read_carry(fd, false, &carry);

        ck_assert_uint_eq(reply.status, i % 2 ? 200 : 204);
        ck_assert(body_is(&reply, i % 2 ? "hi" : ""));
    }
    buf_release(&carry);
    (void)close(fd);
}
END_TEST

START_TEST(a_handler_that_forgets_to_answer_gives_a_500)
{
    AUTO_REPLY struct reply reply = ask(&app, "GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");

    ck_assert_uint_eq(reply.status, 500);
    ck_assert_str_eq(reply_get(&reply, "Content-Type"), "application/problem+json");
}
END_TEST

/* --- Bodies --- */

START_TEST(a_chunked_body_arrives_whole)
{
    AUTO_REPLY struct reply reply = {.status = 0};
    int fd = client_open(&app);

    client_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client_send(fd, "5\r\nhello\r\n1;ext=1\r\n \r\n");
    client_send(fd, "5\r\nworld\r\n0\r\nX-Trailer: 1\r\n\r\n");
    reply = client_read(fd);
    ck_assert(body_is(&reply, "hello world"));
    (void)close(fd);
}
END_TEST

START_TEST(a_client_that_asks_first_is_told_to_continue)
{
    AUTO_REPLY struct reply interim = {.status = 0};
    AUTO_REPLY struct reply reply = {.status = 0};
    int fd = client_open(&app);

    client_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    interim = client_read(fd);
    ck_assert_uint_eq(interim.status, 100);
    client_send(fd, "hello");
    reply = client_read(fd);
    ck_assert(body_is(&reply, "hello"));
    (void)close(fd);
}
END_TEST

START_TEST(a_client_that_asks_first_hears_a_refusal_at_once)
{
    AUTO_REPLY struct reply refused = ask(&app, "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    AUTO_REPLY struct reply large = ask(&app, "POST /limit/10 HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");

    ck_assert_uint_eq(refused.status, 401);
    ck_assert_str_eq(reply_get(&refused, "Connection"), "close");
    ck_assert_uint_eq(large.status, 400);
    ck_assert(body_is(&large, "body_too_large"));
}
END_TEST

START_TEST(a_refused_body_is_dropped_and_the_connection_stays)
{
    int fd = client_open(&app);

    for (int i = 0; i < 3; i++) {
        AUTO_REPLY struct reply reply = {.status = 0};

        client_send(fd, "POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
        client_send(fd, "0123456789");
        reply = client_read(fd);
        ck_assert_uint_eq(reply.status, 401);
        ck_assert_ptr_null(reply_get(&reply, "Connection"));
    }
    (void)close(fd);
    ck_assert_uint_eq(app_count(&app, &app.n_run), 0);
}
END_TEST

/* Sends n bytes, as one body or in chunks. */
static void send_bytes(int fd, size_t n, bool chunked)
{
    static const char block[16384];

    while (n) {
        size_t len = n < sizeof block ? n : sizeof block;
        char size[16];

        (void)snprintf(size, sizeof size, "%zx\r\n", len);
        if (chunked)
            client_send(fd, size);
        client_send_bytes(fd, block, len);
        if (chunked)
            client_send(fd, "\r\n");
        n -= len;
    }
    if (chunked)
        client_send(fd, "0\r\n\r\n");
}

START_TEST(a_body_over_its_limit_is_refused_and_the_connection_stays)
{
    int fd = client_open(&app);

    for (int chunked = 0; chunked < 2; chunked++)
        for (size_t n = 9999; n <= 10001; n++) {
            AUTO_REPLY struct reply reply = {.status = 0};
            char head[256];

            (void)snprintf(head, sizeof head,
                           chunked ? "POST /limit/10000 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   : "POST /limit/10000 HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                           n);
            client_send(fd, head);
            send_bytes(fd, n, chunked);
            reply = client_read(fd);
            ck_assert_uint_eq(reply.status, n > 10000 ? 400 : 200);
            ck_assert(n <= 10000 || body_is(&reply, "body_too_large"));
            ck_assert(n > 10000 || reply.body_len == n);
        }
    (void)close(fd);
}
END_TEST

START_TEST(a_large_body_over_the_limit_is_read_so_that_its_sender_hears_why)
{
    AUTO_REPLY struct reply reply = {.status = 0};
    int fd = client_open(&app);

    client_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    send_bytes(fd, 12 << 20, true);
    reply = client_read(fd);
    ck_assert(body_is(&reply, "body_too_large"));
    (void)close(fd);
}
END_TEST

START_TEST(a_promise_of_far_too_much_is_answered_at_once)
{
    AUTO_REPLY struct reply reply = ask(&app, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n");

    ck_assert_uint_eq(reply.status, 400);
    ck_assert(body_is(&reply, "body_too_large"));
}
END_TEST

START_TEST(a_body_without_end_is_broken_off)
{
    static const char block[65536];
    int fd = client_open(&app);
    size_t sent = 0;

    client_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n");
    while (sent < (64 << 20)) {
        ssize_t n = send(fd, block, sizeof block, MSG_NOSIGNAL);

        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    (void)close(fd);
    ck_assert_uint_lt(sent, 64 << 20);
    app_wait(&app, &app.n_gone, 1);
}
END_TEST

/* Appends text as one gzip member. */
static void add_gzip(struct buf *out, const char *text, size_t len)
{
    z_stream zip = {.next_in = (Bytef *)(uintptr_t)text, .avail_in = (uInt)len};
    size_t max = len + 1024;

    ck_assert_int_eq(deflateInit2(&zip, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    zip.next_out = (Bytef *)buf_room(out, max);
    zip.avail_out = (uInt)max;
    ck_assert_int_eq(deflate(&zip, Z_FINISH), Z_STREAM_END);
    buf_added(out, zip.total_out);
    (void)deflateEnd(&zip);
}

static struct reply post_gzip(const char *path, const char *coding, const struct buf *body)
{
    struct reply reply;
    char head[256];
    int fd = client_open(&app);

    (void)snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", path, coding,
                   body->len);
    client_send(fd, head);
    client_send_bytes(fd, body->data, body->len);
    reply = client_read(fd);
    (void)close(fd);
    return reply;
}

START_TEST(a_gzipped_body_is_inflated)
{
    struct buf body = BUF_INIT(1 << 20);

    add_gzip(&body, "hello", 5);
    AUTO_REPLY struct reply gzip = post_gzip("/echo", "gzip", &body);
    AUTO_REPLY struct reply old = post_gzip("/echo", "X-GZIP", &body);
    AUTO_REPLY struct reply other = post_gzip("/echo", "br", &body);
    AUTO_REPLY struct reply plain = post_gzip("/echo", "identity", &body);

    ck_assert(body_is(&gzip, "hello"));
    ck_assert(body_is(&old, "hello"));
    ck_assert(body_is(&other, "bad_encoding"));
    ck_assert_uint_eq(plain.body_len, body.len);
    body.len--;
    AUTO_REPLY struct reply cut = post_gzip("/echo", "gzip", &body);
    ck_assert(body_is(&cut, "bad_gzip"));
    buf_release(&body);
}
END_TEST

START_TEST(a_gzip_bomb_is_refused)
{
    struct buf body = BUF_INIT(16 << 20);
    char *zeros = mem_zalloc(8 << 20);

    add_gzip(&body, zeros, 2 << 20);
    AUTO_REPLY struct reply ratio = post_gzip("/echo", "gzip", &body);
    ck_assert(body_is(&ratio, "bad_gzip"));
    buf_clear(&body);
    add_gzip(&body, zeros, 2000);
    AUTO_REPLY struct reply large = post_gzip("/limit/1999", "gzip", &body);
    AUTO_REPLY struct reply fits = post_gzip("/limit/2000", "gzip", &body);
    ck_assert(body_is(&large, "body_too_large"));
    ck_assert_uint_eq(fits.body_len, 2000);
    free(zeros);
    buf_release(&body);
}
END_TEST

START_TEST(an_empty_body_needs_no_gzip)
{
    struct buf body = BUF_INIT(16);
    AUTO_REPLY struct reply reply = post_gzip("/echo", "gzip", &body);
    AUTO_REPLY struct reply other = post_gzip("/echo", "br", &body);

    ck_assert_uint_eq(reply.status, 200);
    ck_assert_uint_eq(reply.body_len, 0);
    ck_assert_uint_eq(other.status, 200);
}
END_TEST

RUN_TESTS_WITH(start, stop, "http", a_post_is_echoed_and_the_connection_stays, a_suspended_post_is_answered_by_another_thread,
               the_path_is_raw_and_the_query_decoded, the_absolute_form_is_understood, a_long_query_outgrows_the_request_and_works,
               a_request_id_is_kept_when_it_is_good, a_head_that_two_servers_could_cut_differently_is_refused,
               a_head_too_large_is_refused_and_harms_nobody, head_is_get_without_a_body, a_long_text_is_gzipped_for_who_accepts_it,
               what_is_short_or_no_text_is_not_gzipped, requests_may_be_pipelined, a_handler_that_forgets_to_answer_gives_a_500,
               a_chunked_body_arrives_whole, a_client_that_asks_first_is_told_to_continue, a_client_that_asks_first_hears_a_refusal_at_once,
               a_refused_body_is_dropped_and_the_connection_stays, a_body_over_its_limit_is_refused_and_the_connection_stays,
               a_large_body_over_the_limit_is_read_so_that_its_sender_hears_why, a_promise_of_far_too_much_is_answered_at_once,
               a_body_without_end_is_broken_off, a_gzipped_body_is_inflated, a_gzip_bomb_is_refused, an_empty_body_needs_no_gzip)
