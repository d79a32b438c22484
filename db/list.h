/* Edits of lists: put into a queue by the API, applied by the worker inside a tick. People are named by raw ids (server/base/id.h), which
 * are resolved when the edit is applied, so that a merge in between counts. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"
#include "db/membership.h"
#include "db/message.h"

enum list_mode { LIST_ADD, LIST_REMOVE, LIST_REPLACE };

/* --- For the API; outside any transaction --- */

/* Has each of these people (all ids of one kind) exist, in small transactions under the locks of ingest: an uploaded list may name
 * people who have not been seen yet. people in order of raw id. */
enum db_status db_list_people(struct db *db, const struct person *people, size_t n, enum person_kind kind) MUST_CHECK;

/* Queues an edit and wakes the worker. DB_NONE: there is no list of that key. */
struct list_edit {
    const char *key;
    enum list_mode mode;
    const struct id *people; /* raw ids */
    size_t n;
};
enum db_status db_list_put(struct db *db, const struct list_edit *edit, int64_t *ret_op_id) MUST_CHECK;

/* What became of it. DB_NONE: the list was deleted meanwhile. */
struct list_outcome {
    bool done; /* else it still waits */
    int64_t added;
    int64_t removed;
    int64_t unchanged;
};
enum db_status db_list_read(struct db *db, int64_t op_id, struct list_outcome *ret_outcome) MUST_CHECK;

/* --- For the worker; inside a frame (db/tick.h) --- */

struct list_op {
    int64_t op_id;
    int32_t segment_id;
    int32_t version_id; /* 0: the list is gone */
    const char *key;    /* borrowed from the rows, like all texts */
    enum list_mode mode;
};
/* The oldest edits that wait, at most limit. DB_NONE: none does. */
enum db_status db_list_waiting(struct db *db, size_t limit, struct db_rows *ret_rows) MUST_CHECK;
struct list_op db_list_op(const struct db_rows *rows, size_t i);

/* The profiles an edit names, in order, each once, as one array (db_array(rows, 0, 0)), and how many of its people mean none (db_int(rows,
 * 0, 1)). */
enum db_status db_list_resolve(struct db *db, int64_t op_id, struct db_rows *ret_rows) MUST_CHECK;
/* Those of the profiles that are members, or that are not, in order of id. DB_NONE: none. Rows: */
enum { LISTED_PROFILE, LISTED_WHO /* three columns: db/who.h */ };
struct list_ask {
    int32_t version_id;
    const struct id *profiles;
    size_t n;
    bool members;
};
enum db_status db_list_ask(struct db *db, const struct list_ask *ask, struct db_rows *ret_rows) MUST_CHECK;
/* Members after a profile, in order of id, at most limit: rows (profile_id). DB_NONE: no more. */
enum db_status db_list_members(struct db *db, int32_t version_id, const struct id *after, size_t limit,
                               struct db_rows *ret_rows) MUST_CHECK;
/* The edit is done, as part of this transaction; those that were done more than an hour ago go. */
enum db_status db_list_done(struct db *db, int64_t op_id, const struct list_outcome *outcome) MUST_CHECK;
/* The edit goes: its list is gone. */
enum db_status db_list_drop(struct db *db, int64_t op_id) MUST_CHECK;

/* Makes members of those profiles (survivors of merges) for those versions that are lists. Rows: who has become one: */
enum { INHERITED_VERSION, INHERITED_PROFILE, INHERITED_WHO /* three columns */, INHERITED_SEGMENT = INHERITED_WHO + 3, INHERITED_KEY };
enum db_status db_list_inherit(struct db *db, const struct db_member *members, size_t n, struct db_rows *ret_rows) MUST_CHECK;
