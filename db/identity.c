/* The walk of identities. The one idea: profiles that are merged away keep a pointer to the one they went into, and identities follow
 * it when they are asked, so a merge costs the same however many ids mean the one that goes. A profile goes only
 * into a stronger one, so no chain is longer than two. It decides; locks, reading and writing are ingest's. */
#include "db/identity.h"

void identities_init(struct identities *all)
{
    *all = (struct identities){.by_raw = ID_MAP_INIT, .by_profile = ID_MAP_INIT};
}

void identities_release(struct identities *all)
{
    for (size_t i = 0; i < all->ids.n; i++) {
        vec_free(&all->ids.at[i].former);
        vec_free(&all->ids.at[i].forgotten);
    }
    vec_free(&all->ids);
    vec_free(&all->profiles);
    vec_free(&all->merges);
    id_map_release(&all->by_raw);
    id_map_release(&all->by_profile);
}

size_t identity_add(struct identities *all, const struct person *person, enum person_kind kind)
{
    size_t at = id_map_get(&all->by_raw, &person->raw);

    if (at != ID_MAP_NONE)
        return at;
    at = all->ids.n;
    *VEC_ADD(&all->ids) = (struct identity){.raw = person->raw,
                                            .kind = kind,
                                            .external = person->external,
                                            .profile = IDENTITY_NONE,
                                            .before = IDENTITY_NONE,
                                            .company = IDENTITY_NONE};
    id_map_put(&all->by_raw, &person->raw, at);
    return at;
}

static size_t add_profile(struct identities *all, const struct id *id, size_t owner)
{
    size_t at = id_map_get(&all->by_profile, id);

    if (at != ID_MAP_NONE)
        return at;
    at = all->profiles.n;
    *VEC_ADD(&all->profiles) = (struct identity_profile){.id = *id,
                                                         .kind = all->ids.at[owner].kind,
                                                         .owner = owner,
                                                         .into = IDENTITY_NONE,
                                                         .first_seen_us = INSTANT_NONE,
                                                         .last_seen_us = INSTANT_NONE};
    id_map_put(&all->by_profile, id, at);
    return at;
}

struct identity_profile *identity_know(struct identities *all, size_t identity, const struct id *profile)
{
    size_t at = add_profile(all, profile, identity);

    all->ids.at[identity].exists = true;
    all->ids.at[identity].profile = all->ids.at[identity].before = at;
    return &all->profiles.at[at];
}

size_t identity_living(const struct identities *all, size_t profile)
{
    while (all->profiles.at[profile].into != IDENTITY_NONE)
        profile = all->profiles.at[profile].into;
    return profile;
}

size_t identity_means(const struct identities *all, size_t identity)
{
    size_t profile = all->ids.at[identity].profile;

    return profile == IDENTITY_NONE ? IDENTITY_NONE : identity_living(all, profile);
}

/* Follows merges, noting each profile left behind. */
static void catch_up(struct identities *all, struct identity *identity)
{
    while (all->profiles.at[identity->profile].into != IDENTITY_NONE) {
        *VEC_ADD(&identity->forgotten) = all->profiles.at[identity->profile].id;
        identity->profile = all->profiles.at[identity->profile].into;
    }
}

/* What the identity means, a new profile of its own if need be. */
static size_t own(struct identities *all, size_t identity)
{
    if (all->ids.at[identity].profile == IDENTITY_NONE)
        all->ids.at[identity].profile = add_profile(all, &all->ids.at[identity].raw, identity);
    return identity_means(all, identity);
}

static void link_to(struct identities *all, struct identity *weaker, size_t profile, size_t item)
{
    size_t old;

    if (weaker->profile == IDENTITY_NONE) {
        weaker->profile = profile;
        return;
    }
    catch_up(all, weaker);
    old = weaker->profile;
    if (old == profile)
        return;
    if (all->profiles.at[old].kind <= all->profiles.at[profile].kind || all->profiles.at[old].huge) {
        *VEC_ADD(&weaker->forgotten) = all->profiles.at[old].id;
        weaker->profile = profile;
        return;
    }
    all->profiles.at[old].into = profile;
    *VEC_ADD(&all->merges) = (struct identity_merge){.gone = old, .into = profile, .item = item};
}

size_t identity_meet(struct identities *all, const size_t ids[PERSON_KINDS], size_t item)
{
    size_t strongest = identity_strongest(ids), profile = own(all, strongest);

    for (enum person_kind kind = PERSON_USER; kind < PERSON_KINDS; kind++)
        if (ids[kind] != IDENTITY_NONE && ids[kind] != strongest)
            link_to(all, &all->ids.at[ids[kind]], profile, item);
    return profile;
}

bool identity_settle(struct identities *all, size_t identity)
{
    struct identity *one = &all->ids.at[identity];

    if (one->profile == IDENTITY_NONE)
        return false;
    catch_up(all, one);
    return !one->exists || one->forgotten.n > 0;
}
