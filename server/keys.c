/* The key cache. The one idea: an immutable snapshot, sorted by hash, is built aside and swapped in under a short lock; readers copy what they need out of
 * it under the same lock, so nobody frees what another reads. Invariant: the snapshot is what the database had at some moment of the last second while the
 * database can be reached; a revoked key lives no longer than that. Hashes are compared in constant time, keys themselves are never held. */
#include "server/keys.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "db/key.h"
#include "db/source.h"
#include "server/base/alloc.h"
#include "server/base/clock.h"
#include "server/base/origin.h"

/* Unknown keys may have the keys read again 20 times at once, and 20 times a second. */
#define REFRESH_US (50 * US_PER_MS)
#define BURST_US   US_PER_S

struct entry {
    uint8_t hash[KEY_HASH_SIZE];
    enum role role;
    int32_t source_id;
    enum privacy privacy;
    char **origins; /* owned */
    size_t n_origins;
};

struct snapshot {
    struct entry *entries;
    size_t n;
};

struct keys {
    pthread_mutex_t mtx;
    /* guarded by mtx */
    struct snapshot now;
    int64_t loaded_us; /* monotonic, when the last load began */
    int64_t spent_us;  /* monotonic: refreshes are paid for up to here */
    bool failed;       /* the last refresh did */
};

static void snapshot_free(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->n; i++) {
        for (size_t k = 0; k < snapshot->entries[i].n_origins; k++)
            free(snapshot->entries[i].origins[k]);
        free(snapshot->entries[i].origins);
    }
    free(snapshot->entries);
}

struct keys *keys_new(void)
{
    struct keys *keys = mem_zalloc(sizeof *keys);

    pthread_mutex_init(&keys->mtx, NULL);
    return keys;
}

void keys_free(struct keys *keys)
{
    if (!keys)
        return;
    snapshot_free(&keys->now);
    pthread_mutex_destroy(&keys->mtx);
    free(keys);
}

static enum role role_of(const char *name)
{
    if (strcmp(name, "write") == 0)
        return ROLE_WRITE;
    return strcmp(name, "admin") == 0 ? ROLE_ADMIN : ROLE_READ;
}

static struct entry make_entry(const struct db_rows *rows, size_t i)
{
    struct db_array origins = db_array(rows, i, KEY_LOAD_ORIGINS);
    struct entry entry = {.role = role_of(db_text(rows, i, KEY_LOAD_ROLE)),
                          .source_id = (int32_t)db_int(rows, i, KEY_LOAD_SOURCE),
                          .privacy = db_source_privacy(db_text(rows, i, KEY_LOAD_PRIVACY))};

    ASSERT(db_text_len(rows, i, KEY_LOAD_HASH) == KEY_HASH_SIZE);
    memcpy(entry.hash, db_text(rows, i, KEY_LOAD_HASH), KEY_HASH_SIZE);
    entry.origins = mem_grow(NULL, origins.left, sizeof *entry.origins);
    while (origins.left) {
        size_t len;
        const char *text = db_array_next_text(&origins, &len);

        entry.origins[entry.n_origins++] = mem_strndup(text ? text : "", len);
    }
    return entry;
}

enum db_status keys_load(struct keys *keys, struct db *db)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct snapshot fresh, old;
    int64_t began_us = clock_mono_us();
    enum db_status status = db_key_load(db, &rows);

    if (status != DB_OK && status != DB_NONE)
        return status;
    fresh.n = db_rows_count(&rows);
    fresh.entries = mem_grow(NULL, fresh.n, sizeof *fresh.entries);
    for (size_t i = 0; i < fresh.n; i++)
        fresh.entries[i] = make_entry(&rows, i);
    pthread_mutex_lock(&keys->mtx);
    old = fresh;
    if (began_us >= keys->loaded_us) { /* else another thread has newer ones */
        old = keys->now;
        keys->now = fresh;
        keys->loaded_us = began_us;
    }
    pthread_mutex_unlock(&keys->mtx);
    snapshot_free(&old);
    return DB_OK;
}

bool keys_refresh(struct keys *keys, struct db *db)
{
    int64_t now_us = clock_mono_us();
    bool due, failed;

    pthread_mutex_lock(&keys->mtx);
    if (keys->spent_us < now_us)
        keys->spent_us = now_us;
    due = keys->spent_us - now_us < BURST_US;
    if (due)
        keys->spent_us += REFRESH_US;
    failed = keys->failed;
    pthread_mutex_unlock(&keys->mtx);
    if (!due)
        return !failed;
    failed = keys_load(keys, db) != DB_OK;
    pthread_mutex_lock(&keys->mtx);
    keys->failed = failed;
    pthread_mutex_unlock(&keys->mtx);
    return !failed;
}

static bool origin_ok(const struct entry *entry, const char *origin)
{
    if (!origin || !entry->n_origins)
        return true;
    for (size_t i = 0; i < entry->n_origins; i++)
        if (origin_matches(entry->origins[i], origin))
            return true;
    return false;
}

/* The first entry whose hash does not begin with fewer bytes: ordered by the first 8 bytes, which say nothing about a key. */
static size_t lower_bound(const struct snapshot *snapshot, const uint8_t *hash)
{
    size_t low = 0, high = snapshot->n;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (memcmp(snapshot->entries[mid].hash, hash, 8) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool keys_find(struct keys *keys, const uint8_t hash[KEY_HASH_SIZE], const char *origin, struct key *ret_key)
{
    bool found = false;
    size_t i;

    pthread_mutex_lock(&keys->mtx);
    i = lower_bound(&keys->now, hash);
    if (i < keys->now.n && CRYPTO_memcmp(keys->now.entries[i].hash, hash, KEY_HASH_SIZE) == 0) {
        const struct entry *entry = &keys->now.entries[i];

        *ret_key = (struct key){
            .role = entry->role, .source_id = entry->source_id, .origin_ok = origin_ok(entry, origin), .privacy = entry->privacy};
        found = true;
    }
    pthread_mutex_unlock(&keys->mtx);
    return found;
}
