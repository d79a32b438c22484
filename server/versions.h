/* Keeps the roster in step with the tables, between ticks. Worker thread only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "server/differ.h"

/* Reads versions that are new (all of them, and who is set aside, when the roster was dropped), marks those failed that cannot be loaded, retires those that a
 * newer one has overtaken, and learns which dates are kept. Outside a transaction. *ret_changed: there may be something to build. DB_NONE: no longer the
 * leader. On anything but DB_OK the roster is dropped, and the same again later is right. */
enum db_status versions_look(struct differ *differ, int64_t epoch, bool *ret_changed) MUST_CHECK;
