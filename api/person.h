/* How a person is named in a path. Pure. */
#pragma once

#include "db/message.h"
#include "server/base/id.h"

/* The raw id of "ID", "user:ID" (a user) or "anon:ID" (an anonymous id). False: longer than an id can be, so nobody. */
bool person_read(const char *text, struct id *ret_raw) MUST_CHECK;
/* The same for somebody who may be new, text and all (borrowed); *ret_user: or an anonymous id. False: no id that a person may have. */
bool person_name(const char *text, struct person *ret_person, bool *ret_user) MUST_CHECK;
