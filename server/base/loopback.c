/* A tiny HTTP client. The one idea: every wait is a poll with what is left of one deadline, so a server that hangs costs no more
 * than that. It reads until the server closes, which `Connection: close` asks for, and understands of the answer only its status.
 * Not for the world outside: no TLS, no redirects. */
#include "server/base/loopback.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/clock.h"

enum { HEAD_MAX = 4096 };

static bool ready(int fd, short events, int64_t until_us)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int64_t left_ms = (until_us - clock_mono_us()) / US_PER_MS;
    int n;

    if (left_ms < 0)
        return false;
    do
        n = poll(&poll_fd, 1, (int)left_ms);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

static int open_one(const struct addrinfo *address, int64_t until_us)
{
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);
    int error = 0;
    socklen_t len = sizeof error;

    if (fd < 0)
        return -1;
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    if (errno == EINPROGRESS && ready(fd, POLLOUT, until_us) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0)
        return fd;
    close(fd);
    return -1;
}

static int open_socket(const char *host, const char *port, int64_t until_us)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses;
    int fd = -1;

    if (getaddrinfo(host, port, &hints, &addresses) != 0)
        return -1;
    for (const struct addrinfo *address = addresses; address && fd < 0; address = address->ai_next)
        fd = open_one(address, until_us);
    freeaddrinfo(addresses);
    return fd;
}

static bool send_all(int fd, const char *bytes, size_t len, int64_t until_us)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN && ready(fd, POLLOUT, until_us))
            continue;
        if (n < 0 && errno != EINTR)
            return false;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* What does not fit is read and dropped. */
static bool receive_all(int fd, struct buf *answer, int64_t until_us)
{
    char piece[4096];

    for (;;) {
        ssize_t n = recv(fd, piece, sizeof piece, 0);

        if (n == 0)
            return true;
        if (n > 0)
            buf_add(answer, piece, (size_t)n);
        else if (errno != EINTR && (errno != EAGAIN || !ready(fd, POLLIN, until_us)))
            return false;
    }
}

static void put_basic(struct buf *head, const char *key)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(key) + 1; /* "key:" */

    buf_add_text(head, "Authorization: Basic ");
    for (size_t i = 0; i < len; i += 3) {
        unsigned bits = 0;

        for (size_t k = i; k < i + 3; k++)
            bits = bits << 8 | (k < len - 1 ? (unsigned char)key[k] : k == len - 1 ? ':' : 0);
        for (size_t k = 0; k < 4; k++)
            buf_add_char(head, i + k > len ? '=' : digits[bits >> (18 - 6 * k) & 63]);
    }
    buf_add_text(head, "\r\n");
}

bool loopback_send(const struct loopback_request *request, unsigned *ret_status, struct buf *ret_answer)
{
    AUTO_BUF struct buf head = BUF_INIT(HEAD_MAX);
    int64_t until_us = clock_mono_us() + request->timeout_ms * US_PER_MS;
    int fd = open_socket(request->host, request->port, until_us);
    bool ok;

    if (fd < 0)
        return false;
    buf_addf(&head, "%s %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n", request->method, request->path, request->host, request->port);
    if (request->key)
        put_basic(&head, request->key);
    if (request->body)
        buf_addf(&head, "Content-Type: application/json\r\nContent-Length: %zu\r\n", request->body_len);
    buf_add_text(&head, "\r\n");
    ok = send_all(fd, head.data, head.len, until_us) && (!request->body || send_all(fd, request->body, request->body_len, until_us)) &&
         receive_all(fd, ret_answer, until_us);
    close(fd);
    if (!ok || ret_answer->len < strlen("HTTP/1.1 200") || strncmp(ret_answer->data, "HTTP/1.1 ", 9) != 0)
        return false;
    *ret_status = (unsigned)strtoul(ret_answer->data + 9, NULL, 10);
    return true;
}

bool loopback_split(const char *url, char ret_host[LOOPBACK_HOST], char ret_port[LOOPBACK_PORT])
{
    const char *end, *colon;

    if (strncmp(url, "http://", 7) == 0)
        url += 7;
    end = url + strcspn(url, "/");
    colon = memrchr(url, ':', (size_t)(end - url));
    if (colon && memchr(colon, ']', (size_t)(end - colon)))
        colon = NULL; /* within an IPv6 address */
    (void)snprintf(ret_port, LOOPBACK_PORT, "%.*s", colon ? (int)(end - colon - 1) : 2, colon ? colon + 1 : "80");
    end = colon ? colon : end;
    if (*url == '[' && end > url && end[-1] == ']') {
        url++;
        end--;
    }
    if (end == url || end - url >= LOOPBACK_HOST)
        return false;
    (void)snprintf(ret_host, LOOPBACK_HOST, "%.*s", (int)(end - url), url);
    return ret_port[strspn(ret_port, "0123456789")] == '\0' && *ret_port;
}
