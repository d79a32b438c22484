/* Open addressing with linear probing, at most half full. The one idea: ids are hashes already, so their first
 * bytes are the hash. An index is kept plus one, so that zeroed memory is an empty map. Entries are never
 * removed. */
#include "db/id_map.h"

#include <stdint.h>
#include <string.h>

#include "server/base/alloc.h"

enum { CAP_MIN = 64 };

struct id_map_slot {
    struct id id;
    size_t index_plus_1; /* 0: empty */
};

void id_map_release(struct id_map *map)
{
    free(map->slots);
    *map = (struct id_map)ID_MAP_INIT;
}

/* The slot that has the id, or the empty one where it belongs. */
static struct id_map_slot *find(const struct id_map *map, const struct id *id)
{
    uint64_t hash;
    size_t at;

    memcpy(&hash, id->bytes, sizeof hash);
    for (at = hash & (map->cap - 1); map->slots[at].index_plus_1; at = (at + 1) & (map->cap - 1))
        if (id_equal(&map->slots[at].id, id))
            break;
    return &map->slots[at];
}

size_t id_map_get(const struct id_map *map, const struct id *id)
{
    return map->cap ? find(map, id)->index_plus_1 - 1 : ID_MAP_NONE;
}

static void grow(struct id_map *map)
{
    struct id_map old = *map;

    map->cap = old.cap ? 2 * old.cap : CAP_MIN;
    map->slots = mem_zalloc(map->cap * sizeof *map->slots);
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].index_plus_1)
            *find(map, &old.slots[i].id) = old.slots[i];
    free(old.slots);
}

void id_map_put(struct id_map *map, const struct id *id, size_t index)
{
    struct id_map_slot *slot;

    if (2 * map->n >= map->cap)
        grow(map);
    slot = find(map, id);
    map->n += !slot->index_plus_1;
    *slot = (struct id_map_slot){.id = *id, .index_plus_1 = index + 1};
}
