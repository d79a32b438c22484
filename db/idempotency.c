/* Idempotency keys. The one idea: the primary key decides who runs: whoever inserts the row runs, all others find it and are told what is
 * there. The row is taken over when it is a day old, or when who inserted it has been silent for a minute, for then it has died and nobody
 * else can know what it did. The answer itself is the API's. */
#include "db/idempotency.h"

#define LIFE     "interval '24 hours'"
#define PATIENCE "interval '1 minute'"

DB_STATEMENT(idempotency_claim, "utu",
             "INSERT INTO idempotency AS i (scope, key, request) VALUES ($1, $2, $3) ON CONFLICT (scope, key) DO UPDATE"
             " SET request = excluded.request, began_at = excluded.began_at, status = NULL, headers = NULL, body = NULL"
             " WHERE i.began_at < clock_timestamp() - " LIFE
             " OR (i.status IS NULL AND i.request = excluded.request AND i.began_at < clock_timestamp() - " PATIENCE ") RETURNING 1");
DB_STATEMENT(idempotency_read, "ut", "SELECT status, headers, body, request FROM idempotency WHERE scope = $1 AND key = $2");
DB_STATEMENT(idempotency_keep, "utuitt",
             "UPDATE idempotency SET status = $4, headers = $5, body = $6 WHERE scope = $1 AND key = $2 AND request = $3");
DB_STATEMENT(idempotency_drop, "utu", "DELETE FROM idempotency WHERE scope = $1 AND key = $2 AND request = $3 AND status IS NULL");
DB_STATEMENT(idempotency_prune, "",
             "DELETE FROM idempotency WHERE (scope, key) IN (SELECT scope, key FROM idempotency"
             " WHERE began_at < clock_timestamp() - " LIFE " ORDER BY began_at LIMIT 100 FOR UPDATE SKIP LOCKED)");

static void put_key(const struct idempotency_key *key, struct db_args *args)
{
    db_arg_id(args, &key->scope);
    db_arg_text(args, key->key);
}

static enum db_status claim(struct db *db, const struct idempotency_key *key)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    put_key(key, &args);
    db_arg_id(&args, &key->request);
    return db_run(db, &idempotency_claim, &args, NULL);
}

static enum db_status look(struct db *db, const struct idempotency_key *key, enum idempotency_found *ret_found, struct db_rows *ret_rows)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    enum db_status status;
    struct id request;

    put_key(key, &args);
    status = db_run(db, &idempotency_read, &args, ret_rows);
    *ret_found = IDEMPOTENCY_RUNNING; /* also one that was dropped just now: the client asks again */
    if (status != DB_OK)
        return status == DB_NONE ? DB_OK : status;
    request = db_id(ret_rows, 0, 3);
    if (!id_equal(&request, &key->request))
        *ret_found = IDEMPOTENCY_OTHER;
    else if (!db_null(ret_rows, 0, IDEMPOTENCY_STATUS))
        *ret_found = IDEMPOTENCY_DONE;
    return DB_OK;
}

enum db_status db_idempotency_begin(struct db *db, const struct idempotency_key *key, enum idempotency_found *ret_found,
                                    struct db_rows *ret_rows)
{
    enum db_status status = db_run(db, &idempotency_prune, NULL, NULL);

    if (status == DB_OK)
        status = claim(db, key);
    if (status == DB_NONE)
        return look(db, key, ret_found, ret_rows);
    *ret_found = IDEMPOTENCY_NEW;
    return status;
}

enum db_status db_idempotency_keep(struct db *db, const struct idempotency_key *key, const struct idempotency_answer *answer)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    put_key(key, &args);
    db_arg_id(&args, &key->request);
    db_arg_int(&args, (int32_t)answer->status);
    db_arg_text(&args, answer->headers);
    db_arg_text(&args, answer->body);
    return db_run(db, &idempotency_keep, &args, NULL);
}

enum db_status db_idempotency_drop(struct db *db, const struct idempotency_key *key)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;

    put_key(key, &args);
    db_arg_id(&args, &key->request);
    return db_run(db, &idempotency_drop, &args, NULL);
}
