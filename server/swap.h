/* New versions take the place of those that serve. Inside a tick's transaction, before candidates are gathered. Worker thread only. */
#pragma once

#include <stddef.h>

#include "server/differ.h"

/* Swaps in every version that is built to its end and may go live: all it refers to does, and nothing of it leads back. *ret_swapped: how many.
 * DB_RETRY or DB_ERROR: the tick must be rolled back. */
enum db_status swap_complete(struct differ *differ, size_t *ret_swapped) MUST_CHECK;
