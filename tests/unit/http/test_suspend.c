/* Suspended requests: deadlines, late answers, clients that leave, and slow ones. The worker of support.h holds what it is given until
 * app_release. */
#include "server/http/private.h"
#include "tests/unit/http/support.h"

/* The struct behind daemon.c's http, as far as the tests turn its screws. */
struct http {
    struct loop *loops[HTTP_LOOPS_MAX];
};

static struct app app;

static void start(void)
{
    struct http_config config = test_config();

    app_start(&app, &config);
}

static const char later[] = "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

START_TEST(an_answer_may_come_before_the_suspend)
{
    int fd = client_open(&app);

    for (int i = 0; i < 100; i++) {
        AUTO_REPLY struct reply reply = {.status = 0};

        client_send(fd, "POST /before HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        reply = client_read(fd);
        ck_assert(body_is(&reply, "hi"));
    }
    (void)close(fd);
    app_stop(&app);
}
END_TEST

START_TEST(many_are_answered_with_one_call)
{
    enum { N = 100 };
    int fds[N];

    app_hold(&app);
    for (int i = 0; i < N; i++) {
        fds[i] = client_open(&app);
        client_send(fds[i], later);
    }
    app_wait_suspended(&app, N);
    ck_assert_uint_eq(http_stats(app.http).connections, N);
    app_release(&app);
    for (int i = 0; i < N; i++) {
        AUTO_REPLY struct reply reply = client_read(fds[i]);

        ck_assert(body_is(&reply, "hi"));
        (void)close(fds[i]);
    }
    app_wait_suspended(&app, 0);
    app_wait_connections(&app, 0);
    app_stop(&app);
}
END_TEST

START_TEST(a_deadline_answers_and_the_late_answer_is_dropped)
{
    int fd = client_open(&app);
    int64_t asked_us = clock_mono_us();

    app_hold(&app);
    client_send(fd, "POST /later?timeout=50 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    {
        AUTO_REPLY struct reply reply = client_read(fd);

        ck_assert_uint_eq(reply.status, 503);
        ck_assert(body_is(&reply, "expired"));
        ck_assert_str_eq(reply_get(&reply, "Retry-After"), "1");
        ck_assert_int_ge(clock_mono_us() - asked_us, 50 * US_PER_MS);
    }
    app_wait(&app, &app.n_done, 1);
    ck_assert_uint_eq(app_count(&app, &app.n_expired), 1);
    app_lock(&app);
    ck_assert(request_is_over(app.jobs[0]));
    ck_assert_str_eq(request_path(app.jobs[0]), "/later"); /* its texts are still there */
    app_unlock(&app);
    app_release(&app);
    client_send(fd, later); /* the connection goes on */
    {
        AUTO_REPLY struct reply reply = client_read(fd);

        ck_assert(body_is(&reply, "hi"));
    }
    (void)close(fd);
    app_stop(&app);
}
END_TEST

START_TEST(deadlines_of_many_come_in_their_order)
{
    static const char *const timeouts[] = {"300", "20", "160", "90"};
    static const int order[] = {1, 3, 2, 0};
    int fds[ARRAY_LEN(timeouts)];
    int64_t last_us = 0;

    app_hold(&app);
    for (size_t i = 0; i < ARRAY_LEN(timeouts); i++) {
        char text[128];

        fds[i] = client_open(&app);
        (void)snprintf(text, sizeof text, "GET /later?timeout=%s HTTP/1.1\r\nHost: a\r\n\r\n", timeouts[i]);
        client_send(fds[i], text);
    }
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        AUTO_REPLY struct reply reply = client_read(fds[order[i]]);

        ck_assert_uint_eq(reply.status, 503);
        ck_assert_int_ge(clock_mono_us(), last_us);
        last_us = clock_mono_us();
        ck_assert_uint_ge(app_count(&app, &app.n_expired), i + 1);
        (void)close(fds[order[i]]);
    }
    app_stop(&app);
}
END_TEST

static bool job_is_over(size_t i)
{
    bool over;

    app_lock(&app);
    over = request_is_over(app.jobs[i]);
    app_unlock(&app);
    return over;
}

START_TEST(a_client_that_leaves_is_noticed_while_it_waits)
{
    int64_t until_us = clock_mono_us() + PATIENCE_MS * US_PER_MS;
    int fd = client_open(&app);

    app_hold(&app);
    client_send(fd, "GET /later?timeout=0 HTTP/1.1\r\nHost: a\r\n\r\n");
    app_wait_jobs(&app, 1);
    ck_assert(!job_is_over(0));
    (void)close(fd);
    while (!job_is_over(0) && clock_mono_us() < until_us)
        (void)poll(NULL, 0, 5);
    ck_assert(job_is_over(0));
    app_release(&app);
    app_wait(&app, &app.n_done, 1);
    app_wait_connections(&app, 0);
    app_stop(&app);
}
END_TEST

static void work_silently(struct app *unused, struct request *rq)
{
    (void)unused;
    request_finish(rq);
}

START_TEST(finishing_without_an_answer_is_a_500)
{
    app.work = work_silently;
    {
        AUTO_REPLY struct reply reply = ask(&app, later);

        ck_assert_uint_eq(reply.status, 500);
    }
    app_stop(&app);
}
END_TEST

/* --- Slow clients --- */

START_TEST(a_head_that_does_not_come_is_broken_off)
{
    int fd = client_open(&app);

    app_wait_connections(&app, 1);
    atomic_store(&app.http->loops[0]->read_us, 1);
    client_send(fd, "POST /echo HTTP/1.1\r\n"); /* from here its time counts */
    ck_assert(client_closed(fd));
    (void)close(fd);
    ck_assert_uint_eq(app_count(&app, &app.n_done), 0);
    app_stop(&app);
}
END_TEST

START_TEST(a_body_that_does_not_come_is_broken_off)
{
    int fd = client_open(&app);

    atomic_store(&app.http->loops[0]->read_us, 1);
    client_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nslow");
    ck_assert(client_closed(fd));
    (void)close(fd);
    app_wait(&app, &app.n_gone, 1);
    app_stop(&app);
}
END_TEST

/* An upload of so many bytes, all but the last sent. */
static int begin_upload(size_t len)
{
    char head[128], *zeros = mem_zalloc(len);
    int fd = client_open(&app);

    (void)snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", len);
    client_send(fd, head);
    client_send_bytes(fd, zeros, len - 1);
    free(zeros);
    return fd;
}

START_TEST(bodies_on_their_way_in_are_bounded)
{
    struct linger reset = {.l_onoff = 1};
    int first, second, third;

    atomic_store(&app.http->loops[0]->bodies_max, 15000);
    for (int round = 0; round < 3; round++) { /* what is counted is given back */
        int64_t until_us = clock_mono_us() + PATIENCE_MS * US_PER_MS;

        first = begin_upload(10000);
        while (atomic_load(&app.http->loops[0]->n_body_bytes) < 9999 && clock_mono_us() < until_us)
            (void)poll(NULL, 0, 1);
        second = begin_upload(10000);
        client_send(second, "x");
        {
            AUTO_REPLY struct reply reply = client_read(second);

            ck_assert(body_is(&reply, "overloaded"));
        }
        client_send(first, "x");
        {
            AUTO_REPLY struct reply reply = client_read(first);

            ck_assert_uint_eq(reply.body_len, 10000);
        }
        third = begin_upload(10000);
        ck_assert(!setsockopt(third, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
        (void)close(first);
        (void)close(second);
        (void)close(third);
        app_wait_connections(&app, 0);
    }
    app_stop(&app);
}
END_TEST

START_TEST(an_idle_connection_is_closed)
{
    struct http_config config = test_config();
    int fd;

    app_stop(&app);
    config.idle_timeout_s = 1;
    app_start(&app, &config);
    fd = client_open(&app);
    ck_assert(client_closed(fd));
    (void)close(fd);
    app_stop(&app);
}
END_TEST

START_TEST(a_waiting_request_is_not_idle)
{
    struct http_config config = test_config();
    int fd;

    app_stop(&app);
    config.idle_timeout_s = 1;
    app_start(&app, &config);
    fd = client_open(&app);
    app_hold(&app);
    client_send(fd, "GET /later?timeout=2500 HTTP/1.1\r\nHost: a\r\n\r\n");
    {
        AUTO_REPLY struct reply reply = client_read(fd);

        ck_assert_uint_eq(reply.status, 503);
    }
    (void)close(fd);
    app_stop(&app);
}
END_TEST

START_TEST(connections_of_one_address_are_limited)
{
    struct http_config config = test_config();
    int fds[3];

    app_stop(&app);
    config.connections_per_ip = 2;
    app_start(&app, &config);
    for (int i = 0; i < 3; i++)
        fds[i] = client_open(&app);
    client_send(fds[0], later);
    ck_assert(client_closed(fds[2]));
    for (int i = 0; i < 3; i++)
        (void)close(fds[i]);
    app_stop(&app);
}
END_TEST

RUN_TESTS_WITH(start, NULL, "suspend", an_answer_may_come_before_the_suspend, many_are_answered_with_one_call,
               a_deadline_answers_and_the_late_answer_is_dropped, deadlines_of_many_come_in_their_order,
               a_client_that_leaves_is_noticed_while_it_waits, finishing_without_an_answer_is_a_500,
               a_head_that_does_not_come_is_broken_off, a_body_that_does_not_come_is_broken_off, bodies_on_their_way_in_are_bounded,
               an_idle_connection_is_closed, a_waiting_request_is_not_idle, connections_of_one_address_are_limited)
