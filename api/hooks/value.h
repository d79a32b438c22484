/* What an entry's properties, traits and context members are made of: a path, or an object
 *
 *     {path | value | sum, minus | each, properties, as, currency, decimals, when}
 *
 * as: number (a text of digits becomes a JSON number with the same digits), text, upper, bool, minor_units (of `currency`). For map.c. */
#pragma once

#include "api/hooks/look.h"
#include "server/base/json_write.h"

/* Writes the members of specs (an object name → spec) that have a value. */
void value_members(struct look *look, struct json specs, struct json_out *out);
/* The instant that {path, unit} leads to, or INSTANT_NONE. unit: rfc3339, s, ms (fractions to the µs). */
int64_t value_instant(struct look *look, struct json spec);
/* Expands a template of paths into text; false when one of them leads nowhere. */
bool value_template(struct look *look, struct json template, struct buf *text) MUST_CHECK;
