/* Group commit. The one idea: a writer takes all that waits, stores it in one transaction, tells everybody, and takes what has come
 * meanwhile; nobody lingers, so one client alone waits for one commit and a thousand share it. A batch whose outcome is not known is
 * stored again until it is: doubles are found. Order within a client's requests is kept, for a client sends the next after the answer
 * to the last. What it does not do: deadlines of requests (http answers those; their jobs are stored all the same: a page that was
 * closed never asks again), deciding what is stored (db/ingest.c). */
#include "server/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "db/ingest.h"
#include "server/base/alloc.h"
#include "server/base/log.h"
#include "server/base/vec.h"

enum {
    BATCH_MESSAGES = 4000,  /* larger ones commit no more events a second, and their first request waits longer */
    BATCH_BYTES = 16 << 20, /* a few MB of parameters are built from them, twice */
    NOTIFY_EVERY_MS = 50,   /* each NOTIFY is a transaction of its own */
    IDLE_MS = 1000,
    WAIT_TIMEOUT_MS = 120000, /* for PostgreSQL to answer: a merge of MOVE_MAX events takes most of it on a slow machine */
    BACKOFF_FIRST_MS = 10,
    BACKOFF_LAST_MS = 2000
};

#define LATE_US US_PER_S /* past the drain, for the transaction that runs */

const unsigned writer_bucket_ms[WRITER_BUCKETS - 1] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000};

struct writer {
    struct writer_config config;
    struct queue *queue;
    pthread_t threads[WRITER_THREADS_MAX];
    _Atomic int64_t notified_us; /* the last NOTIFY, monotonic */

    pthread_mutex_t mutex;
    pthread_cond_t stopping; /* stop_us was set */
    /* guarded by mutex */
    int64_t stop_us; /* past it what waits is given up; INT64_MAX: not stopping */
    struct writer_stats stats;
};

/* Owned by one thread. */
struct hand {
    struct writer *writer;
    struct db *db;
    struct name_cache *names;
    VEC(struct ingest_job *) jobs; /* the batch */
    bool to_notify;
    unsigned backoff_ms;
    uint8_t jitter;
};

static void wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_us)
{
    struct timespec until = {.tv_sec = until_us / US_PER_S, .tv_nsec = until_us % US_PER_S * 1000};

    (void)pthread_cond_timedwait(condition, mutex, &until);
}

/* --- Counting --- */

static void count_batch(struct hand *hand, int64_t took_us)
{
    struct writer_stats *stats = &hand->writer->stats;
    size_t bucket = 0;

    while (bucket < WRITER_BUCKETS - 1 && took_us > (int64_t)writer_bucket_ms[bucket] * US_PER_MS)
        bucket++;
    pthread_mutex_lock(&hand->writer->mutex);
    stats->batches++;
    stats->commit_us += (uint64_t)took_us;
    stats->commit_bucket[bucket]++;
    for (size_t i = 0; i < hand->jobs.n; i++) {
        stats->stored += hand->jobs.at[i]->n_stored;
        stats->duplicate += hand->jobs.at[i]->n_duplicate;
        stats->rejected += hand->jobs.at[i]->n_rejected;
        stats->unnamed += hand->jobs.at[i]->n_unnamed;
    }
    pthread_mutex_unlock(&hand->writer->mutex);
}

/* --- Giving jobs back --- */

static void give_back(struct writer *writer, struct ingest_job *const *jobs, size_t n, enum ingest_result result)
{
    if (result == INGEST_UNAVAILABLE) {
        pthread_mutex_lock(&writer->mutex);
        writer->stats.given_up += n;
        pthread_mutex_unlock(&writer->mutex);
    }
    if (!n)
        return;
    if (writer->config.stored) {
        writer->config.stored(jobs, n, result, writer->config.context);
        return;
    }
    for (size_t i = 0; i < n; i++)
        jobs[i]->done(jobs[i], result);
}

/* --- Storing --- */

/* Before the next attempt: a while, growing, with jitter. False: it is time to give up. */
static bool back_off(struct hand *hand)
{
    struct writer *writer = hand->writer;
    int64_t until_us;
    bool go_on;

    random_bytes(&hand->jitter, sizeof hand->jitter);
    hand->backoff_ms = hand->backoff_ms ? hand->backoff_ms * 2 : BACKOFF_FIRST_MS;
    if (hand->backoff_ms > BACKOFF_LAST_MS)
        hand->backoff_ms = BACKOFF_LAST_MS;
    until_us = clock_mono_us() + (int64_t)hand->backoff_ms * US_PER_MS * (128 + hand->jitter) / 256;
    pthread_mutex_lock(&writer->mutex);
    writer->stats.retries++;
    while (clock_mono_us() < until_us && clock_mono_us() < writer->stop_us)
        wait_until(&writer->stopping, &writer->mutex, until_us < writer->stop_us ? until_us : writer->stop_us);
    go_on = clock_mono_us() < writer->stop_us;
    pthread_mutex_unlock(&writer->mutex);
    return go_on;
}

static bool reach(struct hand *hand)
{
    bool connected = db_connect(hand->db) == DB_OK;

    pthread_mutex_lock(&hand->writer->mutex);
    hand->writer->stats.connected = connected;
    pthread_mutex_unlock(&hand->writer->mutex);
    return connected;
}

static enum db_status attempt(struct hand *hand)
{
    if (!reach(hand))
        return DB_RETRY; /* a wrong password may be put right */
    return db_ingest(hand->db, hand->names, hand->jobs.at, hand->jobs.n);
}

static void tell_others(struct hand *hand)
{
    struct writer *writer = hand->writer;
    int64_t now_us = clock_mono_us(), last_us = atomic_load(&writer->notified_us);

    if (!hand->to_notify || now_us - last_us < NOTIFY_EVERY_MS * US_PER_MS)
        return;
    if (!atomic_compare_exchange_strong(&writer->notified_us, &last_us, now_us))
        return;
    hand->to_notify = false;
    if (db_ingest_notify(hand->db) != DB_OK)
        log_debug("others are not notified", ); /* they look every second by themselves */
}

static void stored(struct hand *hand, int64_t began_us)
{
    struct writer *writer = hand->writer;

    hand->backoff_ms = 0;
    hand->to_notify = writer->config.notify;
    count_batch(hand, clock_mono_us() - began_us);
    give_back(writer, hand->jobs.at, hand->jobs.n, INGEST_STORED);
    if (writer->config.wake_worker)
        writer->config.wake_worker(writer->config.context);
}

static bool is_past_stop(struct writer *writer)
{
    bool past;

    pthread_mutex_lock(&writer->mutex);
    past = clock_mono_us() >= writer->stop_us;
    pthread_mutex_unlock(&writer->mutex);
    return past;
}

/* The batch, until it is stored, or nobody waits for it, or it cannot be. */
static void store(struct hand *hand)
{
    int64_t began_us = clock_mono_us();

    for (;;) {
        enum db_status status;

        status = is_past_stop(hand->writer) ? DB_ERROR : attempt(hand);
        if (status == DB_OK) {
            stored(hand, began_us);
            return;
        }
        if (!back_off(hand) || status == DB_ERROR) {
            log_error("a batch is given up", LOG_FIELD("jobs", LOG_INT(hand->jobs.n)), );
            give_back(hand->writer, hand->jobs.at, hand->jobs.n, INGEST_UNAVAILABLE);
            return;
        }
    }
}

static void *run(void *context)
{
    static const struct queue_limits most = {.messages = BATCH_MESSAGES, .bytes = BATCH_BYTES};
    struct writer *writer = context;
    struct db_config config = {.url = writer->config.url,
                               .role = "writer",
                               .keyed = true,
                               .wait_timeout_ms = WAIT_TIMEOUT_MS,
                               .gate = writer->config.gate,
                               .clock = writer->config.clock};
    struct hand hand = {.writer = writer, .db = db_new(&config), .names = name_cache_new(writer->config.names_max)};

    db_gate_await(writer->config.gate);
    (void)reach(&hand); /* before the first request waits for it */
    while (!queue_is_done(writer->queue)) {
        struct ingest_job *job = queue_take(writer->queue, &most, hand.to_notify ? NOTIFY_EVERY_MS : IDLE_MS);

        vec_clear(&hand.jobs);
        for (; job; job = job->next)
            *VEC_ADD(&hand.jobs) = job;
        if (hand.jobs.n) {
            store(&hand);
            queue_done(writer->queue);
        }
        tell_others(&hand);
    }
    vec_free(&hand.jobs);
    name_cache_free(hand.names);
    db_free(hand.db);
    return NULL;
}

/* --- From outside --- */

struct writer *writer_start(const struct writer_config *config)
{
    struct writer *writer = mem_zalloc(sizeof *writer);
    pthread_condattr_t attr;

    ASSERT(config->threads >= 1 && config->threads <= WRITER_THREADS_MAX);
    writer->config = *config;
    if (!writer->config.waiting.messages)
        writer->config.waiting.messages = WRITER_WAITING_MESSAGES;
    if (!writer->config.waiting.bytes)
        writer->config.waiting.bytes = WRITER_WAITING_BYTES;
    writer->queue = queue_new(&writer->config.waiting);
    writer->stop_us = INT64_MAX;
    ASSERT(pthread_mutex_init(&writer->mutex, NULL) == 0);
    ASSERT(pthread_condattr_init(&attr) == 0 && pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(&writer->stopping, &attr) == 0);
    (void)pthread_condattr_destroy(&attr);
    for (unsigned i = 0; i < config->threads; i++)
        ASSERT(pthread_create(&writer->threads[i], NULL, run, writer) == 0);
    return writer;
}

bool writer_submit(struct writer *writer, struct ingest_job *job)
{
    return queue_put(writer->queue, job);
}

void writer_stop(struct writer *writer, unsigned drain_ms)
{
    pthread_mutex_lock(&writer->mutex);
    writer->stop_us = clock_mono_us() + (int64_t)drain_ms * US_PER_MS;
    pthread_cond_broadcast(&writer->stopping);
    pthread_mutex_unlock(&writer->mutex);
    queue_close(writer->queue);
    for (unsigned i = 0; i < writer->config.threads; i++)
        db_gate_join(writer->config.gate, writer->threads[i], writer->stop_us + LATE_US);
}

void writer_free(struct writer *writer)
{
    queue_free(writer->queue);
    (void)pthread_mutex_destroy(&writer->mutex);
    (void)pthread_cond_destroy(&writer->stopping);
    free(writer);
}

struct writer_stats writer_stats(struct writer *writer)
{
    struct queue_limits waiting = queue_size(writer->queue);
    struct writer_stats stats;

    pthread_mutex_lock(&writer->mutex);
    stats = writer->stats;
    pthread_mutex_unlock(&writer->mutex);
    stats.waiting_messages = waiting.messages;
    stats.waiting_bytes = waiting.bytes;
    return stats;
}
