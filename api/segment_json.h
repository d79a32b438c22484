/* How a segment looks in an answer. */
#pragma once

#include "api/call.h"
#include "db/segment.h"

enum { ETAG_MAX = 64 };

/* Writes the segment as an object; with_definition: the member stands there, null for a list. */
void segment_put(struct json_out *out, const struct segment_row *row, bool with_definition);
/* "state", "as_of" and "lag_ms" alone, into an open object. */
void segment_put_freshness(struct json_out *out, const struct segment_row *row);
/* building, live or failed. */
const char *segment_state(const struct segment_row *row);
/* Its ETag: moves with every save, and with state, progress and size. */
void segment_etag(const struct segment_row *row, char ret_etag[ETAG_MAX]);
/* Do If-Match and If-None-Match, if any, allow to change it, whatever has moved by itself? (RFC 9110 §13.1; PUT with If-None-Match: * only creates.) */
bool segment_matches(const struct call *c, const struct segment_row *row);
/* The whole answer: status, ETag, the segment; 201 also a Location. */
enum handled answer_segment(struct call *c, unsigned status, const struct segment_row *row);
