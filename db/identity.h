/* Who is who: the walk of the identities of a batch, message by message, from what the database had before it. Pure: ingest fills in the
 * rows it read, walks, and writes what has changed. The rules (docs/identity.md): a user id is stronger than an address, that than an
 * anonymous id, and a profile is as strong as the id it was made for. The strongest id of a message names its profile, one of its own if it
 * is new. A weaker id that comes with it, if new, means that profile, too; if it means a weaker profile, that is merged into this one; if one
 * as strong or stronger, it is left alone and the id means this one from then on. So no two users' profiles merge. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/id_map.h"
#include "db/message.h"
#include "server/base/vec.h"

#define IDENTITY_NONE SIZE_MAX

/* A profile that an id means or meant. */
struct identity_profile {
    struct id id;
    bool exists;           /* has a row */
    enum person_kind kind; /* its strength: of the strongest id that it has or had */
    bool large;            /* it has more events than are moved beside other work (or its traits were left out), */
    bool huge;             /* or than are moved at all: it is never merged */
    bool orders;           /* it has orders; only of those that may be merged away */
    size_t owner;          /* the identity it was made for: gives user_id, email or anonymous_id */
    size_t into;           /* the profile that it was merged into in this walk; IDENTITY_NONE: it lives */
    int64_t first_seen_us;
    int64_t last_seen_us; /* INSTANT_NONE: none */
    struct span traits;   /* the row's; only of those that may be merged away */
};

/* An external id. */
struct identity {
    struct id raw;
    enum person_kind kind;
    bool exists;              /* has a row */
    struct span external;     /* borrowed; of those with a row it may be missing */
    size_t profile;           /* what it means, IDENTITY_NONE: not known yet; may be merged away, see identity_means */
    size_t before;            /* what its row says */
    size_t company;           /* the strongest id it comes with in the batch as a weaker one, IDENTITY_NONE: none, */
    bool contested;           /* and whether there are several */
    bool suppressed;          /* a tombstone: nothing with it is stored */
    bool joined;              /* it comes with another id in the batch, weaker or stronger */
    VEC(struct id) former;    /* what it meant before, resolved: from its row */
    VEC(struct id) forgotten; /* what it meant before, oldest first: from this walk */
};

struct identity_merge {
    size_t gone;
    size_t into; /* alive when it happened */
    size_t item; /* the caller's: what made it happen */
};

struct identities {
    VEC(struct identity) ids;
    VEC(struct identity_profile) profiles;
    VEC(struct identity_merge) merges; /* in the order they happened */
    struct id_map by_raw;
    struct id_map by_profile;
};

void identities_init(struct identities *all);
void identities_release(struct identities *all);

/* --- Before the walk --- */

/* The index of the identity with that raw id, added if it is new. */
size_t identity_add(struct identities *all, const struct person *person, enum person_kind kind);
/* Notes that the identity's row points to that profile, for the caller to fill in what it knows of it; the pointer is good until more
 * is added. */
struct identity_profile *identity_know(struct identities *all, size_t identity, const struct id *profile);

/* The strongest of a message's ids. */
static inline size_t identity_strongest(const size_t ids[PERSON_KINDS])
{
    size_t kind = PERSON_USER;

    while (kind < PERSON_ANONYMOUS && ids[kind] == IDENTITY_NONE)
        kind++;
    return ids[kind];
}

/* --- The walk --- */

/* The living profile that an identity means, or IDENTITY_NONE. */
size_t identity_means(const struct identities *all, size_t identity);
/* The living profile that a profile has become. */
size_t identity_living(const struct identities *all, size_t profile);
/* One message's ids by kind, of which any may be IDENTITY_NONE, but not all: makes profiles, links and merges by the rules. The profile
 * of the message's person. Merges are noted with `item`. */
size_t identity_meet(struct identities *all, const size_t ids[PERSON_KINDS], size_t item);

/* --- After it --- */

/* Brings the identity up to date with merges: its profile is a living one, its `forgotten` complete. True: its row is to be written. */
bool identity_settle(struct identities *all, size_t identity);
