/* How a profile looks in an answer. */
#pragma once

#include "api/call.h"
#include "server/base/id.h"

/* 200 with the profile that the raw id means, or 404. */
enum handled profile_answer(struct call *c, const struct id *raw);
