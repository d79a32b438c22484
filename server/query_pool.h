/* The query threads, in two lanes, each thread with a connection of its own; and the calls that wait for the feed without a thread. */
#pragma once

#include <stddef.h>

#include "db/gate.h"
#include "server/base/ports.h"

struct query_pool;

struct query_pool_config {
    const char *url;      /* borrowed */
    struct db_gate *gate; /* borrowed; NULL: none */
    struct db_clock *clock;
    unsigned quick_threads;
    unsigned long_threads;
    size_t queue_max;  /* work that waits, in each lane */
    size_t parked_max; /* work that is parked */
};

/* Starts the threads, each of which connects by itself; config is copied. The caller's, to query_pool_stop. */
struct query_pool *query_pool_start(const struct query_pool_config *config);
/* Breaks the gate (all connections behind it), so that no statement is waited for; runs what is queued, without a database; ends the
 * threads. Nothing may be handed in any more; what is parked must have been released. */
void query_pool_stop(struct query_pool *pool);

/* Any thread; see server/base/ports.h. */
bool query_pool_submit(struct query_pool *pool, struct work *work) MUST_CHECK;
uint64_t query_pool_moved(struct query_pool *pool);
bool query_pool_park(struct query_pool *pool, struct work *work, uint64_t seen, int64_t deadline_us) MUST_CHECK;
/* The feed or the worker has moved: all that is parked runs again. */
void query_pool_move(struct query_pool *pool);
/* The same for good: from now on nothing can be parked. */
void query_pool_release(struct query_pool *pool);

struct query_pool_stats {
    size_t waiting;
    size_t parked;
};
/* Any thread. */
struct query_pool_stats query_pool_stats(struct query_pool *pool);
