/* The parts of db_ingest: a batch of messages, what is read for it, what is written. Internal to db/ingest*.c. */
#pragma once

#include "db/identity.h"
#include "db/ingest.h"
#include "db/lock.h"
#include "db/move.h"

enum outcome { OUTCOME_OPEN, OUTCOME_STORED, OUTCOME_DOUBLE, OUTCOME_REJECTED };

struct item {
    const struct message *message;
    struct ingest_job *job;
    enum outcome outcome; /* committed, unless it is open; */
    bool dropped;         /* found to be a double in this attempt */
    bool repeated;        /* found to report an order that its person has already: only its event is left out */
    bool rejected;        /* decided, but its reject is not written yet */
    int32_t name_id;
    size_t ids[PERSON_KINDS]; /* indexes of identities, or IDENTITY_NONE */
    size_t profile;           /* after the walk: whose it is */
    size_t same;              /* the item of this attempt before with the same messageId, or IDENTITY_NONE */
    size_t next_traits;       /* the next identify of the same profile, or IDENTITY_NONE */
};

enum lock { LOCK_NONE, LOCK_SHARED, LOCK_EXCLUSIVE };

/* All messages of one call of db_ingest, and the state of its attempt at items[from, to). */
struct batch {
    struct db *db;
    struct item *items; /* owned */
    size_t n_items;
    VEC(struct reject) refused;         /* made here, not by the owners of the jobs */
    VEC(const struct reject *) rejects; /* not yet committed */

    size_t from, to;
    enum lock locks[LOCKS]; /* held, or to be taken by the first statement */
    struct identities people;
    struct id_map by_message; /* the last item of this attempt with a messageId */
    bool suppressed;          /* some id is a tombstone's */
    bool large;               /* an item merges a large profile */
    bool merges_orders;       /* a profile that is merged away has orders */
    struct db_rows lone;      /* profiles that may be merged away: their traits are borrowed from here */
};

static inline bool item_has(const struct item *item, size_t identity)
{
    return identity != IDENTITY_NONE &&
           (item->ids[PERSON_USER] == identity || item->ids[PERSON_EMAIL] == identity || item->ids[PERSON_ANONYMOUS] == identity);
}

/* ingest_read.c: opens the transaction: locks, identities, doubles. Marks items as dropped. */
enum db_status ingest_read(struct batch *batch) MUST_CHECK;
/* ingest_walk.c: decides who each item's person is, and drops doubles within the batch. Pure. */
void ingest_walk(struct batch *batch);
/* Takes up into batch->locks what the merges of the walk need. False: something was missing, so what was read cannot be relied on. Pure. */
bool ingest_locks_suffice(struct batch *batch);
/* Takes up the lock of a raw id, alone; true: it was not held so. Pure. */
bool ingest_needs_alone(struct batch *batch, const struct id *raw);
/* ingest_orders.c: takes the orders of the batch, after the walk. Marks items as repeated. DB_NONE: locks were missing, which stand in
 * batch->locks now, so what was read cannot be relied on. */
enum db_status ingest_orders(struct batch *batch) MUST_CHECK;
/* The merges of the walk, for db_move_send and its like: malloc'd, as many as batch->people.merges.n. Pure. */
struct move *ingest_moves(const struct batch *batch);
/* ingest_write.c: writes it all, and commits. Sets the outcome of the items. */
enum db_status ingest_write(struct batch *batch) MUST_CHECK;
/* ingest_consent.c: sends what the messages say about consent, to be received as one. False: nothing, and nothing is sent. */
bool ingest_send_consent(const struct batch *batch) MUST_CHECK;
