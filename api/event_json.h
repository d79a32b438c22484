/* How an event looks in an answer. */
#pragma once

#include "api/call.h"
#include "db/profile.h"

/* Writes event i of the rows as an object, without who did it. */
void event_put(struct json_out *out, const struct db_rows *rows, size_t i);
/* How many events are asked for next so that they take some MiB: by the last ones; NULL: the first. A message may be large, and 1e99 is given back
 * with all its digits. */
int32_t event_fetch(const struct db_rows *last);

struct event_page {
    int32_t limit;            /* set by the caller: at most so many; fewer when they are large */
    bool with_person;         /* and this */
    struct event_place place; /* of the last one */
    bool more;                /* there are some after it */
};
/* Writes the next events of those that are open as an array. */
enum db_status event_put_page(struct db *db, struct json_out *out, struct event_page *page) MUST_CHECK;
