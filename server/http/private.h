/* What the files of server/http share; besides them only their tests include it.
 *
 * A request has two owners. The loop side lasts until libmicrohttpd reports the request completed; the answer side until whoever must
 * answer has called request_finish (for a request that was never suspended: until it completed). Each holds a reference, so a late answer,
 * a client gone and a resume before the suspend are all the same quiet case: the one who comes last frees. */
#pragma once

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <zlib.h>

#include "server/http/http.h"

enum {
    HTTP_LOOPS_MAX = 16,
    /* Memory of libmicrohttpd for one connection, zeroed after each request, and so resident from then on. What does not fit it the library
     * refuses in its own words, which a page of another origin cannot read: so it is far more than a head may have, HTTP_HEAD_MAX, past which
     * we refuse. Cookies count twice in it. */
    HTTP_POOL = 80 << 10,
    HTTP_HEAD_MAX = 24 << 10,
    HTTP_DROP_MAX = 16 << 20,         /* a body nobody wants is read and dropped up to here, so that its sender sees the answer */
    HTTP_BODIES_MAX = 512 << 20,      /* bytes of unfinished bodies one loop holds: connections times body limit would be far more */
    HTTP_READ_US = 60 * 1000 * 1000,  /* a head and its body must be in by then … */
    HTTP_READ_RATE = 64 << 10,        /* … and one second more for so many bytes of the body */
    HTTP_STALL_US = 30 * 1000 * 1000, /* a streamed answer whose client takes nothing for so long is given up */
    HTTP_STREAM_MAX = 256 << 10,      /* bytes a streamed answer holds for a slow client */
    HTTP_FLUSH_MS = 2000,             /* at the end: time for the last answers to leave */
    HTTP_WATCH_US = 1000 * 1000       /* clients that wait, and slow ones, are looked after so often */
};

/* --- A loop (loop.c): one thread, one daemon of libmicrohttpd --- */

struct loop {
    /* fixed before the thread starts */
    struct http_hooks hooks;
    struct http_config config;
    struct MHD_Daemon *daemon;
    int mhd_fd;
    int wake_fd;
    char id_prefix[17]; /* of the request ids it makes */
    pthread_t thread;   /* for who started it */

    /* any thread */
    _Atomic unsigned refs; /* its http and each of its requests */
    _Atomic bool draining;
    _Atomic uint64_t n_connections;
    _Atomic uint64_t n_suspended;
    _Atomic size_t n_body_bytes; /* held for bodies on their way in */
    _Atomic int64_t read_us;     /* HTTP_READ_US, less in tests */
    _Atomic int64_t stall_us;    /* HTTP_STALL_US, less in tests */
    _Atomic size_t bodies_max;   /* HTTP_BODIES_MAX, less in tests */

    /* guarded by mtx */
    pthread_mutex_t mtx;
    struct request *ready; /* to be resumed, oldest first; each entry holds a reference */
    struct request **ready_end;
    bool ended;         /* nothing is resumed any more */
    int64_t stop_at_us; /* 0: not asked to stop; monotonic */

    /* owned by the loop's thread */
    pthread_t self;           /* set first of all */
    int listen_fd;            /* -1 when quiesced */
    struct conn *conns;       /* all open connections */
    struct request *waiting;  /* all suspended requests */
    size_t active;            /* requests begun and not completed */
    int64_t next_tick_us;     /* when a deadline may be due next */
    int64_t next_watch_us;    /* when clients are looked after next */
    struct request *expiring; /* the request whose `expired` hook runs */
    bool ending;              /* nothing may be suspended any more */
    uint64_t n_ids;
};

/* A connection; owned by its loop's thread. */
struct conn {
    struct conn *prev, *next;
    int fd;
    int64_t deadline_us; /* the phase it is in must end by then, or it is broken off; 0: no such limit */
    char address[INET6_ADDRSTRLEN];
};

/* Takes over listen_fd. NULL (logged) when libmicrohttpd or the thread does not start. */
struct loop *loop_start(const struct http_config *config, const struct http_hooks *hooks, int listen_fd) MUST_CHECK;
void loop_quiesce(struct loop *loop);
/* Asks the thread to end, giving suspended requests until stop_at_us (monotonic). */
void loop_ask_stop(struct loop *loop, int64_t stop_at_us);
/* Waits for the thread and drops the reference of loop_start. */
void loop_join(struct loop *loop);
void loop_ref(struct loop *loop);
void loop_unref(struct loop *loop);
/* Any thread. Has each request resumed on its loop's thread, with one wake-up of each loop; the caller's reference of each passes on. */
void loop_ready(struct request *const *rqs, size_t n);
/* Loop thread: the request is suspended in libmicrohttpd from now on; deadline_us 0: none. */
void loop_suspend(struct loop *loop, struct request *rq, int64_t deadline_us);
/* Loop thread: back to libmicrohttpd, which asks for its answer in the next MHD_run. */
void loop_resume(struct loop *loop, struct request *rq);
bool loop_is_own_thread(const struct loop *loop);

/* The daemon of a loop (daemon.c): libmicrohttpd started on listen_fd with the options and callbacks we need; NULL when it does not start. */
struct MHD_Daemon *daemon_start(struct loop *loop) MUST_CHECK;

/* --- A body (body.c): pure, so that it can be fuzzed --- */

enum body_coding { BODY_PLAIN, BODY_GZIP, BODY_UNKNOWN };

struct body {
    struct buf bytes; /* decompressed; its max is the limit */
    enum body_coding coding;
    size_t ratio_max;
    uint64_t received; /* bytes as sent */
    bool inflating;    /* zip is initialised */
    bool member_ended; /* at the end of a gzip member */
    z_stream zip;
    const char *flaw;   /* static code: the rest is dropped; NULL: fine so far */
    const char *detail; /* static, beside flaw */
};

/* content_encoding may be NULL; length is that of Content-Length, or 0. */
void body_begin(struct body *body, const char *content_encoding, size_t limit, uint64_t length, size_t ratio_max);
void body_feed(struct body *body, const void *bytes, size_t len);
/* Drops what is there and all that follows. */
void body_refuse(struct body *body, const char *code, const char *detail);
/* The upload is over: false when it was flawed. */
bool body_end(struct body *body);
void body_release(struct body *body);

/* --- A request (request.c, head.c) --- */

struct pair {
    const char *name;
    const char *value;
};

/* An answer in the making: owned by who answers, then handed to the loop's thread. */
struct answer {
    struct MHD_Response *response; /* NULL: none yet */
    unsigned status;
    size_t len; /* bytes of its body; 0 for a stream */
    bool is_stream;
    struct buf headers; /* name NUL value NUL … */
};

enum request_stage { STAGE_HEAD, STAGE_BODY, STAGE_RUN, STAGE_ANSWERED };

struct text_block;

struct request {
    struct loop *loop;     /* holds a reference */
    _Atomic unsigned refs; /* loop side, answer side, each stream */
    _Atomic bool finished; /* request_finish was called */
    _Atomic bool over;     /* deadline passed or client gone */

    /* guarded by loop->mtx */
    struct request *next_ready;
    bool queued;

    /* owned by the loop's thread */
    enum request_stage stage;
    struct MHD_Connection *connection; /* NULL once completed */
    struct conn *conn;
    bool counted;       /* in loop->active: `begin` was called */
    bool asked_suspend; /* request_suspend was called in `run` */
    bool is_suspended;  /* in libmicrohttpd, and in loop->waiting */
    bool is_expired;    /* the answer is the one of the `expired` hook */
    bool delivered;     /* the answer side has given what it had */
    unsigned timeout_ms;
    unsigned status;     /* of the queued answer */
    int64_t deadline_us; /* while suspended; 0: none */
    int64_t begun_us;    /* monotonic */
    struct request *prev_waiting, *next_waiting;

    /* fixed once `begin` is called */
    const char *method;
    const char *path;
    const char *query_string;
    const char *query; /* decoded: name NUL value NUL … and an empty name */
    const char *id;
    const char *address;
    struct pair *headers;
    size_t n_headers;
    int64_t started_us;
    bool accepts_gzip;
    size_t head_bytes; /* of target and headers */

    /* loop's thread until `run`, then the answer side's */
    size_t body_limit;
    struct body body;
    void *state;
    void (*free_state)(void *state);
    struct answer answer;
    struct answer expired_answer; /* the loop thread's: its owner may be writing the other at the same time */

    /* loop's thread: memory of the texts above */
    struct text_block *blocks;
    size_t n_text;
    _Alignas(16) char text[1280];
};

/* The callbacks of libmicrohttpd; the closure is the loop. */
void *request_on_line(void *closure, const char *uri, struct MHD_Connection *connection);
enum MHD_Result request_on_data(void *closure, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                const char *data, size_t *data_len, void **request);
void request_on_completed(void *closure, struct MHD_Connection *connection, void **request, enum MHD_RequestTerminationCode why);

/* Any thread. The last reference frees it. */
void request_ref(struct request *rq);
void request_unref(struct request *rq);
/* Loop thread, or any once that has ended: the request comes off the ready list: its owner has finished it, or has more of a stream. */
void request_deliver(struct request *rq);
/* Loop thread: has the `expired` hook answer a suspended request, and resumes it. */
void request_expire(struct request *rq);

/* Memory that lives as long as the request; loop thread, before `run`. */
void *request_alloc(struct request *rq, size_t len, size_t align);
void request_free_texts(struct request *rq);
/* head.c: copy the request line and the head out of libmicrohttpd, whose memory ends with the connection. *ret_length is the
 * Content-Length, LENGTH_UNKNOWN for a chunked body, 0 without a body. False when two servers could read the head differently. */
#define LENGTH_UNKNOWN UINT64_MAX
void head_take_uri(struct request *rq, const char *uri);
bool head_take(struct request *rq, const char *method, const char *version, uint64_t *ret_length) MUST_CHECK;

/* --- Answers (reply.c, stream.c) --- */

/* Is an answer of that type worth gzipping? */
bool is_text(const char *content_type);
/* A gzip stream at the level of answers; NULL: no memory. */
z_stream *zip_new(void);
void zip_free(z_stream *zip);

/* The slot the caller answers into. */
struct answer *answer_of(struct request *rq);
void answer_drop(struct answer *answer);
/* Answers with static text. */
void answer_static(struct request *rq, struct answer *answer, unsigned status, const char *content_type, const char *text);
/* Completes the answer: adds the headers gathered so far, content_type (may be NULL) and X-Request-Id. */
void answer_set(struct request *rq, struct answer *answer, unsigned status, const char *content_type, struct MHD_Response *response);

/* --- Texts (router.c) --- */

/* Decodes %XX and, with plus, "+" to a space; ret_text holds len bytes and gets no NUL. Returns the length. A bad escape stays as it is and
 * is told by *ret_bad. */
size_t percent_decode(const char *text, size_t len, bool plus, char *ret_text, bool *ret_bad);
