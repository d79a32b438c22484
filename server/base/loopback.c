/* One request, one connection: it asks for "Connection: close", so the answer ends where the connection does, and only a chunked
 * body has to be taken apart. All waiting is poll with what is left of one deadline. An answer is taken whole or not at all: a
 * missing last chunk or a short body is an error. */
#include "server/base/loopback.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/address.h"
#include "server/base/clock.h"

enum { HEAD_MAX = 16 << 10, READ_STEP = 16 << 10 };

struct talk {
    int fd;
    int64_t deadline_us; /* monotonic */
    struct err *err;
};

static bool fail(struct talk *talk, const char *code, const char *what)
{
    return err_set(talk->err, code, "", "%s", what);
}

/* Waits until the socket can be read or written. */
static bool wait_for(struct talk *talk, short events)
{
    struct pollfd fd = {.fd = talk->fd, .events = events};
    int64_t left_us = talk->deadline_us - clock_mono_us();
    int n = left_us > 0 ? poll(&fd, 1, (int)((left_us + US_PER_MS - 1) / US_PER_MS)) : 0;

    if (n < 0 && errno != EINTR)
        return fail(talk, "unreachable", strerror(errno));
    return n || fail(talk, "timeout", "no answer in time");
}

static bool connect_one(struct talk *talk, const struct addrinfo *to)
{
    int error = 0;
    socklen_t len = sizeof error;

    talk->fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (talk->fd < 0)
        return fail(talk, "unreachable", strerror(errno));
    if (!connect(talk->fd, to->ai_addr, to->ai_addrlen))
        return true;
    if (errno != EINPROGRESS)
        return fail(talk, "unreachable", strerror(errno));
    if (!wait_for(talk, POLLOUT))
        return false;
    if (getsockopt(talk->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error)
        return fail(talk, "unreachable", strerror(error));
    return true;
}

static bool open_connection(struct talk *talk, const char *address)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found = NULL;
    char host[ADDRESS_HOST_MAX];
    const char *port, *name = host;
    bool ok;

    if (!address_split(address, host, &port))
        return fail(talk, "unreachable", "the address is not of the form host:port");
    if (!*host || !strcmp(host, "0.0.0.0"))
        name = "127.0.0.1";
    else if (!strcmp(host, "::"))
        name = "::1";
    if (getaddrinfo(name, port, &hints, &found))
        return fail(talk, "unreachable", "the host is unknown");
    ok = connect_one(talk, found);
    freeaddrinfo(found);
    return ok;
}

static bool send_all(struct talk *talk, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len) {
        ssize_t n = send(talk->fd, at, len, MSG_NOSIGNAL);

        if (n > 0) {
            at += n;
            len -= (size_t)n;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return true; /* it may have answered already: reading tells */
        } else if (errno != EAGAIN && errno != EINTR) {
            return fail(talk, "unreachable", strerror(errno));
        } else if (!wait_for(talk, POLLOUT)) {
            return false;
        }
    }
    return true;
}

static bool send_request(struct talk *talk, const struct loopback_request *request)
{
    AUTO_BUF struct buf head = BUF_INIT(HEAD_MAX);

    buf_addf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", request->method, request->path, request->address);
    if (request->authorization)
        buf_addf(&head, "Authorization: %s\r\n", request->authorization);
    if (request->content_type)
        buf_addf(&head, "Content-Type: %s\r\n", request->content_type);
    if (request->len || strcmp(request->method, "GET"))
        buf_addf(&head, "Content-Length: %zu\r\n", request->len);
    buf_add_text(&head, "\r\n");
    if (!buf_ok(&head))
        return fail(talk, "unreachable", "the request's head is too long");
    return send_all(talk, buf_text(&head), head.len) && send_all(talk, request->body, request->len);
}

static bool read_all(struct talk *talk, struct buf *bytes)
{
    for (;;) {
        char *room = buf_room(bytes, READ_STEP);
        ssize_t n;

        if (!room)
            return fail(talk, "bad_reply", "the answer is too long");
        n = recv(talk->fd, room, READ_STEP, 0);
        if (n > 0)
            buf_added(bytes, (size_t)n);
        else if (!n || errno == ECONNRESET)
            return true;
        else if (errno != EAGAIN && errno != EINTR)
            return fail(talk, "unreachable", strerror(errno));
        else if (!wait_for(talk, POLLIN))
            return false;
    }
}

/* --- Reading the answer --- */

/* Where the value of a header starts, or NULL; *head ends with an empty line. */
static const char *find_header(const char *head, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = strstr(head, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, len) && line[2 + len] == ':')
            return line + 3 + len + strspn(line + 3 + len, " \t");
    return NULL;
}

/* Takes the chunks apart. False when the last is missing. */
static bool add_chunks(const char *at, const char *end, struct buf *body)
{
    for (;;) {
        char *line;
        size_t size = strtoul(at, &line, 16), left;

        line = line == at ? NULL : strstr(line, "\r\n");
        if (!line)
            return false;
        at = line + 2;
        if (!size)
            return true;
        left = (size_t)(end - at);
        if (left < 2 || size > left - 2)
            return false;
        buf_add(body, at, size);
        at += size + 2;
    }
}

/* The bytes hold a whole answer? Then its status and body. */
static bool read_reply(const struct buf *bytes, struct loopback_reply *reply)
{
    const char *head = buf_text(bytes), *end = head + bytes->len;
    const char *body = strstr(head, "\r\n\r\n"), *length;

    if (strncmp(head, "HTTP/1.", 7) || !body || body - head < 12)
        return false;
    body += 4;
    reply->status = (unsigned)strtoul(head + 9, NULL, 10);
    if (find_header(head, "Transfer-Encoding"))
        return add_chunks(body, end, &reply->body);
    length = find_header(head, "Content-Length");
    if (length && strtoul(length, NULL, 10) != (size_t)(end - body))
        return false;
    buf_add(&reply->body, body, (size_t)(end - body));
    return true;
}

bool loopback_ask(const struct loopback_request *request, struct loopback_reply *ret_reply, struct err *ret_err)
{
    struct talk talk = {.fd = -1, .deadline_us = clock_mono_us() + request->timeout_ms * US_PER_MS, .err = ret_err};
    AUTO_BUF struct buf bytes = BUF_INIT(LOOPBACK_REPLY_MAX);
    struct loopback_reply reply = {.body = BUF_INIT(LOOPBACK_REPLY_MAX)};
    bool ok = open_connection(&talk, request->address) && send_request(&talk, request) && read_all(&talk, &bytes);

    if (talk.fd >= 0)
        (void)close(talk.fd);
    if (!ok)
        return false;
    if (!read_reply(&bytes, &reply)) {
        buf_release(&reply.body);
        return fail(&talk, "bad_reply", "the answer is not whole");
    }
    *ret_reply = reply;
    return true;
}
