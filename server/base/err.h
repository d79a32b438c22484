/* What the user got wrong: a code, a JSON pointer to the spot and a sentence. The first error wins. */
#pragma once

#include <stdbool.h>

#include "server/base/attr.h"

enum { ERR_POINTER_MAX = 512, ERR_DETAIL_MAX = 256 };

struct err {
    const char *code;              /* static text such as "unknown_member", or NULL: none yet */
    char pointer[ERR_POINTER_MAX]; /* RFC 6901, "" is the whole document */
    char detail[ERR_DETAIL_MAX];   /* lower case, no full stop, cause first */
};

#define ERR_INIT                                                                                                                           \
    {                                                                                                                                      \
        .code = NULL                                                                                                                       \
    }

/* Sets *err unless one is set already; code must be static, pointer is copied (cut at its limit).
 * Returns false, so that a parser can end with `return err_set(…)`. Any thread. */
bool err_set(struct err *err, const char *code, const char *pointer, const char *fmt, ...) PRINTF_LIKE(4, 5);
