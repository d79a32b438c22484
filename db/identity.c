/* The walk of identities. The one idea: profiles that are merged away keep a pointer to the one they went into, and identities follow
 * it when they are asked, so a merge costs the same however many ids mean the one that goes. Only anonymous profiles go and only users'
 * profiles receive, so no chain is longer than one. It decides; locks, reading and writing are ingest's. */
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

size_t identity_add(struct identities *all, const struct person *person, bool user)
{
    size_t at = id_map_get(&all->by_raw, &person->raw);

    if (at != ID_MAP_NONE)
        return at;
    at = all->ids.n;
    *VEC_ADD(&all->ids) = (struct identity){.raw = person->raw,
                                            .user = user,
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
                                                         .identified = all->ids.at[owner].user,
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

static void link_to(struct identities *all, struct identity *anonymous, size_t user_profile)
{
    size_t old;

    if (anonymous->profile == IDENTITY_NONE) {
        anonymous->profile = user_profile;
        return;
    }
    catch_up(all, anonymous);
    old = anonymous->profile;
    if (old == user_profile)
        return;
    if (all->profiles.at[old].identified || all->profiles.at[old].huge || !all->profiles.at[user_profile].identified) {
        *VEC_ADD(&anonymous->forgotten) = all->profiles.at[old].id;
        anonymous->profile = user_profile;
        return;
    }
    all->profiles.at[old].into = user_profile;
    *VEC_ADD(&all->merges) = (struct identity_merge){.gone = old, .into = user_profile};
}

size_t identity_meet(struct identities *all, size_t user, size_t anonymous)
{
    size_t profile;

    if (user == IDENTITY_NONE)
        return own(all, anonymous);
    profile = own(all, user);
    if (anonymous != IDENTITY_NONE)
        link_to(all, &all->ids.at[anonymous], profile);
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
