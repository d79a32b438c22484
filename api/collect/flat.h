/* A message as the query of a pixel's URL. Pure; any thread.
 *
 *     ?data=eyJldmVudCI6…                                                   base64 or base64url of the JSON
 *     ?event=Email%20Opened&userId=u1&properties.campaign_id=c7             the same, flat: a dot goes down into an object; every value is a text */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "server/base/attr.h"
#include "server/base/buf.h"

enum {
    FLAT_PAIRS_MAX = 200,
    FLAT_NAME_MAX = 255, /* bytes of a dotted name */
    FLAT_DEPTH_MAX = 8   /* objects within one another */
};

struct flat_pair {
    const char *name; /* decoded, UTF-8 */
    const char *value;
    size_t order; /* as they came: of two with one name the first counts */
};

/* Writes the object that the pairs mean. They are sorted. A name that is too long or deep, or has an empty part, is left out; one that is a text and an
 * object (a=1&a.b=2) is the object. */
void flat_write(struct flat_pair *pairs, size_t n, struct buf *json);

/* Decodes ?data=. In a URL "+" is a space, and not everybody writes %2B: so a space is a plus. malloc'd, the caller's; NULL when it is no base64. */
char *flat_data(const char *data, size_t *ret_len) MUST_CHECK;
