/* From a walked batch to what is to be written. The one idea: everything that several messages bring to one profile is folded here, so
 * that each row is written once; rows come out sorted by key. Traits are folded as texts, by writing the members of the objects one
 * after the other, for in jsonb the last of two equal keys wins; so numbers keep their digits. Pure. */
#include "db/ingest_gain.h"

#include <string.h>

#include "server/base/alloc.h"

#define HOUR_US (3600 * US_PER_S)
enum { TRAITS_MAX = 256 << 20 };

static const struct identity_profile *profile_at(const struct gains *gains, size_t profile)
{
    return &gains->batch->people.profiles.at[profile];
}

static void reach(struct gain *gain, int64_t first_us, int64_t last_us)
{
    if (first_us != INSTANT_NONE && (gain->first_us == INSTANT_NONE || first_us < gain->first_us))
        gain->first_us = first_us;
    if (last_us != INSTANT_NONE && (gain->last_us == INSTANT_NONE || last_us > gain->last_us))
        gain->last_us = last_us;
}

static void gain_traits(struct gains *gains, struct gain *gain, size_t at)
{
    if (gain->traits == IDENTITY_NONE)
        gain->traits = at;
    else
        gains->batch->items[gain->traits_end].next_traits = at;
    gain->traits_end = at;
}

static void gather_item(struct gains *gains, size_t at)
{
    const struct item *item = &gains->batch->items[at];
    const struct message *message = item->message;
    size_t living = identity_living(&gains->batch->people, item->profile);

    gains->profiles[living].used = gains->any = true;
    if (item->repeated)
        return;
    if (message->kind == MESSAGE_EVENT)
        reach(&gains->profiles[living], message->ts_us, message->ts_us);
    if (message->kind == MESSAGE_IDENTIFY && message->properties.at)
        gain_traits(gains, &gains->profiles[item->profile], at);
    *VEC_ADD(&gains->events) = (struct event_key){.profile = profile_at(gains, living)->id,
                                                  .name_id = item->name_id,
                                                  .ts_us = message->ts_us,
                                                  .message = message->message_id,
                                                  .item = at};
}

/* In the order they happened: what goes may have received before. */
static void gather_merges(struct gains *gains)
{
    const struct identities *people = &gains->batch->people;

    for (size_t i = 0; i < people->merges.n; i++) {
        const struct identity_profile *gone = profile_at(gains, people->merges.at[i].gone);
        const struct gain *below = &gains->profiles[people->merges.at[i].gone];
        struct gain *gain = &gains->profiles[people->merges.at[i].into];

        reach(gain, gone->first_seen_us, gone->last_seen_us);
        reach(gain, below->first_us, below->last_us);
    }
}

static struct traits *fold_of(struct gain *gain)
{
    if (!gain->fold) {
        gain->fold = mem_alloc(sizeof *gain->fold);
        *gain->fold = (struct traits)TRAITS_INIT;
    }
    return gain->fold;
}

/* Of one that goes, from its row on. Merges are in order, so what goes later may be received into before, but not after. */
static void begin_folds(struct gains *gains)
{
    const struct identities *people = &gains->batch->people;

    for (size_t i = 0; i < people->merges.n; i++) {
        const struct span traits = profile_at(gains, people->merges.at[i].gone)->traits;
        struct traits *gone = fold_of(&gains->profiles[people->merges.at[i].gone]);

        (void)fold_of(&gains->profiles[people->merges.at[i].into]);
        if (traits.at)
            traits_set(gone, traits);
    }
}

/* Merges and identifies of profiles that take part in merges, in the order they came; a message merges before it sets. */
static void fold_traits(struct gains *gains)
{
    const struct identities *people = &gains->batch->people;
    size_t merge = 0;

    if (!people->merges.n)
        return;
    begin_folds(gains);
    for (size_t i = gains->batch->from; i < gains->batch->to; i++) {
        const struct item *item = &gains->batch->items[i];

        if (item->dropped)
            continue;
        for (; merge < people->merges.n && people->merges.at[merge].item == i; merge++)
            traits_merge(gains->profiles[people->merges.at[merge].into].fold, gains->profiles[people->merges.at[merge].gone].fold);
        if (item->message->kind == MESSAGE_IDENTIFY && item->message->properties.at && gains->profiles[item->profile].fold)
            traits_set(gains->profiles[item->profile].fold, item->message->properties);
    }
}

bool gains_traits_change(const struct gains *gains, size_t profile)
{
    return gains->profiles[profile].traits != IDENTITY_NONE || gains->profiles[profile].fold;
}

bool gains_first_moves(const struct gains *gains, size_t profile)
{
    int64_t gained_us = gains->profiles[profile].first_us, old_us = profile_at(gains, profile)->first_seen_us;

    return gained_us != INSTANT_NONE && (old_us == INSTANT_NONE || gained_us < old_us);
}

static bool last_moves(const struct gains *gains, size_t profile)
{
    int64_t gained_us = gains->profiles[profile].last_us, old_us = profile_at(gains, profile)->last_seen_us;

    return gained_us != INSTANT_NONE && (old_us == INSTANT_NONE || gained_us / HOUR_US > old_us / HOUR_US);
}

static void gather_profiles(struct gains *gains)
{
    for (size_t i = 0; i < gains->batch->people.profiles.n; i++) {
        const struct gain *gain = &gains->profiles[i];

        if (!gain->used)
            continue;
        if (!profile_at(gains, i)->exists)
            *VEC_ADD(&gains->created) = i;
        else if (gains_traits_change(gains, i) || gains_first_moves(gains, i) || last_moves(gains, i))
            *VEC_ADD(&gains->changed) = i;
    }
}

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_events(const void *a, const void *b)
{
    const struct event_key *x = a, *y = b;
    int order = id_compare(&x->profile, &y->profile);

    if (!order)
        order = compare_numbers(x->name_id, y->name_id);
    if (!order)
        order = compare_numbers(x->ts_us, y->ts_us);
    return order ? order : id_compare(&x->message, &y->message);
}

static int compare_profiles(const void *a, const void *b, void *profiles)
{
    const struct identity_profile *all = profiles;

    return id_compare(&all[*(const size_t *)a].id, &all[*(const size_t *)b].id);
}

static void sort_profiles(struct gains *gains, size_t *profiles, size_t n)
{
    if (n)
        qsort_r(profiles, n, sizeof *profiles, compare_profiles, gains->batch->people.profiles.at);
}

void gains_gather(struct gains *gains, struct batch *batch)
{
    size_t n = batch->people.profiles.n;

    *gains = (struct gains){.batch = batch, .profiles = mem_grow(NULL, n + 1, sizeof *gains->profiles), .n_profiles = n};
    for (size_t i = 0; i < n; i++)
        gains->profiles[i] = (struct gain){.first_us = INSTANT_NONE, .last_us = INSTANT_NONE, .traits = IDENTITY_NONE};
    for (size_t i = batch->from; i < batch->to; i++)
        if (!batch->items[i].dropped)
            gather_item(gains, i);
    gather_merges(gains);
    fold_traits(gains);
    gather_profiles(gains);
    if (gains->events.n)
        qsort(gains->events.at, gains->events.n, sizeof *gains->events.at, compare_events);
    sort_profiles(gains, gains->created.at, gains->created.n);
    sort_profiles(gains, gains->changed.at, gains->changed.n);
}

void gains_release(struct gains *gains)
{
    for (size_t i = 0; i < gains->n_profiles; i++) {
        if (gains->profiles[i].fold)
            traits_release(gains->profiles[i].fold);
        free(gains->profiles[i].fold);
    }
    free(gains->profiles);
    vec_free(&gains->events);
    vec_free(&gains->created);
    vec_free(&gains->changed);
}

/* --- Traits: objects are folded by writing their members one after the other, for in jsonb the last of two equal keys wins --- */

static void add_members(struct buf *out, struct span object)
{
    const char *at, *end;

    if (!object.at)
        return;
    at = object.at + 1;
    end = object.at + object.len - 1;
    while (at < end && strchr(" \t\r\n", *at))
        at++;
    if (at == end)
        return;
    buf_add_char(out, out->len ? ',' : '{');
    buf_add(out, at, (size_t)(end - at));
}

static void add_identifies(const struct gains *gains, struct buf *out, size_t profile)
{
    for (size_t at = gains->profiles[profile].traits; at != IDENTITY_NONE; at = gains->batch->items[at].next_traits)
        add_members(out, gains->batch->items[at].message->properties);
}

/* What the profile's identifies set. */
void gains_put_traits(const struct gains *gains, struct db_args *args, size_t profile)
{
    AUTO_BUF struct buf members = BUF_INIT(TRAITS_MAX);
    size_t first = gains->profiles[profile].traits;

    if (gains->profiles[profile].fold) {
        (void)traits_write(gains->profiles[profile].fold, false, &members);
    } else if (first != IDENTITY_NONE && first == gains->profiles[profile].traits_end) {
        db_array_json(args, gains->batch->items[first].message->properties.at, gains->batch->items[first].message->properties.len);
        return;
    } else if (first != IDENTITY_NONE) {
        add_identifies(gains, &members, profile);
        buf_add_text(&members, members.len ? "}" : "{}");
    }
    db_array_json(args, members.len ? members.data : NULL, members.len);
}

/* The traits of the profiles merged into it: where they differ, the one that came first has it. */
void gains_put_below(const struct gains *gains, struct db_args *args, size_t profile)
{
    AUTO_BUF struct buf members = BUF_INIT(TRAITS_MAX);

    if (gains->profiles[profile].fold)
        (void)traits_write(gains->profiles[profile].fold, true, &members);
    db_array_json(args, members.len ? members.data : NULL, members.len);
}
