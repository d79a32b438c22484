/* A growing array of any type, for lists whose length is not known before. One thread at a time.
 *
 *     VEC(struct id) ids = VEC_INIT; *VEC_ADD(&ids) = id; for (size_t i = 0; i < ids.n; i++) use(&ids.at[i]); vec_free(&ids); */
#pragma once

#include <stddef.h>
#include <stdlib.h>

#include "server/base/alloc.h"

#define VEC(type)                                                                                                                          \
    struct {                                                                                                                               \
        type *at; /* owned; NULL while nothing was added */                                                                                \
        size_t n;                                                                                                                          \
        size_t cap;                                                                                                                        \
    }
#define VEC_INIT                                                                                                                           \
    {                                                                                                                                      \
        .at = NULL, .n = 0, .cap = 0                                                                                                       \
    }

static inline void *vec_room(void *at, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return at;
    *cap = *cap ? *cap * 2 : 8;
    return mem_grow(at, *cap, size);
}

/* Makes room for one more element and gives its address; it is not initialised. */
#define VEC_ADD(v)   ((v)->at = vec_room((v)->at, (v)->n, &(v)->cap, sizeof *(v)->at), &(v)->at[(v)->n++])
#define vec_clear(v) ((v)->n = 0)
/* Frees the array (not what its elements own); it is empty again. */
#define vec_free(v) (free((v)->at), (v)->at = NULL, (v)->n = (v)->cap = 0)
