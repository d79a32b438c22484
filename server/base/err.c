/* The user's error. First one wins: what a parser finds after its first error is often only its echo.
 * Texts are cut at their limits, never refused, and nothing is allocated, so an error can be made anywhere.
 * Which status and title an answer gets is the API's table, not here. */
#include "server/base/err.h"

#include <stdarg.h>
#include <stdio.h>

bool err_set(struct err *err, const char *code, const char *pointer, const char *fmt, ...)
{
    va_list args;

    if (err->code)
        return false;
    err->code = code;
    (void)snprintf(err->pointer, sizeof err->pointer, "%s", pointer);
    va_start(args, fmt);
    (void)vsnprintf(err->detail, sizeof err->detail, fmt, args);
    va_end(args);
    return false;
}
