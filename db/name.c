/* Interning of event names. The one idea: ask the cache, then the table, and only for what is in neither insert, in one statement that
 * counts what each source has already; so a batch of known names costs no query, and a source at its cap one index look-up for each
 * unknown name. Invariant: a number is cached only after it was read from a committed row. */
#include "db/name.h"

#include <string.h>

#include "server/base/alloc.h"
#include "server/base/vec.h"

enum { CAP_MIN = 256 };

struct entry {
    char *name; /* owned; NULL: empty */
    size_t len;
    int32_t name_id;
};

struct name_cache {
    struct entry *entries; /* open addressing */
    size_t cap;            /* a power of two */
    size_t n;
    uint64_t seed; /* of the hash: clients choose names */
    size_t names_max;
    VEC(int32_t) full; /* sources that have reached their cap */
};

DB_STATEMENT(name_find, "T",
             "SELECT name, name_id FROM event_name WHERE name_hash(name) = ANY (ARRAY(SELECT name_hash(asked) FROM unnest($1) asked))");
DB_STATEMENT(name_add, "TIl",
             "INSERT INTO event_name (name, source_id)"
             " SELECT name, source_id FROM"
             " (SELECT name, source_id, row_number() OVER (PARTITION BY source_id ORDER BY name) AS nth"
             " FROM (SELECT name, min(nullif(source_id, 0)) FROM unnest($1::text[], $2::integer[]) AS t (name, source_id) GROUP BY name) AS"
             " one (name, source_id)) AS new"
             " WHERE source_id IS NULL OR $3 = 0 OR nth + (SELECT count(*) FROM event_name e WHERE e.source_id = new.source_id) <= $3"
             " ORDER BY name COLLATE \"C\" ON CONFLICT DO NOTHING");

struct name_cache *name_cache_new(size_t names_max)
{
    struct name_cache *cache = mem_zalloc(sizeof *cache);

    cache->names_max = names_max;
    cache->cap = CAP_MIN;
    cache->entries = mem_zalloc(cache->cap * sizeof *cache->entries);
    random_bytes(&cache->seed, sizeof cache->seed);
    return cache;
}

void name_cache_free(struct name_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->cap; i++)
        free(cache->entries[i].name);
    free(cache->entries);
    vec_free(&cache->full);
    free(cache);
}

/* FNV-1a with a seed, its bits mixed once more. */
static uint64_t hash_of(const struct name_cache *cache, struct span name)
{
    uint64_t hash = cache->seed ^ UINT64_C(14695981039346656037);

    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (uint8_t)name.at[i]) * UINT64_C(1099511628211);
    return hash ^ hash >> 32;
}

static struct entry *find(const struct name_cache *cache, struct span name)
{
    size_t at = hash_of(cache, name) & (cache->cap - 1);

    while (cache->entries[at].name && (cache->entries[at].len != name.len || memcmp(cache->entries[at].name, name.at, name.len) != 0))
        at = (at + 1) & (cache->cap - 1);
    return &cache->entries[at];
}

static void grow(struct name_cache *cache)
{
    struct entry *old = cache->entries;
    size_t old_cap = cache->cap;

    cache->cap *= 2;
    cache->entries = mem_zalloc(cache->cap * sizeof *cache->entries);
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].name)
            *find(cache, (struct span){.at = old[i].name, .len = old[i].len}) = old[i];
    free(old);
}

static void put(struct name_cache *cache, struct span name, int32_t name_id)
{
    struct entry *entry;

    if (2 * cache->n >= cache->cap)
        grow(cache);
    entry = find(cache, name);
    if (entry->name)
        return;
    *entry = (struct entry){.name = mem_strndup(name.at, name.len), .len = name.len, .name_id = name_id};
    cache->n++;
}

static bool is_full(const struct name_cache *cache, int32_t source_id)
{
    for (size_t i = 0; i < cache->full.n; i++)
        if (cache->full.at[i] == source_id)
            return true;
    return false;
}

/* Answers from the cache; how many are left. */
static size_t from_cache(const struct name_cache *cache, struct name_ask *asks, size_t n)
{
    size_t left = 0;

    for (size_t i = 0; i < n; i++) {
        if (!asks[i].name_id) {
            const struct entry *entry = find(cache, asks[i].name);

            asks[i].name_id = entry->name ? entry->name_id : 0;
        }
        left += !asks[i].name_id;
    }
    return left;
}

/* Reads into the cache the rows of the names without an answer. */
static enum db_status read_rows(struct db *db, struct name_cache *cache, const struct name_ask *asks, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_array_begin(&args, 'T');
    for (size_t i = 0; i < n; i++)
        if (!asks[i].name_id)
            db_array_text(&args, asks[i].name.at, asks[i].name.len);
    db_array_end(&args);
    status = db_run(db, &name_find, &args, &rows);
    for (size_t i = 0; i < db_rows_count(&rows); i++)
        put(cache, (struct span){.at = db_text(&rows, i, 0), .len = db_text_len(&rows, i, 0)}, (int32_t)db_int(&rows, i, 1));
    return status == DB_NONE ? DB_OK : status;
}

/* How many were sent to be inserted: those without an answer, of sources that are not full. */
static enum db_status add_rows(struct db *db, const struct name_cache *cache, const struct name_ask *asks, size_t n)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    db_array_begin(&args, 'T');
    for (size_t i = 0; i < n; i++)
        if (!asks[i].name_id && !is_full(cache, asks[i].source_id))
            db_array_text(&args, asks[i].name.at, asks[i].name.len);
    db_array_end(&args);
    db_array_begin(&args, 'I');
    for (size_t i = 0; i < n; i++)
        if (!asks[i].name_id && !is_full(cache, asks[i].source_id))
            db_array_int(&args, asks[i].source_id);
    db_array_end(&args);
    db_arg_long(&args, (int64_t)cache->names_max);
    return db_run(db, &name_add, &args, NULL);
}

/* DB_RETRY: a name without a cap is still without a number, for this transaction's snapshot is older than it. */
static enum db_status note_full(struct name_cache *cache, const struct name_ask *asks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!asks[i].name_id && !asks[i].source_id)
            return DB_RETRY;
        if (!asks[i].name_id && !is_full(cache, asks[i].source_id))
            *VEC_ADD(&cache->full) = asks[i].source_id;
    }
    return DB_OK;
}

static bool any_to_add(const struct name_cache *cache, const struct name_ask *asks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!asks[i].name_id && !is_full(cache, asks[i].source_id))
            return true;
    return false;
}

static enum db_status intern(struct db *db, struct name_cache *cache, struct name_ask *asks, size_t n)
{
    enum db_status status;

    if (!from_cache(cache, asks, n))
        return DB_OK;
    status = read_rows(db, cache, asks, n);
    if (status != DB_OK || !from_cache(cache, asks, n) || !any_to_add(cache, asks, n))
        return status;
    status = add_rows(db, cache, asks, n);
    if (status == DB_OK)
        status = read_rows(db, cache, asks, n);
    if (status != DB_OK || !from_cache(cache, asks, n))
        return status;
    return note_full(cache, asks, n);
}

enum db_status db_names_intern(struct db *db, struct name_cache *cache, struct name_ask *asks, size_t n)
{
    struct name_cache *own = cache ? NULL : name_cache_new(0);
    enum db_status status = intern(db, cache ? cache : own, asks, n);

    name_cache_free(own);
    return status;
}
