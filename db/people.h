/* People who are changed by hand, under the exclusive locks of all ids that mean them. Internal to db/erasure.c and db/person_edit.c. */
#pragma once

#include "db/conn.h"
#include "db/lock.h"

enum { PEOPLE_MAX = 2 };
/* Whom a tombstone means. */
#define NOBODY "'00000000-0000-0000-0000-000000000000'::uuid"

struct people {
    const struct id *raws; /* as they were named; borrowed */
    size_t n;
    bool locks[LOCKS];   /* held, or to be taken */
    struct db_rows rows; /* a row for each that has a profile or had one: */
};
enum { PERSON_NTH, PERSON_PROFILE, PERSON_EXISTS, PERSON_IS_USER, PERSON_RAWS };
#define AUTO_PEOPLE CLEANUP(people_release)
void people_release(struct people *people);

/* Begins a transaction that holds the locks of all ids of the people, who have been read under them. DB_OK or not: it is to be ended. */
enum db_status people_begin(struct db *db, struct people *people) MUST_CHECK;
/* The row of the n-th person named, if there is such a person. */
bool people_find(const struct people *people, size_t n, size_t *ret_row);
/* Wakes the worker and commits; *ret_touched_id (NULL: not wanted): the last row of `touched` that the transaction wrote. */
enum db_status people_commit(struct db *db, int64_t *ret_touched_id) MUST_CHECK;

/* Marks the lock of a raw id as needed; true: it was not. */
bool people_need(struct people *people, struct id raw);
/* Takes all that are marked, in a transaction. */
enum db_status people_lock(struct db *db, const struct people *people) MUST_CHECK;
