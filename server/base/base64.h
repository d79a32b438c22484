/* Base64 in. Pure; any thread. (Out: base64url in server/base/id.h.) */
#pragma once

#include <stddef.h>

/* Decodes base64 or base64url, padded or not, into at most size bytes. Their number; 0 when the text is none, or empty, or too long. */
size_t base64_bytes(const char *text, void *ret_bytes, size_t size);
