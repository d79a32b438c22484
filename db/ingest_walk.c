/* What C decides between reading and writing. The one idea: messages are walked in the order they came, each seeing what those before
 * it did, so that identify(a, u1), track(a), identify(a, u2), track(a) lands right; a double has no effect and is not walked. Pure: no
 * connection. */
#include "db/ingest_batch.h"

static bool is_same_person(const struct identities *people, const struct item *item, const struct item *earlier)
{
    size_t profile = identity_living(people, earlier->profile);

    for (enum person_kind kind = PERSON_USER; kind < PERSON_KINDS; kind++)
        if (item_has(earlier, item->ids[kind]) || (item->ids[kind] != IDENTITY_NONE && identity_means(people, item->ids[kind]) == profile))
            return true;
    return false;
}

/* As the look-up among stored messages has it: one stored under its own timestamp is found by that alone. */
static bool is_same_instant(const struct message *earlier, const struct message *message)
{
    if (earlier->own_ts_us == message->own_ts_us)
        return true;
    return message_is_odd(earlier) && (earlier->own_ts_us == INSTANT_NONE || message->own_ts_us == INSTANT_NONE);
}

/* Is the item one that was walked before, sent again? */
static bool is_double(const struct batch *batch, const struct item *item)
{
    for (size_t at = item->same; at != IDENTITY_NONE; at = batch->items[at].same) {
        const struct item *earlier = &batch->items[at];

        if (!earlier->dropped && earlier->name_id == item->name_id && is_same_instant(earlier->message, item->message) &&
            is_same_person(&batch->people, item, earlier))
            return true;
    }
    return false;
}

void ingest_walk(struct batch *batch)
{
    for (size_t i = batch->from; i < batch->to; i++) {
        struct item *item = &batch->items[i];
        size_t merges = batch->people.merges.n;

        if (item->dropped || (item->dropped = is_double(batch, item)))
            continue;
        item->profile = identity_meet(&batch->people, item->ids, i);
        for (; merges < batch->people.merges.n; merges++)
            batch->large |= batch->people.profiles.at[batch->people.merges.at[merges].gone].large;
    }
}

bool ingest_needs_alone(struct batch *batch, const struct id *raw)
{
    enum lock *lock = &batch->locks[raw->bytes[0]];
    bool missing = *lock != LOCK_EXCLUSIVE;

    *lock = LOCK_EXCLUSIVE;
    return missing;
}

bool ingest_locks_suffice(struct batch *batch)
{
    const struct identities *people = &batch->people;
    bool missing = false;

    for (size_t i = 0; i < people->merges.n; i++) {
        missing |= ingest_needs_alone(batch, &people->profiles.at[people->merges.at[i].gone].id);
        missing |= ingest_needs_alone(batch, &people->profiles.at[people->merges.at[i].into].id);
    }
    for (size_t i = 0; i < people->ids.n; i++) {
        size_t before = people->ids.at[i].before;

        if (before != IDENTITY_NONE && people->profiles.at[before].into != IDENTITY_NONE)
            missing |= ingest_needs_alone(batch, &people->ids.at[i].raw);
    }
    return !missing;
}
