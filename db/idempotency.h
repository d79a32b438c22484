/* What creating requests with an Idempotency-Key have answered, kept for 24 hours. Outside any transaction. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"

struct idempotency_key {
    struct id scope;   /* whose key it is */
    const char *key;   /* as sent */
    struct id request; /* what was asked */
};

enum idempotency_found {
    IDEMPOTENCY_NEW,     /* it is this request's now: keep its answer, or drop it */
    IDEMPOTENCY_OTHER,   /* the key came with another request */
    IDEMPOTENCY_RUNNING, /* that request has not been answered; one that died is forgotten after a minute */
    IDEMPOTENCY_DONE     /* answered: ret_rows has the columns below */
};
enum { IDEMPOTENCY_STATUS, IDEMPOTENCY_HEADERS, IDEMPOTENCY_BODY };

/* Asks for the key, and takes it if it is new. DB_OK with what was found, ret_rows only when that is IDEMPOTENCY_DONE. */
enum db_status db_idempotency_begin(struct db *db, const struct idempotency_key *key, enum idempotency_found *ret_found,
                                    struct db_rows *ret_rows) MUST_CHECK;

struct idempotency_answer {
    unsigned status;
    const char *headers;
    const char *body; /* NULL: holds a secret */
};
enum db_status db_idempotency_keep(struct db *db, const struct idempotency_key *key, const struct idempotency_answer *answer) MUST_CHECK;
/* Nothing was created: the key is free again. */
enum db_status db_idempotency_drop(struct db *db, const struct idempotency_key *key) MUST_CHECK;
