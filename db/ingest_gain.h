/* What a walked batch brings: rows for the event table, sorted, and what changes of each profile. Pure. Internal to db/ingest*.c. */
#pragma once

#include "db/ingest_batch.h"
#include "db/traits.h"

/* What the batch brings to a profile. */
struct gain {
    bool used;                 /* a message is stored under it, or repeats an order */
    int64_t first_us, last_us; /* of its events, those of profiles merged into it included; INSTANT_NONE: none */
    size_t traits, traits_end; /* its identifies, a list of items; IDENTITY_NONE: none */
    struct traits *fold; /* owned; of a profile that takes part in a merge: the traits of its identifies and of those merged into it */
};

/* An event's key, by which the rows are sorted. */
struct event_key {
    struct id profile;
    int32_t name_id;
    int64_t ts_us;
    struct id message;
    size_t item;
};

struct gains {
    struct batch *batch;
    struct gain *profiles; /* owned; one for each of the profiles */
    size_t n_profiles;
    bool any;                     /* of them is used */
    VEC(struct event_key) events; /* sorted */
    VEC(size_t) created;          /* profiles without a row, by id */
    VEC(size_t) changed;          /* profiles whose row changes, by id */
};

/* Of the items that were not dropped. Release it when done. */
void gains_gather(struct gains *gains, struct batch *batch);
void gains_release(struct gains *gains);

/* Is the profile's first_seen another than that of its row? */
bool gains_first_moves(const struct gains *gains, size_t profile);

/* Do its traits change? */
bool gains_traits_change(const struct gains *gains, size_t profile);
/* Append to an array of jsonb: what the profile's identifies set, folded; and what profiles that were merged into it have, which counts
 * only where it has nothing itself. Null when there is nothing. JSON null at the top level means that the trait is removed. */
void gains_put_traits(const struct gains *gains, struct db_args *args, size_t profile);
void gains_put_below(const struct gains *gains, struct db_args *args, size_t profile);
