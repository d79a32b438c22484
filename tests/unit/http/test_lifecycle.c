/* Starting and stopping: what waits is answered or expires, nobody new is accepted, nothing is left behind; addresses, loops, descriptors. */
#include <sys/resource.h>

#include "tests/unit/http/support.h"

static struct app app;

static void start(void)
{
    struct http_config config = test_config();

    app_start(&app, &config);
}

static const char later[] = "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/* --- Ending --- */

START_TEST(after_quiesce_answers_close_and_nobody_new_is_accepted)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int64_t until_us = clock_mono_us() + PATIENCE_MS * US_PER_MS;
    int idle = client_open(&app), waiting = client_open(&app), late;
    bool refused = false;

    app_hold(&app);
    client_send(waiting, later);
    app_wait_jobs(&app, 1);
    app_wait_connections(&app, 2);
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

    app_hold(&app);
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

    app_hold(&app);
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
    app_wait_connections(&app, 1);
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

RUN_TESTS_WITH(start, NULL, "lifecycle", after_quiesce_answers_close_and_nobody_new_is_accepted, quiesce_still_serves_the_backlog,
               stop_waits_for_what_is_being_answered, stop_expires_what_is_not_answered_in_time, stop_cuts_off_an_upload_that_does_not_end,
               stop_under_load_leaves_nothing_behind, an_address_in_use_is_refused, a_bad_address_is_refused, it_listens_on_ipv6,
               several_loops_share_the_socket, out_of_descriptors_it_recovers)
