/* What waits for the writers: a bounded queue of jobs, in order of arrival. Any thread may call any of these. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "db/message.h"
#include "server/base/attr.h"

struct queue;

struct queue_limits {
    size_t messages; /* rejects counted; more than these are not taken in, but one job always fits an empty queue */
    size_t bytes;    /* of the jobs' texts */
};

/* Empty; limits is copied. The caller's, to queue_free. */
struct queue *queue_new(const struct queue_limits *limits);
/* It must be empty, and nobody in queue_take. */
void queue_free(struct queue *queue);

/* Adds the job, which is the queue's until it is taken. False at once when the queue is full or closed: the job stays the caller's. */
bool queue_put(struct queue *queue, struct ingest_job *job) MUST_CHECK;
/* Takes everything that waits, up to `most` (but at least one job), as a list linked by `next`, the caller's, who is busy until
 * queue_done. Waits up to timeout_ms for something to come; while another taker is busy, for QUEUE_SHARE_MESSAGES or until something has
 * waited for QUEUE_SHARE_MS: one large transaction is cheaper than two small ones. NULL: nothing came, or the queue is closed and empty. */
enum { QUEUE_SHARE_MESSAGES = 500, QUEUE_SHARE_MS = 5 };
struct ingest_job *queue_take(struct queue *queue, const struct queue_limits *most, unsigned timeout_ms);
/* What was taken is done with. */
void queue_done(struct queue *queue);
/* Takes no more in; what waits can still be taken. Wakes all who wait. */
void queue_close(struct queue *queue);
/* Closed, and nothing left? */
bool queue_is_done(struct queue *queue);
/* What waits now. */
struct queue_limits queue_size(struct queue *queue);
