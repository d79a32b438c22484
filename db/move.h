/* Moving a person's events: what a merge of two profiles does to what is stored under the one that goes. */
#pragma once

#include "db/conn.h"

/* Above the first a merge is not done beside other messages (db/ingest.c); above the second it is not done at all, for it would hold
 * everybody up for a minute or more, and what has so many events is no person: the id means the user from then on, and the profile that it
 * had stays as it is. */
enum { MOVE_BESIDE_MAX = 10000, MOVE_MAX = 1000000 };

struct move {
    struct id gone;
    struct id into;
};

/* Sends a statement of two parameters, which become the ids that go and those they go into. */
void db_moves_send(struct db *db, const struct db_statement *statement, const struct move *moves, size_t n);

/* Sends, as part of a pipeline in a transaction that holds the locks of all ids concerned (db/ingest.h), the statement that moves all
 * events of each `gone` to its `into`, deletes the profile row of `gone`, logs the merge and tells the worker: the profile that is gone,
 * and the names that moved. To be received as one. What it does not do: identities, traits, consent (db/consent.h) and orders
 * (db/order.h). Each `gone` once. */
void db_move_send(struct db *db, const struct move *moves, size_t n);
