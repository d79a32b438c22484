/* Members as text: one JSON object each, or a row of CSV; and whole segments of them, in constant memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "db/member.h"
#include "server/base/json_write.h"

/* Writes the member as a value: an object with its traits. */
void member_put(struct json_out *out, const struct member_row *row);

enum member_form { MEMBER_NDJSON, MEMBER_CSV };

struct member_export {
    struct db *db; /* inside a REPEATABLE READ transaction: one snapshot */
    const char *key;
    int64_t at_us; /* INSTANT_NONE: as they are stored */
    enum member_form form;
    const char *const *traits;
    size_t n_traits;
    const char *const *reachable; /* as of struct member_query */
    size_t n_reachable;
    bool (*write)(void *context, const char *bytes, size_t len); /* false: the reader is gone */
    void *context;
};

/* Writes all members in order of profile id. False: the reader or the database is gone. */
bool member_export_run(const struct member_export *export) MUST_CHECK;
