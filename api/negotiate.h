/* What form of an answer the client asks for, and what form its body has. Pure; any thread. */
#pragma once

#include <stdbool.h>

#include "api/call.h"

/* The content type of a form: "application/json" … */
const char *negotiate_name(enum answer_type type);
/* Of the types a route offers (parted by spaces, NULL: application/json), the one that an Accept header (NULL: none) likes best; the earlier one
 * when it does not care. False when it accepts none. */
bool negotiate_accept(const char *accept, const char *types, enum answer_type *ret_type) MUST_CHECK;
/* The same for ?format=json|ndjson|csv. */
bool negotiate_format(const char *format, const char *types, enum answer_type *ret_type) MUST_CHECK;
/* Is a Content-Type (NULL: none) this one, parameters apart? */
bool negotiate_is(const char *content_type, enum answer_type type) MUST_CHECK;
/* May a body of this Content-Type (NULL: none) go where a route wants this kind? */
bool negotiate_body(const char *content_type, enum body_kind kind) MUST_CHECK;
