/* Which row of the table serves a request. Pure; any thread. */
#pragma once

#include "api/call.h"

/* The rows of routes.c; openapi.yaml holds the same operations (make check-openapi). */
const struct route *routes_all(size_t *ret_n);

enum { ALLOW_MAX = 64 };

struct route_found {
    const struct route *route; /* NULL: no row of this path and method */
    struct route_match match;  /* the caller's, when route is given */
    const struct route *other; /* without route: a row of the path with another method, or NULL: no such path */
    char allow[ALLOW_MAX];     /* beside other: the methods of the path */
};

/* Finds the row of one face set (bits 1 << FACE_…). path is raw; a trailing slash does not count. */
void routes_find(const char *method, const char *path, unsigned faces, struct route_found *ret_found);
