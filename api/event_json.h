/* How an event looks in an answer. */
#pragma once

#include "api/call.h"
#include "db/profile.h"

/* Writes event i of the rows as an object, without who did it. */
void event_put(struct json_out *out, const struct db_rows *rows, size_t i);
/* Writes the first n events as an array; with_person: with who did it. */
void event_put_all(struct json_out *out, const struct db_rows *rows, size_t n, bool with_person);
