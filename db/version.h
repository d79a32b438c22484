/* Versions of segments: their rows, and the steps of their lives. Worker only, on its connection; what writes runs inside a frame (db/tick.h).
 *
 *     building → live → retired (its rows are swept)        a rebuild is a new row; the old one, retired, serves on until the new one is swapped in
 *     building or live → failed → (after its back-off) rebuilt */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"
#include "server/base/vec.h"

/* Texts are borrowed from the rows. */
struct db_version {
    int32_t version_id;
    int32_t segment_id;
    int32_t number;
    const char *key;
    const char *definition;
    const char *timezone;
    const char *cause;
    bool live; /* else building */
    bool serving;
    bool started; /* built_to is set */
    struct id built_to;
    int32_t attempt;
};

/* Versions to be kept up, of rules that are not deleted, by version_id: all, or only those building that are not among `known`. */
enum db_status db_versions_all(struct db *db, struct db_rows *ret_rows) MUST_CHECK;
enum db_status db_versions_new(struct db *db, const int32_t *known, size_t n_known, struct db_rows *ret_rows) MUST_CHECK;
struct db_version db_version_at(const struct db_rows *rows, size_t row);

/* Segments that are not deleted. */
struct db_segment {
    int32_t segment_id;
    int32_t serving; /* version_id, 0: none */
    bool list;
    char *key; /* owned */
};
/* Fills the list, by segment_id. db_segments_free frees what it holds. */
struct db_segments {
    VEC(struct db_segment) all;
};
enum db_status db_segments_read(struct db *db, struct db_segments *ret_segments) MUST_CHECK;
void db_segments_free(struct db_segments *segments);

/* What may wait in the tables for the worker; cheap enough for every second. */
struct db_chores {
    bool retry; /* failed versions whose time has come */
    bool sweep; /* rows of old versions to be deleted */
};
enum db_status db_chores_read(struct db *db, struct db_chores *ret_chores) MUST_CHECK;

/* Retires building and failed versions that a newer one of their segment has overtaken; ret_rows: their ids (version_id), which are kept up no longer. DB_NONE:
 * none. */
enum db_status db_versions_supersede(struct db *db, struct db_rows *ret_rows) MUST_CHECK;
/* The version failed, with a code, to be rebuilt at retry_us. */
enum db_status db_version_fail(struct db *db, int32_t version_id, const char *code, int64_t retry_us) MUST_CHECK;
/* A new row is to be built in its place; the version is retired (if it serves, it serves on). DB_NONE: it was not there any more. */
enum db_status db_version_rebuild(struct db *db, int32_t version_id) MUST_CHECK;
/* Rebuilds every failed version whose time has come. */
enum db_status db_versions_retry(struct db *db) MUST_CHECK;

/* A slice of a build is done: members counted, built up to there. */
struct db_version_progress {
    int32_t version_id;
    struct id built_to;
    double progress;
    int64_t size;
    int64_t identified;
};
enum db_status db_version_progress(struct db *db, const struct db_version_progress *progress) MUST_CHECK;

struct db_swap {
    int32_t version_id;
    int32_t segment_id;
    const char *key;
    const char *cause;
    int64_t at_us;
};
/* Swaps a built version in: the difference to the serving one goes to the feed, who stays keeps entered_at. ret_profiles gets the profiles that differ (at
 * most limit), *ret_seq the feed's last number (0: none). */
enum db_status db_version_swap(struct db *db, const struct db_swap *swap, size_t limit, struct db_rows *ret_profiles,
                               int64_t *ret_seq) MUST_CHECK;

/* Deletes some rows of versions to be swept, at most limit. DB_NONE: nothing was left. */
enum db_status db_versions_sweep(struct db *db, size_t limit) MUST_CHECK;
/* Writes the clear of each deleted segment into the feed and removes it; its members are swept later. *ret_seq as above. Inside a tick, before all it writes: a
 * new segment may have the key of a deleted one. */
enum db_status db_segments_clear(struct db *db, int64_t at_us, int64_t *ret_seq) MUST_CHECK;
