/* One call on its way through the API, and the ways to answer it. A call belongs to the loop thread until it is handed over, then to the thread
 * that works on it; it lives as long as its request. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/api.h"
#include "api/collect/batch.h"
#include "api/problem.h"
#include "db/conn.h"
#include "server/base/err.h"
#include "server/base/json_scan.h"
#include "server/base/json_write.h"

enum face { FACE_COLLECT, FACE_MANAGE, FACE_OPERATE };

enum handled {
    HANDLED_ANSWERED,  /* a reply_… was called */
    HANDLED_ELSEWHERE, /* on the loop thread: run the handler again on a query thread */
    HANDLED_PARKED,    /* call_park: run the handler again when something has moved */
    HANDLED_LENT       /* somebody else answers, or a stream was begun and its request finished: the call must not be touched */
};

enum body_kind {
    BODY_NONE,
    BODY_JSON,   /* an object in application/json */
    BODY_PATCH,  /* the same, or in application/merge-patch+json */
    BODY_MEMBERS /* a file: application/x-ndjson or text/csv */
};

enum answer_type { TYPE_JSON, TYPE_NDJSON, TYPE_CSV, TYPE_TEXT, TYPE_EVENTS, TYPE_COUNT };

struct call;
typedef enum handled handler_fn(struct call *c);

struct route {
    const char *method; /* "GET" stands for HEAD, too */
    const char *path;   /* template, as in openapi.yaml */
    handler_fn *handler;
    enum face face;
    enum role role;    /* least role of the API key (manage face) */
    enum lane lane;    /* where the handler runs, a streamed form of its answer apart: LANE_LONG; operate: on the loop thread */
    const char *query; /* the query parameters it knows, parted by spaces; "page" stands for limit and cursor */
    enum body_kind body;
    const char *types; /* content types of the answer, parted by spaces, the first by default; NULL: application/json */
};

struct hook_certificates;
struct once;

/* Who keeps what a handler creates (once.c): is told the headers and the body of its 201. */
struct keeper {
    void (*header)(struct call *c, const char *name, const char *value);
    void (*body)(struct call *c, unsigned status, const struct buf *body);
};

struct call {
    struct request *rq;
    struct api *api;
    const struct ports *ports;
    const struct route *route; /* NULL: none fits */
    enum face face;            /* of the route, or of the path when only the method does not fit */
    struct route_match match;
    struct work work;
    struct db *db; /* while a query thread works on it */
    struct key key;
    uint8_t key_hash[KEY_HASH_SIZE]; /* of the last key that was looked up */
    enum answer_type type;           /* the form of the answer that was asked for */
    bool key_missed;                 /* it had a key that we did not know: look again after a reload */
    bool on_query_thread;
    bool no_wait;            /* a long poll must answer now with what there is */
    struct json body;        /* of BODY_JSON and BODY_PATCH: an object */
    uint64_t seen;           /* ports->moved before the handler read */
    int64_t wait_until_us;   /* of a long poll, monotonic; 0: not set yet */
    int64_t feed_place;      /* of a long poll after=latest: the end of the feed at its first look; -1: not looked yet */
    struct collect *collect; /* of the collect face: the body once it is checked, */
    const char *success;     /* what its success says, static JSON; NULL: {"success":true}, */
    enum sender sender;      /* and who sends there, where the path says it */
    void *kept;              /* a handler's own, between its runs; */
    void (*free_kept)(void *kept);
    const struct keeper *keeper; /* NULL: nobody */
    struct once *once;           /* of a call with an Idempotency-Key */
};

struct api {
    struct api_config config;
    struct ports ports;
    struct metrics *metrics;
    struct hook_certificates *certificates;
};

/* The n-th parameter of the path, decoded. */
const char *call_param(const struct call *c, size_t n);
/* Runs the handler again when something has moved since c->seen, or at until_us (monotonic). `return call_park(c, until_us);` */
enum handled call_park(struct call *c, int64_t until_us);

/* --- Answers; each is the whole answer and gives HANDLED_ANSWERED, so that a handler ends with `return answer_…` --- */

enum { ANSWER_MAX = 256 << 20 }; /* bytes of an answer that is not streamed: 1,000 members with large traits */

/* *json is emptied. */
enum handled answer_json(struct call *c, unsigned status, struct buf *json);
/* Does the client say, by If-None-Match, that it has the one with that ETag? */
bool answer_is_known(const struct call *c, const char *etag);
/* 200 with an ETag of the bytes, or 304 when the client knows them. *text is emptied, or still the caller's. */
enum handled answer_tagged(struct call *c, const char *content_type, struct buf *text);
/* Adds a header to the answer; before it. */
void answer_header(struct call *c, const char *name, const char *value);
/* 201 with a Location, a path. */
enum handled answer_created(struct call *c, const char *location, struct buf *json);
enum handled answer_empty(struct call *c, unsigned status);
/* The 1×1 GIF of a pixel's route, which is also its answer to any problem: a mail shows a broken image otherwise. */
bool answer_is_pixel(const struct call *c);
enum handled answer_pixel(struct call *c);
/* problem+json, or on the collect face its JSON superset. err may be NULL; its code, if any, takes the place of the problem's, its pointer and detail
 * are the one entry of `errors`. 413 and 503 get a Retry-After. */
enum handled answer_problem(struct call *c, enum problem problem, const struct err *err);
/* The same with a sentence and no pointer. */
enum handled answer_problem_detail(struct call *c, enum problem problem, const char *detail);
/* The same with a further member of the problem, JSON text. */
enum handled answer_problem_with(struct call *c, enum problem problem, const char *detail, const char *member, const char *json);
/* What a db_… that did not end with DB_OK means: DB_NONE not_found, DB_RETRY unavailable, DB_ERROR internal. */
enum handled answer_status(struct call *c, enum db_status status);
