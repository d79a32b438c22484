/* Small texts of HTTP: percent-encoding, lists of words. Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "server/base/attr.h"
#include "server/base/buf.h"

/* Appends the text with everything but unreserved characters (RFC 3986) as %XX. */
void text_percent(struct buf *buf, const char *text);
/* Does a list, parted by spaces, have the word of len bytes? */
bool text_has_word(const char *list, const char *word, size_t len);
