/* The catalogue of event names, as it is read. */
#pragma once

#include "db/conn.h"

struct catalogue_row {
    const char *name;
    int64_t events;
    int64_t first_seen_us;
    int64_t last_seen_us;
    const char *properties; /* JSON: [{"path", "types", "samples"}, …] */
};

/* Names after `after` ("": all) that hold `text` (NULL: all), without regard to case; by name; the reserved ones are left out. */
enum db_status db_catalogue_list(struct db *db, const char *after, const char *text, int32_t limit, struct db_rows *ret_rows) MUST_CHECK;
struct catalogue_row db_catalogue_row(const struct db_rows *rows, size_t i);
