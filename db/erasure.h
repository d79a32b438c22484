/* Erasing people. Each is one transaction under the exclusive locks of all ids of the person (db/people.h), so it stands between two batches
 * of messages, and tells the worker through `touched`; members and feed follow in the next tick, after which it is ended. On a connection
 * of the caller's, outside any transaction. A person is named by a raw id. */
#pragma once

#include <stdbool.h>

#include "db/conn.h"

struct erasure {
    int64_t erasure_id;
    int64_t at_us;
    int64_t events; /* deleted */
    bool suppressed;
    bool done; /* the exits are in the feed, and nothing names the person any more but the feed */
};

/* Deletes a person's events, traits, consent and ids, but for those ids that name exits to be told; with suppress leaves tombstones of all ids, so
 * that no later message with one of them is stored. Or finds the erasure of a person who was erased and whose exits are not told yet.
 * DB_NONE: nobody. */
enum db_status db_person_erase(struct db *db, const struct id *raw, bool suppress, struct erasure *ret_erasure) MUST_CHECK;
/* Reads an erasure; when its exits are told, ends it first: the last ids are forgotten. DB_NONE: there is none. */
enum db_status db_erasure_end(struct db *db, int64_t erasure_id, struct erasure *ret_erasure) MUST_CHECK;
/* The same for one that nobody has waited for to the end. DB_NONE: there is none. A chore of the worker's. */
enum db_status db_erasure_chore(struct db *db) MUST_CHECK;
