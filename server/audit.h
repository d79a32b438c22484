/* The background audit, and samples of event properties for the catalogue. On the worker's connection when it is idle. Worker thread only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"
#include "server/roster.h"
#include "server/tick.h"

struct audit_result {
    uint64_t compared; /* profiles */
    uint64_t drift;    /* that differ */
};

/* Compares one random range of ids of one random live version with a fresh evaluation at the watermark, in one snapshot. */
enum db_status audit_step(struct db *db, const struct roster *roster, struct audit_result *ret_result) MUST_CHECK;
/* Looks at one event of each name that ticks have seen lately, and notes its properties. */
enum db_status audit_sample(struct db *db, struct tick *tick) MUST_CHECK;
