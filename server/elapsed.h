/* What time alone has moved since the last tick. Inside a tick's transaction. Worker thread only. */
#pragma once

#include <stdint.h>

#include "server/differ.h"

/* Adds as candidates all whom time has moved between t0_us, the last tick's as_of (DB_INSTANT_PAST: there was none), and the differ's; or has versions rebuilt.
 * DB_RETRY or DB_ERROR: the tick must be rolled back. */
enum db_status elapsed_add(struct differ *differ, int64_t t0_us) MUST_CHECK;
