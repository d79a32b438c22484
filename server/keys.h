/* The keys of all sources and tools, in memory: so that the loop threads know a caller without the database. */
#pragma once

#include "db/conn.h"
#include "server/base/ports.h"

struct keys;

/* Empty until the first keys_load. */
struct keys *keys_new(void);
void keys_free(struct keys *keys);

/* Any thread, never waits for the database. origin (the browser's, or NULL) is compared with those the source allows. */
bool keys_find(struct keys *keys, const uint8_t hash[KEY_HASH_SIZE], const char *origin, struct key *ret_key) MUST_CHECK;
/* Replaces them all by what the database has. One round trip. */
enum db_status keys_load(struct keys *keys, struct db *db) MUST_CHECK;
/* The same because of a key that was not found; at most 20 times a second, so that a flood of bad keys costs little.
 * False: the database failed, so a key that is not found may exist. */
bool keys_refresh(struct keys *keys, struct db *db);
