/* The HTTP server: libmicrohttpd inside our own epoll loop, and the only place that knows it.
 *
 * One or more loop threads. All that touches a connection (suspend, resume, queueing an answer) happens on its loop thread; other threads
 * prepare an answer and hand the request back with request_finish. Two hooks see each request: `begin` when its head is in, `run` when its
 * body is complete, both on the loop thread, both must not block. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/base/proxies.h"

struct http;
struct request;

enum {
    HTTP_PARAMS_MAX = 4,        /* path parameters of one route */
    HTTP_BODY_DEFAULT = 4 << 20 /* bytes, decompressed (api.md) */
};

struct http_hooks {
    /* The head is in: choose the route, check what can be checked without the body, set the body's limit. May answer at once
     * (any reply_…): then the body is read and dropped and `run` is not called. */
    void (*begin)(struct request *rq, void *context);
    /* The body is whole: answer, or request_suspend and have another thread answer. */
    void (*run)(struct request *rq, void *context);
    /* A suspended request's deadline has passed: answer it now (503). What its owner answers later is dropped; its request_finish is still due.
     * Beware: the owner may be at work on the request at this moment, on its own thread. */
    void (*expired)(struct request *rq, void *context);
    /* The body could not be read: code "body_too_large", "bad_gzip", "bad_encoding", "head_too_large" (it is not even looked at), "bad_request" (nor
     * is it: the head is ambiguous, and what `begin` has answered is dropped), or "overloaded" (a 503: too many bodies are on their way in); answer it. */
    void (*bad_body)(struct request *rq, void *context, const char *code, const char *detail);
    /* An answer is complete and sent, or the client is gone (status 0): for metrics and the access log. */
    void (*done)(struct request *rq, void *context, unsigned status, int64_t took_us);
    void *context;
};

struct http_config {
    const char *listen;          /* "127.0.0.1:8080", "[::1]:0", "0.0.0.0:80"; port 0: the kernel chooses */
    unsigned loops;              /* loop threads, each a daemon on a dup of the one listening socket; 1 to 16 */
    unsigned connections;        /* most connections in all */
    unsigned connections_per_ip; /* 0: no limit */
    unsigned idle_timeout_s;     /* a connection without traffic, a head or body that does not come */
    struct proxies proxies;      /* whose X-Forwarded-For counts */
    size_t gzip_ratio_max;       /* decompressed : compressed, past the first MiB (say 200); 0: no limit */
};

/* Starts listening. NULL (logged) when the address is taken or wrong. hooks is copied. */
struct http *http_start(const struct http_config *config, const struct http_hooks *hooks) MUST_CHECK;
/* The port it listens on. */
unsigned http_port(const struct http *http);
/* No new connections; what runs is answered with `Connection: close`. Returns at once. */
void http_quiesce(struct http *http);
/* Waits up to timeout_ms for suspended requests to be answered, then answers the rest with `expired`, ends every loop and frees. */
void http_stop(struct http *http, unsigned timeout_ms);
/* Numbers for /metrics. */
struct http_stats {
    uint64_t connections; /* open now */
    uint64_t suspended;   /* requests waiting for another thread now */
};
struct http_stats http_stats(const struct http *http);

/* --- The request. Texts live as long as the request. --- */

const char *request_method(const struct request *rq);
const char *request_path(const struct request *rq); /* raw: percent-encoded as sent, without the query */
const char *request_id(const struct request *rq);   /* X-Request-Id: the client's if it is 1–128 of [A-Za-z0-9._-], else new */
const char *
request_address(const struct request *rq); /* the client's, IPv4 or IPv6, no port: the peer's, or behind trusted proxies what they say */
const char *request_header(const struct request *rq, const char *name); /* NULL when missing; case-insensitive */
const char *request_query(const struct request *rq, const char *name);  /* decoded; the first of that name; NULL when missing */
/* Calls fn with each query parameter, decoded, in order, until it returns false. */
void request_each_query(const struct request *rq, bool (*fn)(void *context, const char *name, const char *value), void *context);
const char *request_query_string(const struct request *rq); /* raw, without "?", "" when none */
int64_t request_started_us(const struct request *rq);       /* wall clock at the head's arrival */

/* The body, decompressed, NUL-terminated, "" when none; may be changed in place. */
char *request_body(struct request *rq, size_t *ret_len);
/* The same as malloc'd memory, the caller's; the request has none after. */
char *request_take_body(struct request *rq, size_t *ret_len);
/* In `begin`: the most bytes the body may have, decompressed (default HTTP_BODY_DEFAULT). */
void request_set_body_limit(struct request *rq, size_t bytes);

/* The application's own state: `begin` may set it; free_state (may be NULL) is called on it when the request ends. */
void request_set_state(struct request *rq, void *state, void (*free_state)(void *state));
void *request_state(const struct request *rq);

/* --- Waiting for another thread --- */

/* In `run`: the answer comes from elsewhere, in at most timeout_ms (0: no limit). The caller may pass the request to another thread before or after. */
void request_suspend(struct request *rq, unsigned timeout_ms);
/* Any thread: a reply_… was called (or reply_stream): send it. The request must not be touched after. */
void request_finish(struct request *rq);
/* The same for n requests with one wake-up of each loop. */
void request_finish_many(struct request *const *rqs, size_t n);
/* Any thread: has its deadline passed (somebody else answered), or is the client gone (seen within a second or two)? Work for it may be dropped;
 * request_finish is still due. A client that has only closed its sending side counts as gone, and would still get an answer. */
bool request_is_over(const struct request *rq);

/* --- Answers: one for a request, from `begin`, `run` or the thread that owns a suspended request --- */

/* Adds a header to the answer; before the reply_…. One that would make the answer's headers larger than 16 KiB is left out: it repeats what a client sent. */
void reply_header(struct request *rq, const char *name, const char *value);
/* Answers with the bytes of *body, which is emptied (its memory is taken). content_type may be NULL with an empty body. Over 1 KiB it is gzipped if the
 * client accepts that. HEAD sends no body. */
void reply_body(struct request *rq, unsigned status, const char *content_type, struct buf *body);
/* The same for static bytes, which are not copied nor gzipped. */
void reply_static(struct request *rq, unsigned status, const char *content_type, const void *bytes, size_t len);
void reply_empty(struct request *rq, unsigned status);

/* A streamed answer. The owner's thread begins it, calls request_finish, and then writes: stream_write blocks while the client is slow, and is false when the
 * client is gone or took nothing for 30 s. stream_end ends the answer (complete: false breaks the connection off so that the client notices) and frees.
 * A text is gzipped if the client accepts it, except text/event-stream: what is written there leaves at once. */
struct stream;
struct stream *reply_stream(struct request *rq, unsigned status, const char *content_type);
bool stream_write(struct stream *stream, const void *bytes, size_t len) MUST_CHECK;
/* How many bytes stream_write would take at once. For a writer that has other work than to wait. */
size_t stream_room(struct stream *stream);
void stream_end(struct stream *stream, bool complete);

/* --- Routing: pure --- */

struct route_match {
    size_t n_params;
    char *params[HTTP_PARAMS_MAX]; /* decoded, malloc'd; freed by route_match_release */
};
/* Does the raw path fit the template, such as "/v1/segments/{key}/members/{user_id}"? A parameter is one non-empty segment of the raw
 * path, decoded after the split (so %2F stays inside it); a trailing slash on the path is ignored. False on a bad escape, an encoded NUL
 * or text that is not UTF-8. */
bool route_match(const char *template, const char *path, struct route_match *ret_match) MUST_CHECK;
void route_match_release(struct route_match *match);
