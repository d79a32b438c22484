/* Event names and their numbers. Rows of event_name are only added, so what a process has seen committed it may keep for good. */
#pragma once

#include "db/conn.h"
#include "db/message.h"

/* The names one thread knows. One thread at a time. */
struct name_cache;
/* names_max: how many a source may send, about (processes that intern at once may pass it by a few); 0: no limit. A source found at its limit stays so for the
 * life of the cache. */
struct name_cache *name_cache_new(size_t names_max);
void name_cache_free(struct name_cache *cache);

enum { NAMES_MAX_DEFAULT = 10000 };

struct name_ask {
    struct span name;
    int32_t source_id; /* who sends it, and whose cap counts; 0: a definition, without a cap */
    int32_t name_id;   /* the answer; 0: not interned, its source has too many names */
};

/* Fills in the name_id of each, interning names that are new: in a transaction of its own, ordered, so that no two can wait for each
 * other. Must be called outside a transaction. DB_OK unless the database fails. cache may be NULL: nothing is kept, and no source has a cap. */
enum db_status db_names_intern(struct db *db, struct name_cache *cache, struct name_ask *asks, size_t n) MUST_CHECK;
