/* Instants in query parameters. */
#pragma once

#include "api/call.h"

/* Reads an instant (or a date: its first instant in UTC) of the query; *ret_us stays as it is when it is not given. False: answered with 400. */
bool instant_parameter(struct call *c, const char *name, int64_t *ret_us) MUST_CHECK;
