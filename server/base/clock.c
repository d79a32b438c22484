/* The clocks. The stamp grows for each message of the process, so that (ts, received_at, message_id) keeps the order in
 * which messages arrived even within one batch (language.md, "Order"). Nothing here sleeps or waits, and nobody but
 * an edge of the program should ask: what decides by time takes the instant as an argument. */
#include "server/base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t id)
{
    struct timespec now;

    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

bool clock_passed(int64_t since_us, int64_t ms)
{
    return clock_mono_us() - since_us >= ms * US_PER_MS;
}

int64_t db_clock_now_us(const struct db_clock *clock)
{
    return clock_wall_us() + atomic_load(&clock->offset_us);
}

int64_t db_clock_stamp_us(struct db_clock *clock)
{
    int64_t last = atomic_load(&clock->last_us);

    for (;;) {
        int64_t now = db_clock_now_us(clock);
        int64_t stamp = now > last ? now : last + 1;

        if (atomic_compare_exchange_weak(&clock->last_us, &last, stamp))
            return stamp;
    }
}

void db_clock_set(struct db_clock *clock, int64_t db_us, int64_t wall_us)
{
    atomic_store(&clock->offset_us, db_us - wall_us);
}
