/* The estimate of the database's clock: it follows the offset, and a stamp is never given twice, whatever clocks do. */
#include "server/base/clock.h"

#include <pthread.h>

#include "tests/unit/run.h"

enum { THREADS = 4, STAMPS = 20000 };

START_TEST(test_follows_the_database)
{
    struct db_clock clock = {0};
    int64_t before = clock_wall_us();

    db_clock_set(&clock, before + 3600 * US_PER_S, before);
    ck_assert_int_ge(db_clock_now_us(&clock), before + 3600 * US_PER_S);
    ck_assert_int_le(db_clock_now_us(&clock), clock_wall_us() + 3600 * US_PER_S);
    ck_assert_int_ge(db_clock_stamp_us(&clock), before + 3600 * US_PER_S);
}
END_TEST

START_TEST(test_stamps_grow_when_the_clock_goes_back)
{
    struct db_clock clock = {0};
    int64_t first = db_clock_stamp_us(&clock);

    db_clock_set(&clock, 0, 3600 * US_PER_S);
    ck_assert_int_eq(db_clock_stamp_us(&clock), first + 1);
    ck_assert_int_eq(db_clock_stamp_us(&clock), first + 2);
}
END_TEST

struct taker {
    struct db_clock *clock;
    int64_t stamps[STAMPS];
};

static void *take_stamps(void *context)
{
    struct taker *taker = context;

    for (int i = 0; i < STAMPS; i++)
        taker->stamps[i] = db_clock_stamp_us(taker->clock);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

START_TEST(test_no_two_threads_get_the_same_stamp)
{
    static struct taker takers[THREADS];
    static int64_t all[THREADS * STAMPS];
    struct db_clock clock = {0};
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++) {
        takers[i].clock = &clock;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_stamps, &takers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        for (int k = 0; k < STAMPS; k++) {
            ck_assert(k == 0 || takers[i].stamps[k] > takers[i].stamps[k - 1]);
            all[i * STAMPS + k] = takers[i].stamps[k];
        }
    }
    qsort(all, THREADS * STAMPS, sizeof all[0], compare);
    for (int i = 1; i < THREADS * STAMPS; i++)
        ck_assert_int_gt(all[i], all[i - 1]);
}
END_TEST

RUN_TESTS("clock", test_follows_the_database, test_stamps_grow_when_the_clock_goes_back, test_no_two_threads_get_the_same_stamp)
