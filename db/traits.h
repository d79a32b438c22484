/* Folding traits: what a row of messages makes of a profile's traits, in the order they came: identifies set and remove, merges fill in. Pure;
 * one thread at a time. */
#pragma once

#include <stdbool.h>

#include "db/id_map.h"
#include "db/message.h"
#include "server/base/buf.h"
#include "server/base/vec.h"

/* What is known of one trait. */
enum trait_state {
    TRAIT_SET,     /* it has the value */
    TRAIT_REMOVED, /* it has none */
    TRAIT_BELOW    /* it has the value unless the profile had one before */
};

struct trait {
    struct span key;   /* JSON, with quotes; borrowed, as value */
    struct span value; /* JSON */
    enum trait_state state;
};

struct traits {
    VEC(struct trait) all;
    struct id_map by_key;
};
#define TRAITS_INIT                                                                                                                        \
    {                                                                                                                                      \
        .by_key = ID_MAP_INIT                                                                                                              \
    }
void traits_release(struct traits *traits);

/* An identify: the members of the object (checked JSON) are set, those that are null removed, and so is an object `consent`. The text is borrowed. */
void traits_set(struct traits *traits, struct span object);
/* A merge: where the profile has no value, it gets that of the one that goes. `gone` was folded from that profile's own row on. */
void traits_merge(struct traits *traits, const struct traits *gone);
/* The object to be put under the row's traits (below), or over them, in which null removes. False: it has no members, nothing is written. */
bool traits_write(const struct traits *traits, bool below, struct buf *out);
