/* Suspended requests: deadlines, late answers, clients that leave, draining and stopping. The worker of support.h holds what it is
 * given until app_release. */
#include <sys/resource.h>

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

static void hold(void)
{
    app_lock(&app);
    app.hold = true;
    app_unlock(&app);
}

static void wait_suspended(uint64_t n)
{
    int64_t until_us = clock_mono_us() + PATIENCE_MS * US_PER_MS;

    while (http_stats(app.http).suspended != n && clock_mono_us() < until_us)
        (void)poll(NULL, 0, 1);
    ck_assert_uint_eq(http_stats(app.http).suspended, n);
}

static void wait_connections(uint64_t n)
{
    int64_t until_us = clock_mono_us() + PATIENCE_MS * US_PER_MS;

    while (http_stats(app.http).connections != n && clock_mono_us() < until_us)
        (void)poll(NULL, 0, 1);
    ck_assert_uint_eq(http_stats(app.http).connections, n);
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

    hold();
    for (int i = 0; i < N; i++) {
        fds[i] = client_open(&app);
        client_send(fds[i], later);
    }
    wait_suspended(N);
    ck_assert_uint_eq(http_stats(app.http).connections, N);
    app_release(&app);
    for (int i = 0; i < N; i++) {
        AUTO_REPLY struct reply reply = client_read(fds[i]);

        ck_assert(body_is(&reply, "hi"));
        (void)close(fds[i]);
    }
    wait_suspended(0);
    wait_connections(0);
    app_stop(&app);
}
END_TEST

START_TEST(a_deadline_answers_and_the_late_answer_is_dropped)
{
    int fd = client_open(&app);
    int64_t asked_us = clock_mono_us();

    hold();
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

    hold();
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

    hold();
    client_send(fd, "GET /later?timeout=0 HTTP/1.1\r\nHost: a\r\n\r\n");
    app_wait_jobs(&app, 1);
    ck_assert(!job_is_over(0));
    (void)close(fd);
    while (!job_is_over(0) && clock_mono_us() < until_us)
        (void)poll(NULL, 0, 5);
    ck_assert(job_is_over(0));
    app_release(&app);
    app_wait(&app, &app.n_done, 1);
    wait_connections(0);
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

    wait_connections(1);
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
        wait_connections(0);
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
    hold();
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

/* --- Ending --- */

START_TEST(after_quiesce_answers_close_and_nobody_new_is_accepted)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int64_t until_us = clock_mono_us() + PATIENCE_MS * US_PER_MS;
    int idle = client_open(&app), waiting = client_open(&app), late;
    bool refused = false;

    hold();
    client_send(waiting, later);
    app_wait_jobs(&app, 1);
    wait_connections(2);
    address.sin_port = htons((uint16_t)app.port);
    http_quiesce(app.http);
    while (!refused && clock_mono_us() < until_us) {
        late = socket(AF_INET, SOCK_STREAM, 0);
        refused = connect(late, (struct sockaddr *)&address, sizeof address) && errno == ECONNREFUSED;
        (void)close(late);
    }
    ck_assert(refused);
    client_send(idle, "GET /show HTTP/1.1\r\nHost: a\r\n\r\n");
    app_release(&app);
    for (int i = 0; i < 2; i++) {
        AUTO_REPLY struct reply reply = client_read(i ? idle : waiting);

        ck_assert_uint_eq(reply.status, 200);
        ck_assert_str_eq(reply_get(&reply, "Connection"), "close");
        ck_assert(client_closed(i ? idle : waiting));
        (void)close(i ? idle : waiting);
    }
    app_stop(&app);
}
END_TEST

START_TEST(quiesce_still_serves_the_backlog)
{
    enum { N = 60 };
    int fds[N];

    for (int i = 0; i < N; i++) {
        fds[i] = client_open(&app);
        client_send(fds[i], "GET /show HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    http_quiesce(app.http);
    for (int i = 0; i < N; i++) {
        AUTO_REPLY struct reply reply = client_read(fds[i]);

        ck_assert_uint_eq(reply.status, 200);
        (void)close(fds[i]);
    }
    app_stop(&app);
}
END_TEST

static void *stop_http(void *context)
{
    http_stop(app.http, *(unsigned *)context);
    return NULL;
}

START_TEST(stop_waits_for_what_is_being_answered)
{
    unsigned patience_ms = PATIENCE_MS;
    int fd = client_open(&app);
    pthread_t stopper;

    hold();
    client_send(fd, later);
    app_wait_jobs(&app, 1);
    ck_assert(!pthread_create(&stopper, NULL, stop_http, &patience_ms));
    app_release(&app);
    {
        AUTO_REPLY struct reply reply = client_read(fd);

        ck_assert(body_is(&reply, "hi"));
        ck_assert_ptr_nonnull(reply_get(&reply, "X-Request-Id"));
    }
    (void)pthread_join(stopper, NULL);
    (void)close(fd);
    app_stop_worker(&app);
}
END_TEST

START_TEST(stop_expires_what_is_not_answered_in_time)
{
    enum { N = 300 };
    int fds[N];

    hold();
    for (int i = 0; i < N; i++) {
        fds[i] = client_open(&app);
        client_send(fds[i], "GET /later?timeout=0 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    app_wait_jobs(&app, N);
    http_stop(app.http, 50);
    for (int i = 0; i < N; i++) {
        AUTO_REPLY struct reply reply = client_read(fds[i]);

        ck_assert_uint_eq(reply.status, 503);
        ck_assert_str_eq(reply_get(&reply, "Connection"), "close");
        (void)close(fds[i]);
    }
    ck_assert_uint_eq(app_count(&app, &app.n_done), N);
    app_stop_worker(&app); /* answers all of them now: too late, and harmless */
}
END_TEST

START_TEST(stop_cuts_off_an_upload_that_does_not_end)
{
    int fd = client_open(&app);

    client_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nslow");
    wait_connections(1);
    http_stop(app.http, 1);
    ck_assert(client_closed(fd));
    (void)close(fd);
    app_stop_worker(&app);
}
END_TEST

/* Requests go on while the server stops: none is left hanging. */
START_TEST(stop_under_load_leaves_nothing_behind)
{
    enum { N = 64 };
    int fds[N];

    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < N; i++) {
            fds[i] = client_open(&app);
            for (int k = 0; k < 20; k++)
                client_send(fds[i], later);
        }
        http_stop(app.http, 200);
        ck_assert_uint_eq(app_count(&app, &app.n_gone), 0);
        for (int i = 0; i < N; i++)
            (void)close(fds[i]);
        app_stop_worker(&app);
        start();
    }
    app_stop(&app);
}
END_TEST

/* --- Starting --- */

START_TEST(an_address_in_use_is_refused)
{
    struct http_config config = test_config();
    struct http_hooks hooks = test_hooks(&app);
    char listen[64];

    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", app.port);
    config.listen = listen;
    ck_assert_ptr_null(http_start(&config, &hooks));
    app_stop(&app);
    app_start(&app, &config); /* and free again at once */
    app_stop(&app);
}
END_TEST

START_TEST(a_bad_address_is_refused)
{
    static const char *const bad[] = {"",      "127.0.0.1",         "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000", "256.1.1.1:80",
                                      "[::1]", "nowhere.invalid:80"};
    struct http_config config = test_config();
    struct http_hooks hooks = test_hooks(&app);

    app_stop(&app);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        config.listen = bad[i];
        ck_assert_msg(!http_start(&config, &hooks), "%s", bad[i]);
    }
}
END_TEST

START_TEST(it_listens_on_ipv6)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct http_config config = test_config();
    int fd;

    app_stop(&app);
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address))
        return; /* a machine without IPv6 */
    (void)close(fd);
    config.listen = "[::1]:0";
    app_start(&app, &config);
    address.sin6_port = htons((uint16_t)app.port);
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    ck_assert(!connect(fd, (struct sockaddr *)&address, sizeof address));
    client_send(fd, "GET /show HTTP/1.1\r\nHost: a\r\n\r\n");
    {
        AUTO_REPLY struct reply reply = client_read(fd);

        ck_assert_ptr_nonnull(memmem(reply.body, reply.body_len, "address=::1\n", 12));
    }
    (void)close(fd);
    app_stop(&app);
}
END_TEST

START_TEST(several_loops_share_the_socket)
{
    enum { N = 200 };
    struct http_config config = test_config();
    int fds[N];

    app_stop(&app);
    config.loops = 3;
    app_start(&app, &config);
    for (int i = 0; i < N; i++) {
        fds[i] = client_open(&app);
        client_send(fds[i], later);
    }
    for (int i = 0; i < N; i++) {
        AUTO_REPLY struct reply reply = client_read(fds[i]);

        ck_assert(body_is(&reply, "hi"));
        (void)close(fds[i]);
    }
    app_stop(&app);
}
END_TEST

START_TEST(out_of_descriptors_it_recovers)
{
    struct rlimit limit, small;
    int fds[64], n = 0;

    ck_assert(!getrlimit(RLIMIT_NOFILE, &limit));
    small = limit;
    small.rlim_cur = 48;
    ck_assert(!setrlimit(RLIMIT_NOFILE, &small));
    while (n < 64 && (fds[n] = socket(AF_INET, SOCK_STREAM, 0)) >= 0)
        n++;
    while (n > 1)
        (void)close(fds[--n]);
    for (int i = 1; i < 20; i++)
        fds[i] = client_open(&app);
    for (int i = 1; i < 20; i++)
        (void)close(fds[i]);
    ck_assert(!setrlimit(RLIMIT_NOFILE, &limit));
    {
        AUTO_REPLY struct reply reply = ask(&app, later);

        ck_assert(body_is(&reply, "hi"));
    }
    (void)close(fds[0]);
    app_stop(&app);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_answer_may_come_before_the_suspend,
        many_are_answered_with_one_call,
        a_deadline_answers_and_the_late_answer_is_dropped,
        deadlines_of_many_come_in_their_order,
        a_client_that_leaves_is_noticed_while_it_waits,
        finishing_without_an_answer_is_a_500,
        a_head_that_does_not_come_is_broken_off,
        a_body_that_does_not_come_is_broken_off,
        bodies_on_their_way_in_are_bounded,
        an_idle_connection_is_closed,
        a_waiting_request_is_not_idle,
        connections_of_one_address_are_limited,
        after_quiesce_answers_close_and_nobody_new_is_accepted,
        quiesce_still_serves_the_backlog,
        stop_waits_for_what_is_being_answered,
        stop_expires_what_is_not_answered_in_time,
        stop_cuts_off_an_upload_that_does_not_end,
        stop_under_load_leaves_nothing_behind,
        an_address_in_use_is_refused,
        a_bad_address_is_refused,
        it_listens_on_ipv6,
        several_loops_share_the_socket,
        out_of_descriptors_it_recovers,
    };

    return run_on_server("suspend", start, NULL, tests, ARRAY_LEN(tests));
}
