/* Changing people by hand: merging two, patching traits. Each is one transaction under the exclusive locks of all ids concerned
 * (db/ingest.h), so it stands between two batches of messages, and tells the worker through `touched`; members and feed follow in the next
 * tick, which db_touched_taken waits for. On a connection of the caller's, outside any transaction. A person is named by a raw id. */
#pragma once

#include <stdbool.h>

#include "db/conn.h"
#include "db/message.h"

/* Has a tick taken that row of `touched`, and with it all rows before it that were visible with it? */
enum db_status db_touched_taken(struct db *db, int64_t touched_id, bool *ret_taken) MUST_CHECK;

/* --- Merging --- */

enum join_refusal { JOIN_DONE, JOIN_NOT_A_USER, JOIN_TOO_LARGE, JOIN_TRAITS_TOO_LARGE };

struct joined {
    enum join_refusal refusal; /* JOIN_DONE: none */
    int64_t touched_id;        /* to wait for; 0: the two were one already */
};

/* Merges the person `from` into the user `into`: events, ids and consent move, traits where `into` has none. DB_NONE: one is nobody. */
enum db_status db_person_join(struct db *db, const struct id *from, const struct id *into, struct joined *ret_joined) MUST_CHECK;

/* --- Addresses --- */

/* An address became another one (both normalized): it means whom the old one means. Who was known by the new one alone merges into that
 * person; a user's address stays that user's, and who was known by the old one alone merges into the user. Two users stay two. Where
 * one of them is nobody's, it is the other's; where both are, they are one person's from now on. DB_OK when it is so, before or now. */
enum db_status db_person_readdress(struct db *db, const char *was, const char *is) MUST_CHECK;

/* --- Traits --- */

/* Applies a JSON Merge Patch (an object with a member or more) to the traits. DB_NONE: nobody. *ret_too_large: they would be over 1 MiB,
 * nothing was changed. */
enum db_status db_person_patch(struct db *db, const struct id *raw, struct span patch, bool *ret_too_large) MUST_CHECK;
