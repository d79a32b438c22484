/* Decides candidates of whom names and times of events and the like decide (segment/judge.h), so that only the others cost a statement.
 * Inside a tick's transaction. Worker thread only. */
#pragma once

#include <stddef.h>

#include "db/conn.h"
#include "server/differ.h"

/* Takes those out of the level's candidates (settled) whose answer it knows, and notes the ones that differ from what is stored. DB_RETRY or DB_ERROR: the tick
 * must be rolled back. */
enum db_status sift_level(struct differ *differ, size_t level) MUST_CHECK;
