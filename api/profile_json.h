/* How a profile looks in an answer. */
#pragma once

#include "api/call.h"
#include "server/base/id.h"

/* Writes the members of the profile that the raw id means, without brackets; *ret_profile is its id. DB_NONE: nobody. */
enum db_status profile_put(struct db *db, const struct id *raw, struct json_out *out, struct id *ret_profile) MUST_CHECK;
/* 200 with it, or 404. */
enum handled profile_answer(struct call *c, const struct id *raw);
