/* The tiny client against a server that says what it is told to, and addresses. */
#include "server/base/loopback.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/address.h"
#include "tests/unit/run.h"

enum { PATIENCE_MS = 10000 };

/* A server of one connection: it reads until the request ends with `until`, sends `answer` and closes; without an answer it keeps the
 * connection until the client is gone. */
struct server {
    int fd;
    char address[32];
    const char *until, *answer;
    char request[4096];
    pthread_t thread;
};

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) >= strlen(end) && !strcmp(text + strlen(text) - strlen(end), end);
}

static void *serve(void *context)
{
    struct server *server = context;
    int fd = accept(server->fd, NULL, NULL);
    size_t len = 0;
    ssize_t n = 1;

    while (n > 0 && (!server->answer || !ends_with(server->request, server->until))) {
        n = recv(fd, server->request + len, sizeof server->request - 1 - len, 0);
        len += n > 0 ? (size_t)n : 0;
    }
    if (server->answer)
        (void)send(fd, server->answer, strlen(server->answer), MSG_NOSIGNAL);
    (void)close(fd);
    return NULL;
}

static void start(struct server *server, const char *until, const char *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    *server = (struct server){.fd = socket(AF_INET, SOCK_STREAM, 0), .until = until, .answer = answer};
    ck_assert(!bind(server->fd, (struct sockaddr *)&address, len) && !listen(server->fd, 1));
    ck_assert(!getsockname(server->fd, (struct sockaddr *)&address, &len));
    (void)snprintf(server->address, sizeof server->address, "0.0.0.0:%u", ntohs(address.sin_port));
    ck_assert(!pthread_create(&server->thread, NULL, serve, server));
}

static void stop(struct server *server)
{
    (void)pthread_join(server->thread, NULL);
    (void)close(server->fd);
}

static bool get(struct server *server, const char *answer, struct loopback_reply *reply, struct err *err)
{
    struct loopback_request request = {.method = "GET", .path = "/readyz", .timeout_ms = PATIENCE_MS};
    bool ok;

    start(server, "\r\n\r\n", answer);
    request.address = server->address;
    ok = loopback_ask(&request, reply, err);
    stop(server);
    return ok;
}

START_TEST(test_answers)
{
    static const struct {
        const char *answer, *body;
        unsigned status;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", 200},
        {"HTTP/1.1 503 Service Unavailable\r\nx: y\r\n\r\nto the end", "to the end", 503},
        {"HTTP/1.1 204 No Content\r\n\r\n", "", 204},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n", "ab0123456789", 200},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server server;
        struct loopback_reply reply;
        struct err err = ERR_INIT;

        ck_assert_msg(get(&server, cases[i].answer, &reply, &err), "%s", err.detail);
        ck_assert_uint_eq(reply.status, cases[i].status);
        ck_assert_str_eq(buf_text(&reply.body), cases[i].body);
        ck_assert(strstr(server.request, "GET /readyz HTTP/1.1\r\nHost: 0.0.0.0:") == server.request);
        buf_release(&reply.body);
    }
}
END_TEST

START_TEST(test_answers_that_are_not_whole)
{
    static const char *const answers[] = {
        "",
        "HTTP/1.1 200 OK\r\n",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };

    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct server server;
        struct loopback_reply reply;
        struct err err = ERR_INIT;

        ck_assert_msg(!get(&server, answers[i], &reply, &err), "%s", answers[i]);
        ck_assert_str_eq(err.code, "bad_reply");
    }
}
END_TEST

START_TEST(test_a_post_carries_its_body)
{
    struct server server;
    struct loopback_reply reply;
    struct err err = ERR_INIT;
    struct loopback_request request = {.method = "POST",
                                       .path = "/v1/batch",
                                       .authorization = "Basic a2V5Og==",
                                       .content_type = "application/json",
                                       .body = "{\"batch\":[]}",
                                       .len = 12,
                                       .timeout_ms = PATIENCE_MS};

    start(&server, "{\"batch\":[]}", "HTTP/1.1 200 OK\r\n\r\n{}");
    request.address = server.address;
    ck_assert_msg(loopback_ask(&request, &reply, &err), "%s", err.detail);
    stop(&server);
    ck_assert_str_eq(buf_text(&reply.body), "{}");
    ck_assert_ptr_nonnull(
        strstr(server.request, "\r\nAuthorization: Basic a2V5Og==\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"));
    buf_release(&reply.body);
}
END_TEST

START_TEST(test_no_answer_in_time)
{
    struct server server;
    struct loopback_reply reply;
    struct err err = ERR_INIT;
    struct loopback_request request = {.method = "GET", .path = "/", .timeout_ms = 30};

    start(&server, "", NULL);
    request.address = server.address;
    ck_assert(!loopback_ask(&request, &reply, &err));
    ck_assert_str_eq(err.code, "timeout");
    stop(&server);
}
END_TEST

START_TEST(test_nobody_there)
{
    static const char *const addresses[] = {"127.0.0.1:1", "127.0.0.1", "256.0.0.1:80", ""};

    for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
        struct loopback_request request = {.address = addresses[i], .method = "GET", .path = "/", .timeout_ms = PATIENCE_MS};
        struct loopback_reply reply;
        struct err err = ERR_INIT;

        ck_assert(!loopback_ask(&request, &reply, &err));
        ck_assert_str_eq(err.code, "unreachable");
    }
}
END_TEST

START_TEST(test_addresses)
{
    static const struct {
        const char *text, *host, *port;
    } good[] = {
        {"127.0.0.1:8080", "127.0.0.1", "8080"}, {"[::1]:0", "::1", "0"}, {":65535", "", "65535"},
        {"localhost:80", "localhost", "80"},     {"[]:1", "", "1"},
    };
    static const char *const bad[] = {"",     ":",       "80",       "127.0.0.1", "127.0.0.1:", "a:b",
                                      "a:-1", "a:65536", "a:000080", "[::1]",     "a: 80",      "a:80 "};
    char host[ADDRESS_HOST_MAX];
    const char *port;

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        ck_assert_msg(address_split(good[i].text, host, &port), "%s", good[i].text);
        ck_assert_str_eq(host, good[i].host);
        ck_assert_str_eq(port, good[i].port);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!address_split(bad[i], host, &port), "%s", bad[i]);
}
END_TEST

RUN_TESTS("loopback", test_answers, test_answers_that_are_not_whole, test_a_post_carries_its_body, test_no_answer_in_time,
          test_nobody_there, test_addresses)
