/* What api/ asks of the process: server/ implements it (app.c), tests give their own. The API knows no thread, queue or connection
 * beyond this. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "server/base/attr.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/id.h"

struct app;
struct db;
struct ingest_job;

/* Of a key, in rising order: admin may do what read may. A write key can only send. */
enum role { ROLE_NONE, ROLE_WRITE, ROLE_READ, ROLE_ADMIN };

/* What a source does with requests that carry Global Privacy Control or Do Not Track. */
enum privacy {
    PRIVACY_IGNORE,
    PRIVACY_FIRST_PARTY, /* stored, with consent to third parties denied */
    PRIVACY_DROP         /* not stored */
};

/* What a key that was shown to us is worth. */
struct key {
    enum role role;
    int32_t source_id; /* of a write key, else 0 */
    bool origin_ok;    /* the browser's origin, if any, may send to its source */
    enum privacy privacy;
};

/* Where a query runs: short ones, which a person or a poller waits for, never stand behind long ones (exports, verification). */
enum lane { LANE_QUICK, LANE_LONG };

/* A piece of work for a query thread; embedded in its owner's struct. */
struct work {
    /* On a query thread, once for each hand-over. db is connected and outside any transaction, and must be left so; NULL: the database cannot be
     * reached now. The work is its owner's again as soon as run is called. */
    void (*run)(struct work *work, struct db *db);
    enum lane lane;
    struct work *next;   /* the queue's */
    int64_t deadline_us; /* the parking's: monotonic */
};

struct server_stats {
    uint64_t ingest_waiting; /* messages in the writers' queue */
    uint64_t ingest_bytes;
    uint64_t queries_waiting;
    uint64_t parked; /* calls that wait for the feed */
};

struct ports {
    struct app *app; /* passed back to each of the functions below; all may be called by any thread, none of them blocks */

    /* Queues a job for the writers, which call job->done. False: the queue is full and the job still the caller's. */
    bool (*ingest)(struct app *app, struct ingest_job *job);
    /* Queues work for its lane's threads. False: the queue is full. */
    bool (*query)(struct app *app, struct work *work);

    /* How often the feed or the worker has moved. To wait for the next move without missing one: ask moved, then read, then park with what was asked. */
    uint64_t (*moved)(struct app *app);
    /* Queues the work again (for its lane) at the first move after `seen`, or at deadline_us (monotonic), or when the process stops. False: too many wait. */
    bool (*park)(struct app *app, struct work *work, uint64_t seen, int64_t deadline_us);

    /* Looks the SHA-256 of a key up; origin may be NULL. False: unknown or revoked, as far as this process knows. */
    bool (*find_key)(struct app *app, const uint8_t hash[KEY_HASH_SIZE], const char *origin, struct key *ret_key);
    /* Reads the keys again, at most 20 times a second. On a query thread; this one waits for the database. False: the database failed. */
    bool (*reload_keys)(struct app *app, struct db *db);
    /* We have changed a key or its source: reads the keys again at once. On a query thread. */
    void (*keys_changed)(struct app *app, struct db *db);

    /* GETs an https URL into *body, at most its maximum, without redirects, within 5 s. False: anything but a 200. Blocks: on a long query thread only. */
    bool (*fetch)(struct app *app, const char *url, struct buf *body);

    /* Why the process cannot serve now, a short text; NULL: it can. */
    const char *(*not_ready)(struct app *app);
    void (*stats)(struct app *app, struct server_stats *ret_stats);
    /* Appends the process's own numbers as Prometheus text. */
    void (*metrics)(struct app *app, struct buf *text);

    struct db_clock *clock;
};
