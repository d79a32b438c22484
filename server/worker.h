/* The worker: the one thread that keeps every segment's members right (docs/architecture.md, "The worker"). Of several processes one leads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/clock.h"

struct worker;

struct worker_config {
    const char *url;        /* of the database; borrowed */
    struct db_gate *gate;   /* borrowed; NULL: none */
    struct db_clock *clock; /* measured at each connect; may be NULL */
    /* Both are called on the worker's thread, after a commit, and must not block; either may be NULL. */
    void (*changed)(void *context, int64_t max_seq); /* the feed has grown up to there: for long polls */
    void (*ticked)(void *context, int64_t as_of_us); /* members are right at as_of */
    void *context;
    unsigned audit_ms; /* one small audit in so many ms; 0: none */
};

/* Starts the thread; config is copied. It connects, leads when it may, and does so again whenever the database comes back. */
struct worker *worker_start(const struct worker_config *config);
/* Says that there may be something to do: after a commit of the writers, after a segment was saved. Any thread, from any state; cheap. */
void worker_wake(struct worker *worker);
/* Gives the lead back, joins the thread and frees. What still runs in the database after 5 s is broken off: the next leader does it again. */
void worker_stop(struct worker *worker);

/* Counters since the start, for /metrics. */
struct worker_stats {
    bool leads;
    int64_t as_of_us; /* of the last tick, 0: none yet */
    int64_t lag_us;   /* of the last tick that took something: from the writing of its oldest row to its commit */
    uint64_t ticks;
    uint64_t tick_us; /* in all */
    uint64_t tick_max_us;
    uint64_t touched;   /* pairs, facts and profiles taken from the queue */
    uint64_t evaluated; /* profiles × versions */
    uint64_t decided;   /* of these by names and times of events alone */
    uint64_t changes;   /* written to the feed by ticks */
    uint64_t builds;    /* versions that went live */
    uint64_t build_slices;
    uint64_t history_us;   /* spent on sizes from before a segment was there */
    uint64_t failed;       /* versions that failed */
    uint64_t set_aside;    /* profiles */
    uint64_t failed_ticks; /* rolled back */
    uint64_t audited;      /* profiles × versions compared */
    uint64_t drift;        /* of them different from a fresh evaluation: must stay 0 */
};
void worker_stats(struct worker *worker, struct worker_stats *ret_stats);
