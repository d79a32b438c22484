/* The query threads: queues with a bound, lanes that do not wait for each other, and parked work. There is no database but for one test: work is run without
 * one, which is all that the pool promises then.
 * Every wait is for a condition, with a deadline. */
#include "server/query_pool.h"

#include <pthread.h>
#include <stddef.h>

#include "server/base/clock.h"
#include "tests/unit/db/store.h"

enum { QUEUE_MAX = 4, PARKED_MAX = 3 };
#define DEADLINE_S 60

struct task {
    struct work work;
    pthread_mutex_t mtx;
    pthread_cond_t changed;
    unsigned runs;
    bool hold; /* a run does not end before this is false */
};

static void run_task(struct work *work, struct db *db)
{
    struct task *task = (struct task *)((char *)work - offsetof(struct task, work));

    ck_assert_ptr_null(db);
    pthread_mutex_lock(&task->mtx);
    task->runs++;
    pthread_cond_broadcast(&task->changed);
    while (task->hold)
        pthread_cond_wait(&task->changed, &task->mtx);
    pthread_mutex_unlock(&task->mtx);
}

static void task_init(struct task *task, enum lane lane)
{
    *task = (struct task){.work = {.run = run_task, .lane = lane}};
    pthread_mutex_init(&task->mtx, NULL);
    pthread_cond_init(&task->changed, NULL);
}

static void wait_runs(struct task *task, unsigned runs)
{
    struct timespec until;
    int error = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += DEADLINE_S;
    pthread_mutex_lock(&task->mtx);
    while (task->runs < runs && !error)
        error = pthread_cond_timedwait(&task->changed, &task->mtx, &until);
    ck_assert_uint_eq(task->runs, runs);
    pthread_mutex_unlock(&task->mtx);
}

static void let_go(struct task *task)
{
    pthread_mutex_lock(&task->mtx);
    task->hold = false;
    pthread_cond_broadcast(&task->changed);
    pthread_mutex_unlock(&task->mtx);
}

static struct query_pool *start(void)
{
    static const struct query_pool_config config = {
        .url = "host=/nonexistent", .quick_threads = 1, .long_threads = 1, .queue_max = QUEUE_MAX, .parked_max = PARKED_MAX};

    return query_pool_start(&config);
}

static void stop(struct query_pool *pool)
{
    query_pool_release(pool);
    query_pool_stop(pool);
}

START_TEST(test_a_full_queue_refuses)
{
    struct query_pool *pool = start();
    struct task held, tasks[QUEUE_MAX + 1];

    task_init(&held, LANE_QUICK);
    held.hold = true;
    ck_assert(query_pool_submit(pool, &held.work));
    wait_runs(&held, 1);
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        task_init(&tasks[i], LANE_QUICK);
        ck_assert_int_eq(query_pool_submit(pool, &tasks[i].work), i < QUEUE_MAX);
    }
    ck_assert_uint_eq(query_pool_stats(pool).waiting, QUEUE_MAX);
    let_go(&held);
    for (size_t i = 0; i < QUEUE_MAX; i++)
        wait_runs(&tasks[i], 1);
    stop(pool);
}
END_TEST

START_TEST(test_lanes_do_not_wait_for_each_other)
{
    struct query_pool *pool = start();
    struct task slow, quick;

    task_init(&slow, LANE_LONG);
    task_init(&quick, LANE_QUICK);
    slow.hold = true;
    ck_assert(query_pool_submit(pool, &slow.work));
    wait_runs(&slow, 1);
    ck_assert(query_pool_submit(pool, &quick.work));
    wait_runs(&quick, 1);
    let_go(&slow);
    stop(pool);
}
END_TEST

START_TEST(test_a_move_runs_what_is_parked)
{
    struct query_pool *pool = start();
    struct task tasks[PARKED_MAX + 1];
    uint64_t seen = query_pool_moved(pool);
    int64_t later_us = clock_mono_us() + 3600 * US_PER_S;

    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        task_init(&tasks[i], i % 2 ? LANE_LONG : LANE_QUICK);
        ck_assert_int_eq(query_pool_park(pool, &tasks[i].work, seen, later_us), i < PARKED_MAX);
    }
    ck_assert_uint_eq(query_pool_stats(pool).parked, PARKED_MAX);
    query_pool_move(pool);
    for (size_t i = 0; i < PARKED_MAX; i++)
        wait_runs(&tasks[i], 1);
    ck_assert_uint_eq(query_pool_stats(pool).parked, 0);
    stop(pool);
}
END_TEST

START_TEST(test_a_move_before_the_parking_is_not_missed)
{
    struct query_pool *pool = start();
    uint64_t seen = query_pool_moved(pool);
    struct task task;

    task_init(&task, LANE_QUICK);
    query_pool_move(pool);
    ck_assert(query_pool_park(pool, &task.work, seen, clock_mono_us() + 3600 * US_PER_S));
    wait_runs(&task, 1);
    stop(pool);
}
END_TEST

START_TEST(test_a_deadline_runs_what_is_parked)
{
    struct query_pool *pool = start();
    struct task soon, late;
    int64_t now_us = clock_mono_us();

    task_init(&soon, LANE_QUICK);
    task_init(&late, LANE_QUICK);
    ck_assert(query_pool_park(pool, &late.work, query_pool_moved(pool), now_us + 3600 * US_PER_S));
    ck_assert(query_pool_park(pool, &soon.work, query_pool_moved(pool), now_us + 20 * US_PER_MS));
    wait_runs(&soon, 1);
    ck_assert(clock_mono_us() - now_us >= 20 * US_PER_MS);
    ck_assert_uint_eq(late.runs, 0);
    stop(pool);
    ck_assert_uint_eq(late.runs, 1); /* stopping lets it go */
}
END_TEST

START_TEST(test_nothing_is_parked_once_it_is_released)
{
    struct query_pool *pool = start();
    struct task task;

    task_init(&task, LANE_QUICK);
    query_pool_release(pool);
    ck_assert(!query_pool_park(pool, &task.work, query_pool_moved(pool), clock_mono_us() + US_PER_S));
    query_pool_stop(pool);
    ck_assert_uint_eq(task.runs, 0);
}
END_TEST

static void leave_open(struct work *work, struct db *db)
{
    struct task *task = (struct task *)((char *)work - offsetof(struct task, work));

    ck_assert_ptr_nonnull(db);
    ck_assert(!db_in_transaction(db));
    ck_assert_int_eq(db_begin(db, DB_REPEATABLE_READ_ONLY), DB_OK);
    pthread_mutex_lock(&task->mtx);
    task->runs++;
    pthread_cond_broadcast(&task->changed);
    pthread_mutex_unlock(&task->mtx);
}

START_TEST(test_a_transaction_left_open_is_not_the_next_ones)
{
    struct query_pool_config config = {.url = run_database(), .quick_threads = 1, .queue_max = QUEUE_MAX};
    struct query_pool *pool;
    struct task task;

    store_begin();
    pool = query_pool_start(&config);
    task_init(&task, LANE_QUICK);
    task.work.run = leave_open;
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert(query_pool_submit(pool, &task.work));
        wait_runs(&task, i);
    }
    stop(pool);
    store_end();
}
END_TEST

RUN_TESTS("query pool", test_a_full_queue_refuses, test_lanes_do_not_wait_for_each_other, test_a_move_runs_what_is_parked,
          test_a_move_before_the_parking_is_not_missed, test_a_deadline_runs_what_is_parked, test_nothing_is_parked_once_it_is_released,
          test_a_transaction_left_open_is_not_the_next_ones)
