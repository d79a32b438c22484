/* Samples of event properties for the catalogue. Worker only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"
#include "db/touched.h"

/* Looks at the newest event of each pair and notes its property paths with their types and some values. */
enum db_status db_sample_properties(struct db *db, const struct touched_pair *pairs, size_t n) MUST_CHECK;
