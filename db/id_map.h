/* Finds things by an id: a hash map from ids to indexes of an array that its owner keeps. One thread at a time. */
#pragma once

#include <stddef.h>

#include "server/base/id.h"

#define ID_MAP_NONE SIZE_MAX

struct id_map {
    struct id_map_slot *slots; /* owned */
    size_t cap;                /* a power of two, or 0 */
    size_t n;
};
#define ID_MAP_INIT                                                                                                                        \
    {                                                                                                                                      \
        .slots = NULL, .cap = 0, .n = 0                                                                                                    \
    }

void id_map_release(struct id_map *map);
/* The index kept for the id, or ID_MAP_NONE. */
size_t id_map_get(const struct id_map *map, const struct id *id);
/* Keeps index for the id, in place of what it had. */
void id_map_put(struct id_map *map, const struct id *id, size_t index);
