/* The queue of the writers: bounds, batches, and how several takers share. */
#include "server/queue.h"

#include "server/base/alloc.h"
#include "tests/unit/run.h"

/* Of so many messages, whose content the queue does not look at. */
static struct ingest_job *new_job(size_t n)
{
    struct ingest_job *job = mem_zalloc(sizeof *job);

    job->n_messages = n;
    job->bytes = 100;
    return job;
}

START_TEST(test_queue_takes_all_that_waits)
{
    struct queue *queue = queue_new(&(struct queue_limits){.messages = 10, .bytes = 1000});
    const struct queue_limits most = {.messages = 6, .bytes = 1000};
    struct ingest_job *jobs[3], *taken;

    ck_assert_ptr_null(queue_take(queue, &most, 1));
    for (int i = 0; i < 3; i++) {
        jobs[i] = new_job(3);
        ck_assert(queue_put(queue, jobs[i]));
    }
    ck_assert(!queue_put(queue, jobs[0])); /* 12 messages */
    taken = queue_take(queue, &most, 0);
    ck_assert(taken == jobs[0] && taken->next == jobs[1] && !taken->next->next);
    ck_assert_uint_eq(queue_size(queue).messages, 3);
    queue_close(queue);
    ck_assert(!queue_put(queue, jobs[0]));
    ck_assert(!queue_is_done(queue));
    ck_assert(queue_take(queue, &most, 0) == jobs[2]);
    ck_assert(queue_is_done(queue));
    ck_assert_ptr_null(queue_take(queue, &most, 1000000)); /* closed: does not wait */
    queue_free(queue);
    for (int i = 0; i < 3; i++)
        ingest_job_free(jobs[i]);
}
END_TEST

START_TEST(test_a_second_taker_leaves_little_to_the_first)
{
    struct queue *queue = queue_new(&(struct queue_limits){.messages = 10000, .bytes = 1000000});
    const struct queue_limits most = {.messages = 10000, .bytes = 1000000};
    struct ingest_job *jobs[5];

    for (int i = 0; i < 5; i++)
        jobs[i] = new_job(i == 2 ? QUEUE_SHARE_MESSAGES : 1);
    ck_assert(queue_put(queue, jobs[0]));
    ck_assert(queue_take(queue, &most, 0) == jobs[0]);
    ck_assert(queue_put(queue, jobs[1]));
    ck_assert_ptr_null(queue_take(queue, &most, 0)); /* soon the first is back, */
    queue_done(queue);
    ck_assert(queue_take(queue, &most, 0) == jobs[1]); /* and takes it */
    ck_assert(queue_put(queue, jobs[2]));
    ck_assert(queue_take(queue, &most, 0) == jobs[2]); /* much: the second, too */
    ck_assert(queue_put(queue, jobs[3]));
    ck_assert(queue_take(queue, &most, 60 * 1000) == jobs[3]); /* both are long away: after QUEUE_SHARE_MS */
    ck_assert(queue_put(queue, jobs[4]));
    queue_close(queue);
    ck_assert(queue_take(queue, &most, 0) == jobs[4]);
    queue_free(queue);
    for (int i = 0; i < 5; i++)
        ingest_job_free(jobs[i]);
}
END_TEST

START_TEST(test_queue_bounds_bytes_but_takes_one_large)
{
    struct queue *queue = queue_new(&(struct queue_limits){.messages = 10, .bytes = 150});
    const struct queue_limits most = {.messages = 1, .bytes = 1};
    struct ingest_job *large = new_job(50), *other = new_job(1);

    large->bytes = 1000;
    ck_assert(queue_put(queue, large));
    ck_assert(!queue_put(queue, other));
    ck_assert(queue_take(queue, &most, 0) == large);
    queue_done(queue);
    ck_assert(queue_put(queue, other));
    ck_assert(queue_take(queue, &most, 0) == other);
    ck_assert_uint_eq(queue_size(queue).bytes, 0);
    queue_free(queue);
    ingest_job_free(large);
    ingest_job_free(other);
}
END_TEST

RUN_TESTS("queue", test_queue_takes_all_that_waits, test_a_second_taker_leaves_little_to_the_first,
          test_queue_bounds_bytes_but_takes_one_large)
