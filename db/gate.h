/* A gate before some of a process's connections: closed until the schema is ready, then open, at last broken, which ends whatever waits
 * behind it. Without one a stopping thread would wait for as long as a statement runs, or PostgreSQL hangs. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct db_gate;

/* Closed: db_connect gives DB_RETRY at once and says nothing. The caller's, to be freed after its connections. */
struct db_gate *db_gate_new(void);
void db_gate_free(struct db_gate *gate);

/* Any thread. From now on connections are made. */
void db_gate_open(struct db_gate *gate);
/* Waits until it is no longer closed: open, or broken. NULL: at once. */
void db_gate_await(struct db_gate *gate);
bool db_gate_is_open(const struct db_gate *gate);
/* Any thread. For good: every call that waits, and every one to come, gives DB_RETRY, its connection dropped (the server ends the statement of one that is gone
 * within db/connect.c's CHECK_CLIENT). */
void db_gate_break(struct db_gate *gate);
/* Joins a thread that may be waiting behind the gate (NULL: none), which is broken when the thread has not ended at until_us (monotonic). */
void db_gate_join(struct db_gate *gate, pthread_t thread, int64_t until_us);
/* Readable once it is broken, for poll. */
int db_gate_fd(const struct db_gate *gate);
