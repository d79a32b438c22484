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
    ck_assert_uint_eq(app.last_status, 200);
}
END_TEST

START_TEST(a_suspended_post_is_answered_by_another_thread)
{
    AUTO_REPLY struct reply reply = ask(&app, "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");

    ck_assert_uint_eq(reply.status, 200);
    ck_assert(body_is(&reply, "hello"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http");
    TCase *tc = tcase_create("http");

    tcase_add_checked_fixture(tc, start, stop);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_post_is_echoed_and_the_connection_stays);
    tcase_add_test(tc, a_suspended_post_is_answered_by_another_thread);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
