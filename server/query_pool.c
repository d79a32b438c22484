/* Query threads. The one idea: a lane is a bounded queue and some threads that each own a connection; short queries never stand behind long ones, because
 * the lanes share nothing. A parked call costs a list entry: the quick threads wake for its deadline, and any move of the feed queues all that is parked
 * again (its admission was counted before, so it cannot be refused). A thread whose connection is gone tries again at most every half second, and meanwhile
 * runs its work without one, which answers 503. It knows nothing of HTTP. */
#include "server/query_pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "db/conn.h"
#include "server/base/alloc.h"
#include "server/base/clock.h"

enum { LANES = 2, QUICK_STATEMENT_MS = 10 * 1000, LONG_STATEMENT_MS = 10 * 60 * 1000 };
#define RECONNECT_US (500 * US_PER_MS)

struct queue {
    struct work *first;
    struct work **last;
    size_t n;
    pthread_cond_t more;
};

struct query_thread {
    struct query_pool *pool;
    enum lane lane;
    pthread_t thread;
    struct db *db; /* owned by the thread */
    int64_t next_connect_us;
};

struct query_pool {
    struct query_pool_config config;
    size_t n_threads;
    struct query_thread *threads;

    pthread_mutex_t mtx;
    /* guarded by mtx */
    struct queue queues[LANES];
    struct work *parked;
    size_t n_parked;
    int64_t next_deadline_us; /* of the parked; INT64_MAX: none */
    uint64_t moved;
    bool released;
    bool stopping;
};

static void push(struct query_pool *pool, struct work *work)
{
    struct queue *queue = &pool->queues[work->lane];

    work->next = NULL;
    *queue->last = work;
    queue->last = &work->next;
    queue->n++;
    pthread_cond_signal(&queue->more);
}

/* Queues what is parked and due by now_us; INT64_MAX: all. */
static void unpark(struct query_pool *pool, int64_t now_us)
{
    struct work **link = &pool->parked;

    if (pool->next_deadline_us > now_us)
        return;
    pool->next_deadline_us = INT64_MAX;
    while (*link) {
        struct work *work = *link;

        if (work->deadline_us <= now_us) {
            *link = work->next;
            pool->n_parked--;
            push(pool, work);
        } else {
            if (work->deadline_us < pool->next_deadline_us)
                pool->next_deadline_us = work->deadline_us;
            link = &work->next;
        }
    }
}

static void wait_for_work(struct query_pool *pool, enum lane lane)
{
    struct queue *queue = &pool->queues[lane];
    int64_t until_us = pool->next_deadline_us;
    struct timespec at = {.tv_sec = (time_t)(until_us / US_PER_S), .tv_nsec = (long)(until_us % US_PER_S * 1000)};

    if (lane == LANE_QUICK && pool->parked)
        (void)pthread_cond_timedwait(&queue->more, &pool->mtx, &at);
    else
        pthread_cond_wait(&queue->more, &pool->mtx);
    unpark(pool, clock_mono_us());
}

/* NULL: the pool stops and nothing waits. */
static struct work *take(struct query_pool *pool, enum lane lane)
{
    struct queue *queue = &pool->queues[lane];
    struct work *work;

    pthread_mutex_lock(&pool->mtx);
    unpark(pool, clock_mono_us());
    while (!queue->first && !pool->stopping)
        wait_for_work(pool, lane);
    work = queue->first;
    if (work) {
        queue->first = work->next;
        if (!queue->first)
            queue->last = &queue->first;
        queue->n--;
    }
    pthread_mutex_unlock(&pool->mtx);
    return work;
}

/* The thread's connection, or NULL when there is none to be had now. */
static struct db *reach(struct query_thread *thread)
{
    const struct db_gate *gate = thread->pool->config.gate;

    if (db_is_alive(thread->db))
        return thread->db;
    if (clock_mono_us() < thread->next_connect_us || (gate && !db_gate_is_open(gate)))
        return NULL;
    if (db_connect(thread->db) == DB_OK)
        return thread->db;
    thread->next_connect_us = clock_mono_us() + RECONNECT_US;
    return NULL;
}

static void *run_thread(void *context)
{
    struct query_thread *thread = context;
    struct work *work;

    (void)reach(thread); /* so that the first query does not wait for it */
    while ((work = take(thread->pool, thread->lane)) != NULL) {
        work->run(work, reach(thread));
        db_rollback(thread->db); /* whatever it left: the next one must not read in its snapshot */
    }
    return NULL;
}

static void start_thread(struct query_thread *thread, struct query_pool *pool, enum lane lane)
{
    struct db_config config = {.url = pool->config.url,
                               .role = lane == LANE_QUICK ? "query" : "export",
                               .statement_timeout_ms = lane == LANE_QUICK ? QUICK_STATEMENT_MS : LONG_STATEMENT_MS,
                               .wait_timeout_ms = lane == LANE_QUICK ? 2 * QUICK_STATEMENT_MS : LONG_STATEMENT_MS + QUICK_STATEMENT_MS,
                               .gate = pool->config.gate,
                               .clock = pool->config.clock};

    thread->pool = pool;
    thread->lane = lane;
    thread->db = db_new(&config);
    if (pthread_create(&thread->thread, NULL, run_thread, thread) != 0)
        BUG("no more threads");
}

struct query_pool *query_pool_start(const struct query_pool_config *config)
{
    struct query_pool *pool = mem_zalloc(sizeof *pool);
    pthread_condattr_t monotonic;

    pool->config = *config;
    pool->next_deadline_us = INT64_MAX;
    pool->n_threads = config->quick_threads + config->long_threads;
    pool->threads = mem_zalloc(pool->n_threads * sizeof *pool->threads);
    pthread_mutex_init(&pool->mtx, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    for (size_t i = 0; i < LANES; i++) {
        pthread_cond_init(&pool->queues[i].more, &monotonic);
        pool->queues[i].last = &pool->queues[i].first;
    }
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < pool->n_threads; i++)
        start_thread(&pool->threads[i], pool, i < config->quick_threads ? LANE_QUICK : LANE_LONG);
    return pool;
}

void query_pool_stop(struct query_pool *pool)
{
    pthread_mutex_lock(&pool->mtx);
    ASSERT(!pool->parked);
    pool->stopping = true;
    for (size_t i = 0; i < LANES; i++)
        pthread_cond_broadcast(&pool->queues[i].more);
    pthread_mutex_unlock(&pool->mtx);
    if (pool->config.gate)
        db_gate_break(pool->config.gate);
    for (size_t i = 0; i < pool->n_threads; i++) {
        pthread_join(pool->threads[i].thread, NULL);
        db_free(pool->threads[i].db);
    }
    for (size_t i = 0; i < LANES; i++)
        pthread_cond_destroy(&pool->queues[i].more);
    pthread_mutex_destroy(&pool->mtx);
    free(pool->threads);
    free(pool);
}

bool query_pool_submit(struct query_pool *pool, struct work *work)
{
    bool room;

    pthread_mutex_lock(&pool->mtx);
    room = pool->queues[work->lane].n < pool->config.queue_max && !pool->stopping;
    if (room)
        push(pool, work);
    pthread_mutex_unlock(&pool->mtx);
    return room;
}

uint64_t query_pool_moved(struct query_pool *pool)
{
    uint64_t moved;

    pthread_mutex_lock(&pool->mtx);
    moved = pool->moved;
    pthread_mutex_unlock(&pool->mtx);
    return moved;
}

bool query_pool_park(struct query_pool *pool, struct work *work, uint64_t seen, int64_t deadline_us)
{
    bool room;

    pthread_mutex_lock(&pool->mtx);
    room = !pool->released && pool->n_parked < pool->config.parked_max;
    if (room && pool->moved != seen) {
        push(pool, work);
    } else if (room) {
        work->deadline_us = deadline_us;
        work->next = pool->parked;
        pool->parked = work;
        pool->n_parked++;
        if (deadline_us < pool->next_deadline_us) {
            pool->next_deadline_us = deadline_us;
            pthread_cond_signal(&pool->queues[LANE_QUICK].more); /* an idle thread must wait for less */
        }
    }
    pthread_mutex_unlock(&pool->mtx);
    return room;
}

static void move(struct query_pool *pool, bool for_good)
{
    pthread_mutex_lock(&pool->mtx);
    pool->moved++;
    pool->released |= for_good;
    unpark(pool, INT64_MAX);
    pthread_mutex_unlock(&pool->mtx);
}

void query_pool_move(struct query_pool *pool)
{
    move(pool, false);
}

void query_pool_release(struct query_pool *pool)
{
    move(pool, true);
}

struct query_pool_stats query_pool_stats(struct query_pool *pool)
{
    struct query_pool_stats stats = {0};

    pthread_mutex_lock(&pool->mtx);
    for (size_t i = 0; i < LANES; i++)
        stats.waiting += pool->queues[i].n;
    stats.parked = pool->n_parked;
    pthread_mutex_unlock(&pool->mtx);
    return stats;
}
