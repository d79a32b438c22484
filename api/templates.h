/* The ready definitions that a console offers, from templates.json, which is part of the program. Pure; any thread. */
#pragma once

#include <stddef.h>

/* The text: a JSON array of {key, category, name, description, parameters: [{name, label, type, default, pointer}], definition}. A
 * parameter's pointer leads into the definition, to the operand it stands for, which is its default. */
const char *templates_json(size_t *ret_len);
