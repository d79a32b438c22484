/* Signatures and keys as text. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/attr.h"

/* Decode into ret_bytes, which holds at least len bytes. base64: the standard alphabet, padding optional; hex: either case. False: it is
 * none. */
bool base64_read(const char *text, size_t len, uint8_t *ret_bytes, size_t *ret_len) MUST_CHECK;
bool hex_read(const char *text, size_t len, uint8_t *ret_bytes, size_t *ret_len) MUST_CHECK;
