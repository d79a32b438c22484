/* After how long the worker tries again what has failed: doubled with each attempt before (0: none), for ever. Pure. */
#pragma once

#include <stdint.h>

#include "server/base/clock.h"

static inline int64_t retry_us(int64_t first_s, int32_t attempt)
{
    enum { DOUBLINGS = 9 };

    return (first_s << (attempt < DOUBLINGS ? attempt : DOUBLINGS)) * US_PER_S;
}

/* A version whose definition was refused, or whose statement failed: 5 s to 43 minutes. */
static inline int64_t retry_version_us(int32_t attempt)
{
    return retry_us(5, attempt);
}

/* A profile set aside because it took too long: a minute to eight and a half hours. */
static inline int64_t retry_profile_us(int32_t attempt)
{
    return retry_us(60, attempt);
}
