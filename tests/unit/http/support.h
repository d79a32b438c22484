/* What the tests of server/http share: an application whose routes do one thing each, a thread that answers what it suspends, and a
 * client that sends raw bytes and reads answers. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/http/http.h"
#include "tests/unit/run.h"

enum { PATIENCE_MS = 60000, JOBS_MAX = 4096 };

/* --- The application --- */

struct app {
    struct http *http;
    unsigned port;
    pthread_t worker;
    pthread_mutex_t mtx;
    pthread_cond_t changed;
    /* guarded by mtx */
    struct request *jobs[JOBS_MAX]; /* suspended requests, for the worker */
    size_t n_jobs;
    bool hold; /* the worker lets them lie */
    bool stop;
    unsigned n_done, n_gone, n_expired, n_run, n_freed;
    unsigned last_status;
    void (*work)(struct app *app, struct request *rq); /* how the worker answers; NULL: echo */
};

static inline void app_lock(struct app *app)
{
    (void)pthread_mutex_lock(&app->mtx);
}

static inline void app_unlock(struct app *app)
{
    (void)pthread_cond_broadcast(&app->changed);
    (void)pthread_mutex_unlock(&app->mtx);
}

static inline struct timespec deadline_in(int64_t ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return until;
}

/* Waits until *value, guarded by mtx, is at least n. */
static inline void app_wait(struct app *app, const unsigned *value, unsigned n)
{
    struct timespec until = deadline_in(PATIENCE_MS);
    int error = 0;

    app_lock(app);
    while (*value < n && !error)
        error = pthread_cond_timedwait(&app->changed, &app->mtx, &until);
    ck_assert_msg(!error, "waited in vain for %u, have %u", n, *value);
    app_unlock(app);
}

/* The value, read as its guard asks. */
static inline unsigned app_count(struct app *app, const unsigned *value)
{
    unsigned n;

    app_lock(app);
    n = *value;
    app_unlock(app);
    return n;
}

static inline void app_wait_jobs(struct app *app, size_t n)
{
    struct timespec until = deadline_in(PATIENCE_MS);
    int error = 0;

    app_lock(app);
    while (app->n_jobs < n && !error)
        error = pthread_cond_timedwait(&app->changed, &app->mtx, &until);
    ck_assert_msg(!error, "waited in vain for %zu jobs", n);
    app_unlock(app);
}

/* From now on it lets requests lie. */
static inline void app_hold(struct app *app)
{
    app_lock(app);
    app->hold = true;
    app_unlock(app);
}

/* Lets the worker answer. */
static inline void app_release(struct app *app)
{
    app_lock(app);
    app->hold = false;
    app_unlock(app);
}

static inline void app_wait_suspended(const struct app *app, uint64_t n)
{
    int64_t until_us = clock_mono_us() + PATIENCE_MS * US_PER_MS;

    while (http_stats(app->http).suspended != n && clock_mono_us() < until_us)
        (void)poll(NULL, 0, 1);
    ck_assert_uint_eq(http_stats(app->http).suspended, n);
}

static inline void app_wait_connections(const struct app *app, uint64_t n)
{
    int64_t until_us = clock_mono_us() + PATIENCE_MS * US_PER_MS;

    while (http_stats(app->http).connections != n && clock_mono_us() < until_us)
        (void)poll(NULL, 0, 1);
    ck_assert_uint_eq(http_stats(app->http).connections, n);
}

static inline void echo(struct request *rq)
{
    struct buf body = BUF_INIT(64 << 20);
    size_t len;
    const char *bytes = request_body(rq, &len);

    buf_add(&body, bytes, len);
    reply_body(rq, 200, "application/octet-stream", &body);
}

static inline void *app_work(void *context)
{
    struct app *app = context;
    struct request *jobs[JOBS_MAX];
    size_t n;

    app_lock(app);
    for (;;) {
        while (!app->stop && (app->hold || !app->n_jobs))
            (void)pthread_cond_wait(&app->changed, &app->mtx);
        if (app->stop && !app->n_jobs)
            break;
        n = app->n_jobs;
        memcpy(jobs, app->jobs, n * sizeof *jobs);
        app->n_jobs = 0;
        app_unlock(app);
        for (size_t i = 0; i < n; i++)
            (app->work ? app->work(app, jobs[i]) : echo(jobs[i]));
        if (!app->work)
            request_finish_many(jobs, n);
        app_lock(app);
    }
    app_unlock(app);
    return NULL;
}

static inline void app_push(struct app *app, struct request *rq)
{
    app_lock(app);
    ck_assert_uint_lt(app->n_jobs, JOBS_MAX);
    app->jobs[app->n_jobs++] = rq;
    app_unlock(app);
}

static inline bool starts_with(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

/* /limit/N…, /refuse… (answered in begin). */
static inline void app_begin(struct request *rq, void *context)
{
    const char *path = request_path(rq);

    (void)context;
    if (starts_with(path, "/limit/"))
        request_set_body_limit(rq, strtoul(path + 7, NULL, 10));
    if (starts_with(path, "/refuse"))
        reply_static(rq, 401, "text/plain", "no", 2);
}

static inline bool add_query(void *context, const char *name, const char *value)
{
    buf_addf(context, "[%s]=[%s] ", name, value);
    return true;
}

/* What the request looks like, as text. */
static inline void show(struct request *rq)
{
    struct buf body = BUF_INIT(1 << 20);
    const char *probe = request_header(rq, "x-probe");
    const char *query = request_query(rq, "a");

    buf_addf(&body, "method=%s\npath=%s\nquery=%s\naddress=%s\nprobe=%s\na=%s\nall=", request_method(rq), request_path(rq),
             request_query_string(rq), request_address(rq), probe ? probe : "(none)", query ? query : "(none)");
    request_each_query(rq, add_query, &body);
    buf_addf(&body, "\n");
    reply_header(rq, "X-Show", "yes");
    reply_body(rq, 200, "text/plain", &body);
}

static inline void big(struct request *rq)
{
    struct buf body = BUF_INIT(1 << 20);

    for (int i = 0; i < 2000; i++)
        buf_addf(&body, "{\"n\":%d},\n", i);
    reply_body(rq, 200, request_query(rq, "type") ? request_query(rq, "type") : "application/json", &body);
}

/* /later… suspends (?timeout=ms); /before passes the request on before it is suspended; all else is answered at once. */
static inline void app_run(struct request *rq, void *context)
{
    struct app *app = context;
    const char *path = request_path(rq);
    const char *timeout = request_query(rq, "timeout");

    if (starts_with(path, "/later")) {
        request_suspend(rq, timeout ? (unsigned)strtoul(timeout, NULL, 10) : 60000);
        app_push(app, rq);
    } else if (starts_with(path, "/before")) {
        echo(rq);
        request_finish(rq);
        request_suspend(rq, 60000);
    } else if (starts_with(path, "/show")) {
        show(rq);
    } else if (starts_with(path, "/big")) {
        big(rq);
    } else if (starts_with(path, "/empty")) {
        reply_empty(rq, 204);
    } else if (starts_with(path, "/silent")) {
        (void)rq;
    } else {
        echo(rq);
    }
    app_lock(app);
    app->n_run++;
    app_unlock(app);
}

static inline void app_expired(struct request *rq, void *context)
{
    struct app *app = context;

    reply_header(rq, "Retry-After", "1");
    reply_static(rq, 503, "text/plain", "expired", 7);
    app_lock(app);
    app->n_expired++;
    app_unlock(app);
}

static inline void app_bad_body(struct request *rq, void *context, const char *code, const char *detail)
{
    struct buf body = BUF_INIT(1024);

    (void)context;
    ck_assert_uint_gt(strlen(detail), 0);
    buf_add_text(&body, code);
    reply_body(rq, 400, "text/plain", &body);
}

static inline void app_done(struct request *rq, void *context, unsigned status, int64_t took_us)
{
    struct app *app = context;

    ck_assert_int_ge(took_us, 0);
    ck_assert_ptr_nonnull(request_path(rq));
    app_lock(app);
    app->n_done++;
    app->n_gone += !status;
    app->last_status = status;
    app_unlock(app);
}

static inline struct http_config test_config(void)
{
    return (struct http_config){.listen = "127.0.0.1:0", .loops = 1, .connections = 2000, .idle_timeout_s = 30, .gzip_ratio_max = 200};
}

static inline struct http_hooks test_hooks(struct app *app)
{
    return (struct http_hooks){
        .begin = app_begin, .run = app_run, .expired = app_expired, .bad_body = app_bad_body, .done = app_done, .context = app};
}

static inline void app_start_with(struct app *app, const struct http_config *config, const struct http_hooks *hooks)
{
    *app = (struct app){.hold = false};
    (void)pthread_mutex_init(&app->mtx, NULL);
    (void)pthread_cond_init(&app->changed, NULL);
    ck_assert(!pthread_create(&app->worker, NULL, app_work, app));
    app->http = http_start(config, hooks);
    ck_assert_ptr_nonnull(app->http);
    app->port = http_port(app->http);
}

static inline void app_start(struct app *app, const struct http_config *config)
{
    struct http_hooks hooks = test_hooks(app);

    app_start_with(app, config, &hooks);
}

static inline void app_stop_worker(struct app *app)
{
    app_lock(app);
    app->stop = true;
    app->hold = false;
    app_unlock(app);
    (void)pthread_join(app->worker, NULL);
}

static inline void app_stop(struct app *app)
{
    http_stop(app->http, 5000);
    app_stop_worker(app);
    (void)pthread_cond_destroy(&app->changed);
    (void)pthread_mutex_destroy(&app->mtx);
}

/* --- The client --- */

/* A connection, or -1 when it is refused. */
static inline int client_try(const struct app *app)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)app->port)};
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_ge(fd, 0);
    ck_assert(!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
    if (!connect(fd, (struct sockaddr *)&address, sizeof address))
        return fd;
    (void)close(fd);
    return -1;
}

static inline int client_open(const struct app *app)
{
    int fd = client_try(app);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static inline void client_send_bytes(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

        ck_assert_msg(n > 0, "send: %s", strerror(errno));
        at += n;
        len -= (size_t)n;
    }
}

static inline void client_send(int fd, const char *text)
{
    client_send_bytes(fd, text, strlen(text));
}

struct reply {
    struct buf bytes; /* all that was read */
    unsigned status;
    size_t head_len;
    const char *body; /* inside bytes; of a chunked answer the chunks as they came */
    size_t body_len;
};

static inline void reply_release(struct reply *reply)
{
    buf_release(&reply->bytes);
}
#define AUTO_REPLY CLEANUP(reply_release)

/* The value of a header, cut at its line's end, in a static buffer; NULL when missing. */
static inline const char *reply_get(const struct reply *reply, const char *name)
{
    static char value[1024];
    const char *line = reply->bytes.data;
    size_t len = strlen(name);

    while (line && line < reply->bytes.data + reply->head_len) {
        if (!strncasecmp(line, name, len) && line[len] == ':') {
            line += len + 1 + strspn(line + len + 1, " ");
            (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(line, "\r"), line);
            return value;
        }
        line = strstr(line, "\r\n");
        line = line ? line + 2 : NULL;
    }
    return NULL;
}

/* Reads some more; 0 at the end. */
static inline size_t read_more(int fd, struct buf *buf)
{
    char *room = buf_room(buf, 64 << 10);
    ssize_t n;

    ck_assert_ptr_nonnull(room);
    n = recv(fd, room, 64 << 10, 0);
    ck_assert_msg(n >= 0 || errno == ECONNRESET, "recv: %s", strerror(errno));
    buf_added(buf, n > 0 ? (size_t)n : 0);
    return n > 0 ? (size_t)n : 0;
}

/* Reads one answer with a Content-Length (or without a body) and leaves nothing unread beyond it; *carry holds what came after it. */
static inline struct reply client_read_carry(int fd, bool head_only, struct buf *carry)
{
    struct reply reply = {.bytes = BUF_INIT(64 << 20)};
    const char *end, *length;

    buf_add(&reply.bytes, buf_text(carry), carry->len);
    buf_clear(carry);
    while (!(end = strstr(buf_text(&reply.bytes), "\r\n\r\n")))
        if (!read_more(fd, &reply.bytes))
            return reply;
    reply.head_len = (size_t)(end + 4 - reply.bytes.data);
    reply.status = (unsigned)strtoul(reply.bytes.data + 9, NULL, 10);
    length = reply_get(&reply, "Content-Length");
    reply.body_len = length && !head_only ? strtoul(length, NULL, 10) : 0;
    while (reply.bytes.len < reply.head_len + reply.body_len)
        if (!read_more(fd, &reply.bytes))
            break;
    if (reply.bytes.len > reply.head_len + reply.body_len) {
        buf_add(carry, reply.bytes.data + reply.head_len + reply.body_len, reply.bytes.len - reply.head_len - reply.body_len);
        reply.bytes.len = reply.head_len + reply.body_len;
    }
    reply.body = reply.bytes.data + reply.head_len;
    return reply;
}

static inline struct reply client_read(int fd)
{
    struct buf carry = BUF_INIT(1 << 20);
    struct reply reply = client_read_carry(fd, false, &carry);

    ck_assert_msg(!carry.len, "more than an answer: %s", buf_text(&carry));
    buf_release(&carry);
    return reply;
}

/* Has the server closed the connection (nothing more to read)? */
static inline bool client_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, 0) <= 0;
}

static inline bool body_is(const struct reply *reply, const char *text)
{
    return reply->body_len == strlen(text) && !memcmp(reply->body, text, reply->body_len);
}

/* Sends one request on a new connection and reads the answer. */
static inline struct reply ask(const struct app *app, const char *text)
{
    int fd = client_open(app);
    struct reply reply;

    client_send(fd, text);
    reply = client_read(fd);
    (void)close(fd);
    return reply;
}
