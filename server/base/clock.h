/* Instants are int64 microseconds since 1970-01-01T00:00:00Z, everywhere. Code that decides by time takes the
 * instant as an argument; only the edges ask a clock. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define US_PER_MS INT64_C(1000)
#define US_PER_S  INT64_C(1000000)

/* The wall clock, and a clock that never goes back (for deadlines). Any thread. */
int64_t clock_wall_us(void);
int64_t clock_mono_us(void);
/* Have so many ms passed since an instant of the monotonic clock? */
bool clock_passed(int64_t since_us, int64_t ms);

/* Our estimate of the database's clock: our wall clock plus an offset measured at connect and each minute, so that it is not ahead. One for
 * the process, shared by its threads. Exactness does not rest on it (docs/exactness.md): it only keeps client times
 * from being stored in the future. */
struct db_clock {
    _Atomic int64_t offset_us;
    _Atomic int64_t last_us; /* the newest receivedAt given out */
};

/* Now by the database's clock, as estimated. Any thread. */
int64_t db_clock_now_us(const struct db_clock *clock);
/* As above, but each call gives at least 1 µs more than the one before, over all threads: a message's receivedAt. */
int64_t db_clock_stamp_us(struct db_clock *clock);
/* Notes that the database said db_us at our wall instant wall_us. */
void db_clock_set(struct db_clock *clock, int64_t db_us, int64_t wall_us);
