/* The writers: threads that take what waits in the queue and store it, many requests in one commit. */
#pragma once

#include "db/gate.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/message.h"
#include "server/base/attr.h"
#include "server/base/clock.h"
#include "server/queue.h"

struct writer;

/* Upper bounds, in ms, of the buckets of commit_bucket; the last bucket has none. */
enum { WRITER_BUCKETS = 12 };
extern const unsigned writer_bucket_ms[WRITER_BUCKETS - 1];

struct writer_config {
    const char *url;             /* the database's; borrowed, outlives the writer */
    struct db_gate *gate;        /* of its connections; borrowed; NULL: none */
    struct db_clock *clock;      /* as above; its offset is measured at each connect. May be NULL */
    unsigned threads;            /* 1 to WRITER_THREADS_MAX */
    struct queue_limits waiting; /* how much may wait before requests are turned away; 0: the defaults below */
    size_t names_max;            /* different event names of a source; 0: no limit */
    bool notify;                 /* tell other processes (NOTIFY cohortd_touched) when something was stored */

    /* On a writer thread, once for each job that was taken in: all jobs of a transaction at once, after its commit (or when it is given
     * up). The jobs are their owners' again. NULL: each job's own `done` is called. */
    void (*stored)(struct ingest_job *const *jobs, size_t n, enum ingest_result result, void *context);
    /* There is something new for the worker of this process. Any thread. NULL: there is none. */
    void (*wake_worker)(void *context);
    void *context; /* of both */
};

enum { WRITER_THREADS_MAX = 8, WRITER_WAITING_MESSAGES = 50000, WRITER_WAITING_BYTES = 128 << 20 };

/* Starts the threads. They connect by themselves, and again whenever the connection is lost; meanwhile jobs wait. config is copied. */
struct writer *writer_start(const struct writer_config *config) MUST_CHECK;
/* Takes the job in: `stored` (or its `done`) is called for it once, sooner or later. False at once when too much waits or the writer
 * stops: the job stays the caller's. */
bool writer_submit(struct writer *writer, struct ingest_job *job) MUST_CHECK;
/* Takes no more in, stores what waits for at most drain_ms, gives up the rest and ends the threads. A thread that still waits for the database a
 * second later has its gate broken. */
void writer_stop(struct writer *writer, unsigned drain_ms);
/* After writer_stop, when nobody submits any more. */
void writer_free(struct writer *writer);

struct writer_stats {
    uint64_t waiting_messages, waiting_bytes; /* now */
    uint64_t batches;                         /* committed, */
    uint64_t stored, duplicate, rejected;     /* messages in them */
    uint64_t unnamed;                         /* of the rejected: too_many_names */
    uint64_t given_up;                        /* jobs that were not stored */
    uint64_t retries;                         /* attempts that failed and were made again */
    uint64_t commit_us;                       /* from taking a batch to its commit: sum over batches, */
    uint64_t commit_bucket[WRITER_BUCKETS];   /* and how many took at most writer_bucket_ms (not cumulated) */
    bool connected;                           /* the last attempt reached the database */
};
/* Any thread. */
struct writer_stats writer_stats(struct writer *writer);
