/* A list under a mutex. The one idea: whoever takes gets all that waits in one go, so under load batches grow by themselves and one
 * commit serves many requests; a second taker steps in when more waits than that is good for. The lock is held for a few pointer moves
 * only, never while anything waits or works. */
#include "server/queue.h"

#include <pthread.h>
#include <time.h>

#include "server/base/alloc.h"
#include "server/base/clock.h"

struct queue {
    struct queue_limits limits;

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* there is something to take, or the queue is closed */
    /* guarded by mutex */
    struct ingest_job *first;
    struct ingest_job *last;
    struct queue_limits size;
    int64_t since_us; /* the first has waited at most since then */
    unsigned busy;    /* takers that are not done */
    bool closed;
};

static size_t messages_of(const struct ingest_job *job)
{
    return job->n_messages + job->n_rejects;
}

struct queue *queue_new(const struct queue_limits *limits)
{
    struct queue *queue = mem_zalloc(sizeof *queue);
    pthread_condattr_t attr;

    queue->limits = *limits;
    ASSERT(pthread_mutex_init(&queue->mutex, NULL) == 0);
    ASSERT(pthread_condattr_init(&attr) == 0 && pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    ASSERT(pthread_cond_init(&queue->changed, &attr) == 0);
    (void)pthread_condattr_destroy(&attr);
    return queue;
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    ASSERT(!queue->first);
    (void)pthread_mutex_destroy(&queue->mutex);
    (void)pthread_cond_destroy(&queue->changed);
    free(queue);
}

static bool fits(const struct queue *queue, const struct ingest_job *job)
{
    if (queue->closed)
        return false;
    if (!queue->first)
        return true;
    return queue->size.messages + messages_of(job) <= queue->limits.messages && queue->size.bytes + job->bytes <= queue->limits.bytes;
}

bool queue_put(struct queue *queue, struct ingest_job *job)
{
    bool taken;

    pthread_mutex_lock(&queue->mutex);
    taken = fits(queue, job);
    if (taken) {
        bool was_empty = !queue->first;

        job->next = NULL;
        *(queue->first ? &queue->last->next : &queue->first) = job;
        queue->last = job;
        queue->size.messages += messages_of(job);
        queue->size.bytes += job->bytes;
        if (was_empty)
            queue->since_us = clock_mono_us();
        if (was_empty || !queue->busy || queue->size.messages >= QUEUE_SHARE_MESSAGES)
            pthread_cond_signal(&queue->changed);
    }
    pthread_mutex_unlock(&queue->mutex);
    return taken;
}

/* Cuts the list after as many jobs as fit into `most`. */
static struct ingest_job *cut(struct queue *queue, const struct queue_limits *most)
{
    struct ingest_job *first = queue->first, *job = first, *last = NULL;
    struct queue_limits sum = {0, 0};

    while (job) {
        sum.messages += messages_of(job);
        sum.bytes += job->bytes;
        if (last && (sum.messages > most->messages || sum.bytes > most->bytes))
            break;
        queue->size.messages -= messages_of(job);
        queue->size.bytes -= job->bytes;
        last = job;
        job = job->next;
    }
    queue->first = job;
    if (last)
        last->next = NULL;
    return first;
}

/* Is there something that is not better left to a taker who will be back soon? */
static bool is_ripe(const struct queue *queue, int64_t now_us)
{
    return queue->first && (!queue->busy || queue->closed || queue->size.messages >= QUEUE_SHARE_MESSAGES ||
                            now_us - queue->since_us >= QUEUE_SHARE_MS * US_PER_MS);
}

static void wait_until(struct queue *queue, int64_t until_us)
{
    int64_t ripe_us = queue->since_us + QUEUE_SHARE_MS * US_PER_MS, at_us = queue->first && ripe_us < until_us ? ripe_us : until_us;
    struct timespec at = {.tv_sec = at_us / US_PER_S, .tv_nsec = at_us % US_PER_S * 1000};

    (void)pthread_cond_timedwait(&queue->changed, &queue->mutex, &at);
}

struct ingest_job *queue_take(struct queue *queue, const struct queue_limits *most, unsigned timeout_ms)
{
    int64_t now_us = clock_mono_us(), until_us = now_us + (int64_t)timeout_ms * US_PER_MS;
    struct ingest_job *jobs = NULL;

    pthread_mutex_lock(&queue->mutex);
    while (!is_ripe(queue, now_us) && now_us < until_us && (queue->first || !queue->closed)) {
        wait_until(queue, until_us);
        now_us = clock_mono_us();
    }
    if (is_ripe(queue, now_us)) {
        jobs = cut(queue, most);
        queue->busy++;
        queue->since_us = now_us;
        if (queue->first)
            pthread_cond_signal(&queue->changed); /* for another writer */
    }
    pthread_mutex_unlock(&queue->mutex);
    return jobs;
}

void queue_done(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    ASSERT(queue->busy);
    queue->busy--;
    if (queue->first)
        pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->mutex);
}

bool queue_is_done(struct queue *queue)
{
    bool done;

    pthread_mutex_lock(&queue->mutex);
    done = queue->closed && !queue->first;
    pthread_mutex_unlock(&queue->mutex);
    return done;
}

struct queue_limits queue_size(struct queue *queue)
{
    struct queue_limits size;

    pthread_mutex_lock(&queue->mutex);
    size = queue->size;
    pthread_mutex_unlock(&queue->mutex);
    return size;
}
