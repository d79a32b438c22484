/* Sources: the websites, shops and tools that send events; write keys belong to them. A change notifies cohortd_keys, for what a process keeps of a key
 * (db/key.h) holds its source's settings too. */
#pragma once

#include "db/conn.h"
#include "server/base/ports.h"

struct source_row {
    const char *name;
    const char *privacy;        /* "ignore", "first_party", "drop" */
    const char *provider;       /* of its webhooks, NULL: it has none */
    const char *hook;           /* JSON text, of a custom provider, or NULL */
    int64_t n_secrets;          /* themselves they are not told */
    const struct db_rows *rows; /* for its origins: db_array(rows, row, SOURCE_ORIGINS) */
    size_t row;
    int64_t created_us;
};
/* The columns of all the rows below. */
enum { SOURCE_NAME, SOURCE_ORIGINS, SOURCE_PRIVACY, SOURCE_CREATED, SOURCE_PROVIDER, SOURCE_HOOK, SOURCE_SECRETS };
/* Ordered by name, those after `after` ("": all), at most limit. */
enum db_status db_source_list(struct db *db, const char *after, int32_t limit, struct db_rows *ret_rows) MUST_CHECK;
/* Row i; its texts live as long as the rows. */
struct source_row db_source_row(const struct db_rows *rows, size_t i);

/* What a caller says of a source. */
struct source_edit {
    const char *const *origins; /* n_origins of them, */
    size_t n_origins;
    bool has_origins;    /* or, if false: as they are (of a new one: none) */
    const char *privacy; /* NULL: as it is (of a new one: "first_party") */
    /* Its webhooks, all or nothing: */
    bool has_hook;        /* false: as they are (of a new one: none) */
    const char *provider; /* NULL: none */
    const char *hook;     /* JSON text; of a custom provider, else NULL */
    const char *const *secrets;
    size_t n_secrets;
};
/* DB_NONE: the name is taken. */
enum db_status db_source_insert(struct db *db, const char *name, const struct source_edit *edit, struct db_rows *ret_rows) MUST_CHECK;
/* DB_NONE: no such source. */
enum db_status db_source_update(struct db *db, const char *name, const struct source_edit *edit, struct db_rows *ret_rows) MUST_CHECK;
/* Makes the source unless it is there. */
enum db_status db_source_ensure(struct db *db, const char *name) MUST_CHECK;
/* Its number and its policy. DB_NONE: no such source. */
enum db_status db_source_id(struct db *db, const char *name, int32_t *ret_source_id, enum privacy *ret_privacy) MUST_CHECK;
/* A policy by its word; the default by NULL. */
enum privacy db_source_privacy(const char *word);
/* What its webhooks are verified and mapped with; see below. DB_NONE: no such source. */
enum db_status db_source_hook(struct db *db, const char *name, struct db_rows *ret_rows) MUST_CHECK;
/* Columns of that row: number; provider, NULL: none; the entry of a custom one as JSON text; text[]. */
enum { SOURCE_HOOK_ID, SOURCE_HOOK_PROVIDER, SOURCE_HOOK_ENTRY, SOURCE_HOOK_SECRETS };
/* Deletes a source with its revoked keys. DB_NONE: no such source, or it has keys that work or has sent something (*ret_in_use). */
enum db_status db_source_delete(struct db *db, const char *name, bool *ret_in_use) MUST_CHECK;
