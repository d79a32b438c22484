/* From candidates to differences: evaluates versions for the profiles that may have moved, and writes what differs. Inside a tick's
 * transaction. Worker thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/change.h"
#include "db/conn.h"
#include "db/membership.h"
#include "server/roster.h"

struct differ {
    struct db *db;
    struct roster *roster;
    int64_t as_of_us;
    int64_t floor_us;
    size_t asked;               /* levels below it have their candidates, and get no more */
    bool careful;               /* ask with care (server/careful.h) */
    VEC(struct id) merged;      /* profiles that others were merged into, sorted */
    VEC(struct db_aside) aside; /* profiles set aside, sorted by version and profile */
    /* What one level found; written by differ_write. */
    VEC(struct db_member) enter;
    VEC(struct db_member) leave;
    VEC(struct db_change) changes;
    VEC(struct db_rows) rows;      /* own the texts of changes */
    VEC(struct db_member) earlier; /* entered_at of merged ones, written at the end */
    VEC(struct db_size) sizes;
    /* What the tick as a whole did. */
    bool ended;      /* versions are over: the roster is to be pruned */
    bool asides;     /* profiles were set aside or tried again: careful_load */
    int64_t max_seq; /* of the changes written; 0: none */
    size_t n_changes;
    size_t evaluated; /* profiles × versions */
    size_t decided;   /* of these without a statement (server/sift.h) */
    size_t failed;    /* versions */
    size_t set_aside; /* profiles */
};

/* A new tick begins. What was learnt about profiles set aside is kept. */
void differ_begin(struct differ *differ, int64_t as_of_us, int64_t floor_us);
void differ_release(struct differ *differ);

/* Notes that a profile may have moved; unless the version does not keep it up. */
void differ_add(struct differ *differ, uint32_t version, const struct id *profile, enum change_cause cause);
/* Whom a segment gained or lost may move in those that refer to it, which have higher levels; should one not, it hears nothing of it any
 * more. */
void differ_pass_on(struct differ *differ, int32_t segment_id, const struct id *profile);
/* Notes a difference: of a version's candidate, or of one that was; and passes it on. */
struct differ_found {
    struct id profile;
    struct who who; /* borrowed from differ->rows */
    bool enter;
    enum change_cause cause;
};
void differ_note(struct differ *differ, struct roster_version *version, const struct differ_found *found);
/* Evaluates all versions of a level and writes the differences. DB_RETRY or DB_ERROR: the tick must be rolled back; when db_sqlstate is set and differ was
 * not careful, the next one should be. */
enum db_status differ_level(struct differ *differ, size_t level) MUST_CHECK;
/* Writes changes that were noted apart from levels; and, at the end, sizes and earlier entered_at. */
enum db_status differ_write(struct differ *differ) MUST_CHECK;
enum db_status differ_end(struct differ *differ) MUST_CHECK;

/* Has the version rebuilt instead of evaluated: too much is due. Of all versions, or of those that time moves. */
enum db_status differ_rebuild(struct differ *differ, struct roster_version *version) MUST_CHECK;
enum db_status differ_rebuild_all(struct differ *differ, bool only_due) MUST_CHECK;
/* Adds the profiles of rows (their first column), whom a date moves, for the versions that it concerns; has these rebuilt when the rows are as many as they
 * may be. */
enum db_status differ_add_due(struct differ *differ, const struct due_offset *offset, const struct db_rows *rows, size_t limit) MUST_CHECK;

enum { DIFFER_TIMEOUT_MS = 10000 }; /* for one version's candidates of one tick */
/* For careful.c: sends the version's statement for these candidates, in order; and takes over its rows: notes the differences. The latter only when nothing is
 * under way: it may ask for more. */
void differ_ask(struct differ *differ, const struct roster_version *version, const struct candidate *candidates, size_t n);
enum db_status differ_take(struct differ *differ, struct roster_version *version, struct db_rows *rows) MUST_CHECK;
/* For qsort: by profile, then cause. */
int candidate_order(const void *a, const void *b);
