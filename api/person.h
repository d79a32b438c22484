/* How a person is named in a path. Pure. */
#pragma once

#include "server/base/id.h"

/* The raw id of "ID", "user:ID" (a user) or "anon:ID" (an anonymous id). False: longer than an id can be, so nobody. */
bool person_read(const char *text, struct id *ret_raw) MUST_CHECK;
