/* When something happened. The one idea: a client whose sentAt is near our clock is believed to the microsecond; one whose clock is off
 * is shifted by a whole number of minutes, so that the network's jitter does not disturb the order of a device's own events. Nothing is
 * stored later than the database's clock. Which timestamps are refused is message.c's to say. */
#include "api/collect/when.h"

#include "server/base/clock.h"

#define TRUSTED_US (60 * US_PER_S)
#define MINUTE_US  (60 * US_PER_S)

/* To the nearest minute, halves away from zero. */
static int64_t whole_minutes(int64_t us)
{
    int64_t half = us < 0 ? -MINUTE_US / 2 : MINUTE_US / 2;

    return (us + half) / MINUTE_US * MINUTE_US;
}

int64_t when_stored(int64_t own_us, int64_t sent_us, int64_t arrived_us, int64_t received_us)
{
    int64_t ts_us = own_us, behind_us;

    if (own_us == INSTANT_NONE)
        return received_us;
    if (sent_us != INSTANT_NONE) {
        behind_us = arrived_us - sent_us;
        if (behind_us < -TRUSTED_US || behind_us > TRUSTED_US)
            ts_us += whole_minutes(behind_us);
    }
    return ts_us < received_us ? ts_us : received_us;
}
