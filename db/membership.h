/* Members of versions, as the worker writes them; all inside a frame (db/tick.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"

struct db_member {
    int32_t version_id;
    struct id profile;
    int64_t entered_us;
};

/* None of them may be a member yet: it is the caller's statement that found so, in this transaction. */
enum db_status db_membership_insert(struct db *db, const struct db_member *members, size_t n) MUST_CHECK;
/* As insert, but at twice the price it passes over those who are (logged), or stand here twice. */
enum db_status db_membership_insert_missing(struct db *db, const struct db_member *members, size_t n) MUST_CHECK;
/* Each of these sends one statement; receive with db_receive. */
void db_membership_send_delete(struct db *db, const struct db_member *members, size_t n);
/* Those who are members get entered_us where it is earlier than their own. */
void db_membership_send_earlier(struct db *db, const struct db_member *members, size_t n);

/* Deletes all memberships of profiles that are gone: rows (version_id, profile_id, entered_at, user_id, anonymous_id, email), the last
 * three from `identity`. */
enum db_status db_membership_gone(struct db *db, const struct id *profiles, size_t n, struct db_rows *ret_rows) MUST_CHECK;

/* Sizes of versions change by so much. */
struct db_size {
    int32_t version_id;
    int64_t members;
    int64_t identified;
};
void db_membership_send_sizes(struct db *db, const struct db_size *sizes, size_t n);

/* Which of these profiles do not exist: rows (profile_id). */
enum db_status db_profiles_missing(struct db *db, const struct id *profiles, size_t n, struct db_rows *ret_rows) MUST_CHECK;
/* About how many profiles there are, from the planner's statistics; never below 1. */
enum db_status db_profiles_estimate(struct db *db, int64_t *ret_profiles) MUST_CHECK;

/* Profiles set aside: too dear to evaluate for a version. */
struct db_aside {
    int32_t version_id;
    struct id profile;
    int64_t retry_us;
    int32_t attempt;
};
enum db_status db_aside_put(struct db *db, const struct db_aside *aside) MUST_CHECK;
enum db_status db_aside_drop(struct db *db, const struct db_aside *aside) MUST_CHECK;
/* All of them, at most limit: rows (version_id, profile_id, retry_at, attempt). */
enum db_status db_aside_all(struct db *db, size_t limit, struct db_rows *ret_rows) MUST_CHECK;
