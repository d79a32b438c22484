/* What a definition must pass before it is saved or tried. */
#pragma once

#include "db/conn.h"
#include "segment/segment.h"
#include "server/base/err.h"
#include "server/base/json_scan.h"

struct definition {
    struct json text; /* in the body of the call */
    const char *timezone;
    struct segment *segment; /* owned: definition_release */
};
#define AUTO_DEFINITION CLEANUP(definition_release)
void definition_release(struct definition *definition);

/* Parses text and tries time zone and patterns in the database; outside any transaction. DB_OK: segment is set. DB_NONE: *err says what is wrong, with its
 * pointer into the body ("/definition/…", "/timezone"). */
enum db_status definition_check(struct db *db, struct definition *definition, struct err *err) MUST_CHECK;

/* Do the segments it refers to exist, and would the definition under this key (NULL: it is not saved) close no cycle and make no chain
 * over the limit? Inside the transaction that saves it, under db_segment_lock. DB_OK; DB_NONE: *err says. */
enum db_status definition_check_references(struct db *db, const struct definition *definition, const char *key, struct err *err) MUST_CHECK;
