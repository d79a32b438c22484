/* API keys and write keys. The key itself is never stored: its SHA-256 is. Each change notifies cohortd_keys, so every process reads its keys again. */
#pragma once

#include "db/conn.h"

/* What a process needs to know of every key that is not revoked, ordered by hash: of a write key also its source's settings. Columns: */
enum { KEY_LOAD_HASH, KEY_LOAD_ROLE, KEY_LOAD_SOURCE, KEY_LOAD_ORIGINS, KEY_LOAD_PRIVACY };
enum db_status db_key_load(struct db *db, struct db_rows *ret_rows) MUST_CHECK;
/* Is there any key, revoked ones too? DB_OK: yes, DB_NONE: no. */
enum db_status db_key_any(struct db *db) MUST_CHECK;

struct key_row {
    struct id key_id;
    const char *role;
    const char *source; /* NULL unless it is a write key */
    const char *name;
    const char *prefix;
    int64_t created_us;
    int64_t revoked_us; /* INSTANT_NONE: it works */
};
/* Ordered by key_id, those after `after` (NULL: all), at most limit. */
enum db_status db_key_list(struct db *db, const struct id *after, int32_t limit, struct db_rows *ret_rows) MUST_CHECK;
/* Row i of db_key_list or db_key_insert; its texts live as long as the rows. */
struct key_row db_key_row(const struct db_rows *rows, size_t i);

struct key_new {
    const char *role;   /* "write", "read", "admin" */
    const char *source; /* of a write key: the source's name; it must be there */
    const char *name;
    const char *prefix;
    const uint8_t *hash; /* KEY_HASH_SIZE bytes */
};
/* DB_NONE: no such source. */
enum db_status db_key_insert(struct db *db, const struct key_new *key, struct db_rows *ret_rows) MUST_CHECK;
/* DB_NONE: no such key, or revoked before. */
enum db_status db_key_revoke(struct db *db, const struct id *key_id) MUST_CHECK;
