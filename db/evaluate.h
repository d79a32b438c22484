/* Running what segment/ compiles: parameters bound (names interned, segments looked up) and statements prepared, one for each text, so that the many
 * definitions of one shape share one plan. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "db/conn.h"
#include "segment/segment.h"
#include "server/base/sql.h"

/* Ids of event names, made where they are new, in the order given. In a transaction of its own: never inside one. */
enum db_status db_evaluate_names(struct db *db, const char *const *names, size_t n, int32_t *ret_ids) MUST_CHECK;

/* Appends the parameters of a compiled statement behind the runner's own (there must be sql->first − 1). Interns names: not inside a transaction. DB_ERROR:
 * more parameters than a statement can have. A segment that does not exist gets the id 0. */
enum db_status db_evaluate_bind(struct db *db, const struct sql *sql, struct db_args *args) MUST_CHECK;

/* Statements prepared on one connection, by their text. One thread. */
struct db_plans;
struct db_plans *db_plans_new(void);
/* Frees it; nothing is sent. All queries opened on it must be closed. */
void db_plans_free(struct db_plans *plans);
/* The connection was lost and with it what was prepared: the queries opened so far may only be closed. */
void db_plans_forget(struct db_plans *plans);

/* One statement, prepared, with the parameters that never change. */
struct db_query {
    struct db_plan *plan; /* shared */
    struct db_args fixed; /* the segment's own parameters */
};
#define DB_QUERY_INIT                                                                                                                      \
    {                                                                                                                                      \
        .plan = NULL, .fixed = DB_ARGS_INIT                                                                                                \
    }

struct db_query_text {
    const struct sql *sql;
    const char *text;         /* what wraps sql's text, or NULL: that itself */
    const char *runner_types; /* of the parameters before sql's own, as type letters */
};

/* Prepares it. Outside a transaction. DB_ERROR: PostgreSQL refuses it, see
 * db_sqlstate. On anything but DB_OK nothing is to be closed. */
enum db_status db_query_open(struct db *db, struct db_plans *plans, const struct db_query_text *text,
                             struct db_query *ret_query) MUST_CHECK;
/* Closes; the statement itself goes with its last query. Safe on one that was never opened. */
void db_query_close(struct db *db, struct db_plans *plans, struct db_query *query);
/* Sends it; runner holds the runner's parameters (the fixed ones are appended to it). Receive with db_receive. */
void db_query_send(struct db *db, const struct db_query *query, struct db_args *runner);
enum db_status db_query_run(struct db *db, const struct db_query *query, struct db_args *runner, struct db_rows *ret_rows) MUST_CHECK;

/* Columns of HEAD_CHANGED and HEAD_DIFF. */
enum { CHANGED_PROFILE, CHANGED_IS, CHANGED_WAS, CHANGED_ENTERED, CHANGED_WHO /* three columns: db/who.h */ };

struct db_build {
    struct sql *sql; /* HEAD_RANGE's; parameters are added to it */
    int32_t version_id;
    int32_t serving; /* the version it will replace, 0: none */
};

/* A build's statement for one version: HEAD_RANGE's rows become its members. Runner's parameters as HEAD_RANGE's; who is a member of the serving one
 * keeps his entered_at. Its one row: (members, identified). */
enum db_status db_build_open(struct db *db, struct db_plans *plans, const struct db_build *build, struct db_query *ret_query) MUST_CHECK;
/* The first profile from an id on. */
enum db_status db_profile_from(struct db *db, const struct id *from, struct id *ret_id) MUST_CHECK;
