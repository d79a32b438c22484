/* One batch of messages, one transaction of two round trips: read under locks, decide, write and commit. The one idea: all that could
 * be decided wrongly (whose is this, is it a double, does it merge) is decided by C between the trips, from rows that the locks keep as
 * they are until the commit; docs/exactness.md says why each lock is needed. A batch that PostgreSQL refuses for what is in it is
 * halved until the culprit is alone; so is one that merges a person with very many events, or people with very large traits. Whether
 * to try again, and when, is the writer's. */
#include "db/ingest.h"

#include <string.h>

#include "db/ingest_batch.h"
#include "db/partition.h"
#include "server/base/alloc.h"
#include "server/base/log.h"

/* A merge whose ids change between attempts takes more locks each time; there are only so many. */
enum { ATTEMPTS = LOCKS + 1 };

static void refuse(struct batch *batch, struct item *item, const char *code, const char *detail)
{
    struct reject *reject = &batch->refused.at[batch->refused.n++];

    *reject = (struct reject){.code = code,
                              .payload = item->message->properties,
                              .received_us = item->message->received_us,
                              .source_id = item->message->source_id};
    (void)snprintf(reject->detail, sizeof reject->detail, "%s", detail);
    *VEC_ADD(&batch->rejects) = reject;
    item->rejected = true;
}

/* --- Names --- */

static bool reserved_id(const struct message *message, int32_t *ret_id)
{
    switch (message->kind) {
    case MESSAGE_EVENT:
        return false;
    case MESSAGE_IDENTIFY:
        *ret_id = NAME_ID_IDENTIFY;
        return true;
    case MESSAGE_ALIAS:
        *ret_id = NAME_ID_ALIAS;
        return true;
    case MESSAGE_GROUP:
        *ret_id = NAME_ID_GROUP;
        return true;
    }
    BUG("impossible message_kind");
}

/* Number the names of items[from, to). */
static enum db_status intern(struct batch *batch, struct name_cache *cache)
{
    struct name_ask *asks AUTO_FREE = mem_grow(NULL, batch->to - batch->from + 1, sizeof *asks);
    enum db_status status;
    size_t n = 0;

    for (size_t i = batch->from; i < batch->to; i++)
        if (!batch->items[i].name_id && !reserved_id(batch->items[i].message, &batch->items[i].name_id))
            asks[n++] = (struct name_ask){.name = batch->items[i].message->name, .source_id = batch->items[i].message->source_id};
    status = db_names_intern(batch->db, cache, asks, n);
    if (status != DB_OK)
        return status;
    n = 0;
    for (size_t i = batch->from; i < batch->to; i++) {
        struct item *item = &batch->items[i];

        if (item->name_id)
            continue;
        item->name_id = asks[n++].name_id;
        if (!item->name_id && !item->rejected)
            refuse(batch, item, "too_many_names", "its source has as many different event names as --names-max allows");
    }
    return DB_OK;
}

/* --- One transaction --- */

/* items[from, to) in one transaction. DB_NONE: nothing was done: among many there is one to be stored alone. */
static enum db_status attempt(struct batch *batch)
{
    memset(batch->locks, 0, sizeof batch->locks);
    for (int i = 0; i < ATTEMPTS; i++) {
        enum db_status status = ingest_read(batch);

        if (status != DB_OK)
            return status;
        batch->large = false;
        ingest_walk(batch);
        if (ingest_locks_suffice(batch)) {
            if (batch->large && batch->to - batch->from > 1) {
                db_rollback(batch->db);
                return DB_NONE;
            }
            status = ingest_orders(batch);
            if (status != DB_NONE)
                return status == DB_OK ? ingest_write(batch) : status;
        }
        db_rollback(batch->db);
    }
    BUG("more locks than there are");
}

static int64_t newest_us(const struct batch *batch)
{
    int64_t us = 0;

    for (size_t i = batch->from; i < batch->to; i++)
        if (batch->items[i].message->ts_us > us)
            us = batch->items[i].message->ts_us;
    return us;
}

/* As attempt; a partition that is missing is made. */
static enum db_status attempt_with_partitions(struct batch *batch, struct name_cache *cache)
{
    enum db_status status = intern(batch, cache);

    if (status == DB_OK)
        status = attempt(batch);
    if (status != DB_ERROR || strcmp(db_sqlstate(batch->db), "23514") != 0)
        return status;
    db_rollback(batch->db);
    status = db_partitions_ensure(batch->db, newest_us(batch));
    return status == DB_OK ? attempt(batch) : status;
}

/* Is it the data that PostgreSQL does not like? Class 22: bad values; 23: constraints; 54: limits (a text too long for an index, an
 * object too large). */
static bool is_data_fault(const char *sqlstate)
{
    return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 || strncmp(sqlstate, "54", 2) == 0;
}

static enum db_status ingest_range(struct batch *batch, struct name_cache *cache, size_t from, size_t to);

/* Of two items or more. Halves also where one is to be alone: there may be thousands of those, and an attempt reads for all its items. */
static enum db_status ingest_halves(struct batch *batch, struct name_cache *cache, size_t from, size_t to)
{
    size_t middle = from + (to - from) / 2;
    enum db_status status = ingest_range(batch, cache, from, middle);

    return status == DB_OK ? ingest_range(batch, cache, middle, to) : status;
}

static enum db_status ingest_range(struct batch *batch, struct name_cache *cache, size_t from, size_t to)
{
    enum db_status status;
    char sqlstate[8];

    batch->from = from;
    batch->to = to;
    status = attempt_with_partitions(batch, cache);
    if (status == DB_OK)
        return DB_OK;
    if (status == DB_NONE)
        return ingest_halves(batch, cache, from, to);
    (void)snprintf(sqlstate, sizeof sqlstate, "%s", db_sqlstate(batch->db));
    db_rollback(batch->db);
    if (status == DB_RETRY || !is_data_fault(sqlstate))
        return status;
    if (to - from > 1)
        return ingest_halves(batch, cache, from, to);
    if (to == from || batch->items[from].rejected)
        return DB_ERROR;
    log_warn("the database refuses a message", LOG_FIELD("sqlstate", LOG_TEXT(sqlstate)), );
    if (strcmp(sqlstate, "23514") == 0) /* partitions are there: it is profile_traits_check */
        refuse(batch, &batch->items[from], "traits_too_large", "the person's traits would be larger than 1 MiB");
    else
        refuse(batch, &batch->items[from], "refused_by_store", "the database cannot store it");
    return DB_OK;
}

/* --- The call --- */

static void fill(struct batch *batch, struct ingest_job *const *jobs, size_t n_jobs)
{
    size_t n = 0;

    for (size_t i = 0; i < n_jobs; i++)
        n += jobs[i]->n_messages;
    batch->items = mem_grow(NULL, n + 1, sizeof *batch->items);
    batch->refused.at = mem_grow(NULL, n + 1, sizeof *batch->refused.at); /* never moves: it is pointed at */
    for (size_t i = 0; i < n_jobs; i++) {
        for (size_t k = 0; k < jobs[i]->n_messages; k++)
            batch->items[batch->n_items++] = (struct item){.message = &jobs[i]->messages[k], .job = jobs[i]};
        for (size_t k = 0; k < jobs[i]->n_rejects; k++)
            *VEC_ADD(&batch->rejects) = &jobs[i]->rejects[k];
    }
}

static void count(const struct batch *batch, struct ingest_job *const *jobs, size_t n_jobs)
{
    for (size_t i = 0; i < n_jobs; i++) {
        jobs[i]->n_stored = jobs[i]->n_duplicate = jobs[i]->n_unnamed = 0;
        jobs[i]->n_rejected = jobs[i]->n_rejects;
    }
    for (size_t i = 0; i < batch->n_items; i++) {
        struct ingest_job *job = batch->items[i].job;

        job->n_stored += batch->items[i].outcome == OUTCOME_STORED;
        job->n_duplicate += batch->items[i].outcome == OUTCOME_DOUBLE;
        job->n_rejected += batch->items[i].rejected;
        job->n_unnamed += batch->items[i].rejected && !batch->items[i].name_id;
    }
}

enum db_status db_ingest(struct db *db, struct name_cache *cache, struct ingest_job *const *jobs, size_t n_jobs)
{
    struct batch batch = {.db = db};
    enum db_status status;

    fill(&batch, jobs, n_jobs);
    status = ingest_range(&batch, cache, 0, batch.n_items);
    if (status == DB_OK && batch.rejects.n) /* of the last message */
        status = ingest_range(&batch, cache, batch.n_items, batch.n_items);
    if (status == DB_OK)
        count(&batch, jobs, n_jobs);
    free(batch.items);
    vec_free(&batch.refused);
    vec_free(&batch.rejects);
    identities_release(&batch.people);
    id_map_release(&batch.by_message);
    db_rows_release(&batch.lone);
    return status;
}

enum db_status db_ingest_notify(struct db *db)
{
    /* Nobody waits for it to be on the disk. */
    return db_script(db, "BEGIN; SET LOCAL synchronous_commit = off; NOTIFY cohortd_touched; COMMIT");
}
