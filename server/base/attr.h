/* Compiler attributes, and the one way to say "this is a bug". */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define CLEANUP(fn)            __attribute__((cleanup(fn)))
#define ARRAY_LEN(a)           (sizeof(a) / sizeof((a)[0]))

/* A state that cannot be: says where and aborts. It stays in release builds. */
#define BUG(what)                                                                                                                          \
    do {                                                                                                                                   \
        fprintf(stderr, "bug: %s at %s:%d\n", (what), __FILE__, __LINE__);                                                                 \
        abort();                                                                                                                           \
    } while (0)

#define ASSERT(cond)                                                                                                                       \
    do {                                                                                                                                   \
        if (!(cond))                                                                                                                       \
            BUG(#cond);                                                                                                                    \
    } while (0)
