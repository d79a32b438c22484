/* The feed as server-sent events. */
#pragma once

#include "api/call.h"
#include "db/feed.h"

/* Writes a change as an object. */
void change_put(struct json_out *out, const struct feed_row *row);

/* Begins the stream after a place, which must still be kept. The request is finished: the call must not be touched after. On a query
 * thread. */
enum handled change_stream_begin(struct call *c, const struct feed_query *query);
