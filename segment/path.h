/* Paths into JSON: names joined by dots, [] after a name for every element of an array there; language.md ("Values"). Internal to segment/. */
#pragma once

#include "segment/ast.h"

/* Reads text into *ret_path, names in the segment's memory. On false *ret_code is "bad_path" or "limit" and *ret_why a sentence, both static. */
bool path_read(struct segment *segment, const char *text, struct path *ret_path, const char **ret_code, const char **ret_why) MUST_CHECK;
