/* Who watches what: from an id (an event name, a segment) to the versions that a change of it concerns. Pure. Filled, sealed, then only read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/vec.h"

/* Event names by id, as segment/ gives them by text. */
struct watch_names {
    bool any;     /* all but the reserved ones */
    int32_t *ids; /* owned */
    size_t n;
};
void watch_names_free(struct watch_names *names);

struct watch_entry {
    int32_t id;
    uint32_t version; /* index in the roster */
};

struct watch {
    VEC(struct watch_entry) entries;
    VEC(uint32_t) any;
    VEC(int32_t) ids; /* the distinct ids, after watch_seal */
};

/* The version watches these names, or any; or one id. Seal it after the last: only then it can be searched. */
void watch_add(struct watch *watch, const struct watch_names *names, uint32_t version);
void watch_add_id(struct watch *watch, int32_t id, uint32_t version);
void watch_seal(struct watch *watch);
/* The entries of an id, *ret_n of them. Versions that watch any name are in watch->any and not here. */
const struct watch_entry *watch_find(const struct watch *watch, int32_t id, size_t *ret_n);
void watch_clear(struct watch *watch);
