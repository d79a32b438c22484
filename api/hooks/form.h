/* Bodies of application/x-www-form-urlencoded. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "server/base/attr.h"
#include "server/base/buf.h"

/* Appends the form as a JSON object of strings, names as they stand ("data[email]"); false: a bad escape, no UTF-8, more than 1,000
 * fields, or too large. */
bool form_json(const char *body, size_t len, struct buf *json) MUST_CHECK;
/* Appends name and value, decoded, of each field in byte order of the names: what Mandrill signs. False as above, UTF-8 apart. */
bool form_sorted(const char *body, size_t len, struct buf *text) MUST_CHECK;
