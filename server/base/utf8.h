/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing past U+10FFFF. Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The length, 1 to 4, of the character that starts at `at` and ends by `end`; 0 when there is none (or at == end). */
size_t utf8_char(const char *at, const char *end);
/* Is the whole text UTF-8? */
bool utf8_ok(const char *text, size_t len);
