/* Browser origins (RFC 6454) and the patterns that allow them. Pure; any thread. */
#pragma once

#include <stdbool.h>

#include "server/base/attr.h"

/* Is it a pattern: an origin "scheme://host[:port]", the same with "*." before the host, or "null" (a page without an origin: a file, a sandbox)? */
bool origin_pattern_ok(const char *pattern) MUST_CHECK;
/* Does the pattern allow the origin? Letters compare without case. "*.shop.example" as host allows every one below shop.example, however deep, and not
 * shop.example itself; scheme and port are as in the pattern. */
bool origin_matches(const char *pattern, const char *origin) MUST_CHECK;
