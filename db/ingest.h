/* Stores messages: the transaction that everything rests on. */
#pragma once

#include "db/conn.h"
#include "db/message.h"
#include "db/name.h"

/* Stores all messages and rejects of the jobs, in their order. DB_OK: committed, and n_stored, n_duplicate and n_rejected of each job
 * say what became of its messages (a message that PostgreSQL refuses is rejected as refused_by_store, one of a source with too many
 * event names as too_many_names, one that would make a profile's traits larger than 1 MiB as traits_too_large; all are in the reject
 * log). DB_RETRY: not known to be stored; the same jobs again, after a reconnect where needed. DB_ERROR: the database refuses for
 * reasons that are not the messages'; again later. In both cases part of the jobs may be committed already, which the next call finds
 * out by itself.
 *
 * db must be connected, outside any transaction, and `keyed`; cache is the calling thread's. */
enum db_status db_ingest(struct db *db, struct name_cache *cache, struct ingest_job *const *jobs, size_t n_jobs) MUST_CHECK;

/* Tells other processes that there is something for the worker: NOTIFY cohortd_touched, in a transaction of its own (inside that of
 * db_ingest it would halve the rate of commits). */
enum db_status db_ingest_notify(struct db *db) MUST_CHECK;
