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

enum { PATIENCE_MS = 60000 };

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
    (void)snprintf(server->address, sizeof server->address, "127.0.0.1:%u", ntohs(address.sin_port));
    ck_assert(!pthread_create(&server->thread, NULL, serve, server));
}

static void stop(struct server *server)
{
    (void)pthread_join(server->thread, NULL);
    (void)close(server->fd);
}

static bool ask(struct server *server, const struct loopback_request *how, unsigned *ret_status, struct buf *answer)
{
    struct loopback_request request = *how;
    char host[LOOPBACK_HOST], port[LOOPBACK_PORT];
    bool ok;

    start(server, request.body ? request.body : "\r\n\r\n", server->answer);
    ck_assert(loopback_split(server->address, host, port));
    request.host = host;
    request.port = port;
    ok = loopback_send(&request, ret_status, answer);
    stop(server);
    return ok;
}

START_TEST(test_answers)
{
    static const struct {
        const char *answer;
        unsigned status; /* 0: none */
    } cases[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200},
        {"HTTP/1.1 503 Service Unavailable\r\n\r\n", 503},
        {"HTTP/1.1 204 No Content\r\n\r\n", 204},
        {"", 0},
        {"HTTP/1.1 20", 0},
        {"SSH-2.0-x and more\r\n\r\n", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf answer = BUF_INIT(4096);
        struct loopback_request request = {.method = "GET", .path = "/healthz", .timeout_ms = PATIENCE_MS};
        struct server server = {.answer = cases[i].answer};
        unsigned status = 0;

        ck_assert_msg(ask(&server, &request, &status, &answer) == !!cases[i].status, "%s", cases[i].answer);
        ck_assert_uint_eq(status, cases[i].status);
        ck_assert_str_eq(buf_text(&answer), cases[i].answer);
        ck_assert(strstr(server.request, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:") == server.request);
    }
}
END_TEST

START_TEST(test_what_does_not_fit_is_dropped)
{
    AUTO_BUF struct buf answer = BUF_INIT(20);
    struct loopback_request request = {.method = "GET", .path = "/", .timeout_ms = PATIENCE_MS};
    struct server server = {.answer = "HTTP/1.1 200 OK\r\n\r\nmuch more than twenty bytes"};
    unsigned status;

    ck_assert(!ask(&server, &request, &status, &answer)); /* it came in one piece, which did not fit */
    ck_assert(!buf_ok(&answer));
}
END_TEST

START_TEST(test_a_post_carries_its_key_and_body)
{
    static const struct {
        const char *key, *basic;
    } cases[] = {{"key", "a2V5Og=="}, {"keys", "a2V5czo="}, {"ke", "a2U6"}, {"", "Og=="}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_BUF struct buf answer = BUF_INIT(4096);
        struct loopback_request request = {.method = "POST", .path = "/v1/batch", .key = cases[i].key, .timeout_ms = PATIENCE_MS};
        struct server server = {.answer = "HTTP/1.1 200 OK\r\n\r\n{}"};
        unsigned status;
        char head[128];

        request.body = "{\"batch\":[]}";
        request.body_len = 12;
        ck_assert(ask(&server, &request, &status, &answer));
        (void)snprintf(head, sizeof head, "\r\nAuthorization: Basic %s\r\n", cases[i].basic);
        ck_assert_msg(strstr(server.request, head) != NULL, "%s", server.request);
        ck_assert_ptr_nonnull(strstr(server.request, "\r\nContent-Length: 12\r\n"));
    }
}
END_TEST

START_TEST(test_no_answer_in_time)
{
    AUTO_BUF struct buf answer = BUF_INIT(4096);
    struct loopback_request request = {.method = "GET", .path = "/", .timeout_ms = 30};
    struct server server = {.answer = NULL};
    unsigned status;

    ck_assert(!ask(&server, &request, &status, &answer));
}
END_TEST

START_TEST(test_nobody_there)
{
    AUTO_BUF struct buf answer = BUF_INIT(4096);
    struct loopback_request request = {.host = "127.0.0.1", .port = "1", .method = "GET", .path = "/", .timeout_ms = PATIENCE_MS};
    unsigned status;

    ck_assert(!loopback_send(&request, &status, &answer));
    request.host = "256.0.0.1";
    ck_assert(!loopback_send(&request, &status, &answer));
}
END_TEST

START_TEST(test_urls)
{
    static const struct {
        const char *text, *host, *port;
    } good[] = {
        {"127.0.0.1:8080", "127.0.0.1", "8080"},
        {"http://[::1]:81/x:y", "::1", "81"},
        {"http://shop.example/", "shop.example", "80"},
        {"[::]:1", "::", "1"},
    };
    static const char *const bad[] = {"", "http://", ":80", "a:b", "a:", "a:80x"};
    char host[LOOPBACK_HOST], port[LOOPBACK_PORT];

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        ck_assert_msg(loopback_split(good[i].text, host, port), "%s", good[i].text);
        ck_assert_str_eq(host, good[i].host);
        ck_assert_str_eq(port, good[i].port);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!loopback_split(bad[i], host, port), "%s", bad[i]);
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

RUN_TESTS("loopback", test_answers, test_what_does_not_fit_is_dropped, test_a_post_carries_its_key_and_body, test_no_answer_in_time,
          test_nobody_there, test_urls, test_addresses)
