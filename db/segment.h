/* Segments as the API reads and saves them. Building, swapping and clearing are the worker's (db/version.h): a save only adds a version row, and a
 * delete only marks. */
#pragma once

#include "db/conn.h"

/* Texts live as long as the rows. */
struct segment_row {
    int32_t segment_id;
    const char *key;
    const char *name;
    const char *description;
    const char *kind;
    const char *timezone;
    bool is_public;
    int64_t version;   /* of the newest */
    const char *state; /* of the newest: building, live, failed */
    double progress;
    const char *code;       /* why it failed, or NULL */
    const char *definition; /* NULL for a list, or when not asked for */
    int32_t serving_id;     /* version_id of the version whose members are shown, 0: none yet */
    int64_t serving;        /* its number, 0: none yet */
    int64_t size;
    int64_t identified;
    int64_t created_us;
    int64_t updated_us;
    int64_t as_of_us;           /* of the worker, INSTANT_NONE before its first tick */
    int64_t lag_ms;             /* how old as_of is */
    const struct db_rows *rows; /* for its tags: db_array(rows, row, SEGMENT_TAGS) */
    size_t row;
};
enum { SEGMENT_TAGS = 6 };

/* DB_NONE: no such segment. */
enum db_status db_segment_read(struct db *db, const char *key, struct db_rows *ret_rows) MUST_CHECK;
/* The same as part of a pipeline. */
void db_segment_send_read(struct db *db, const char *key);

struct segment_filter {
    const char *kind; /* each NULL: any */
    const char *tag;
    const char *state;
    const char *text;  /* in key, name or description, without regard to case */
    const char *after; /* keys after this one; "": all */
    bool definitions;  /* give definitions, too */
    int32_t limit;
};
/* Ordered by key. */
enum db_status db_segment_list(struct db *db, const struct segment_filter *filter, struct db_rows *ret_rows) MUST_CHECK;
/* Row i of either. */
struct segment_row db_segment_row(const struct db_rows *rows, size_t i);

/* --- Saving: inside one transaction (db_tx), which db_segment_lock begins: two saves cannot close a cycle between them, and the worker is told at the
 * commit --- */

/* DB_OK; held until the transaction ends. */
enum db_status db_segment_lock(struct db *db) MUST_CHECK;

struct segment_new {
    const char *key;
    const char *name;
    const char *description;
    const char *kind;
    const char *timezone;
    const char *const *tags;
    size_t n_tags;
    bool is_public;
    const char *definition; /* JSON, or NULL for a list */
    size_t definition_len;
};
/* With its first version. DB_NONE: the key is taken. */
enum db_status db_segment_insert(struct db *db, const struct segment_new *segment) MUST_CHECK;
/* Replaces all but key and kind; an unequal definition (as jsonb) or another time zone adds a version. updated_at moves when anything does. DB_NONE: gone. */
enum db_status db_segment_update(struct db *db, const struct segment_new *segment) MUST_CHECK;
/* Marks it deleted, and frees its key. DB_NONE: gone. */
enum db_status db_segment_delete(struct db *db, const char *key) MUST_CHECK;

/* Each segment with the keys that its definition refers to: columns key text, refers text[]; ordered by key. */
enum { EDGE_KEY, EDGE_REFERS };
enum db_status db_segment_edges(struct db *db, struct db_rows *ret_rows) MUST_CHECK;
/* The keys of segments that refer to this one, in their newest or serving definition: column key; ordered. */
enum db_status db_segment_dependents(struct db *db, const char *key, struct db_rows *ret_rows) MUST_CHECK;
/* Those of `keys` that are segments (column key). */
enum db_status db_segment_known(struct db *db, const char *const *keys, size_t n, struct db_rows *ret_rows) MUST_CHECK;
/* Definition, timezone and kind of the newest version, or of the serving one, if there is one: for references that are evaluated afresh. */
enum { DEFINITION_TEXT, DEFINITION_TIMEZONE, DEFINITION_KIND };
enum db_status db_segment_definition(struct db *db, const char *key, bool serving, struct db_rows *ret_rows) MUST_CHECK;

/* --- Checks that only the database can make; outside any transaction --- */

/* DB_NONE: PostgreSQL knows no such IANA time zone. */
enum db_status db_timezone_check(struct db *db, const char *name) MUST_CHECK;
/* DB_NONE: no regular expression. */
enum db_status db_pattern_check(struct db *db, const char *pattern) MUST_CHECK;
