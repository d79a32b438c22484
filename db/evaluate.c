/* Compiled segments on a connection. The one idea: the compiler puts every value into a parameter, so a thousand segments have perhaps fifty different texts;
 * each text is prepared once and planned once (a plan over all partitions costs 4 ms and hundreds of KiB in the backend), and a query is a text with its
 * values. The binding of names and segments to their ids is done here and nowhere else. Knows nothing of ticks. */
#include "db/evaluate.h"

#include <string.h>

#include "db/name.h"
#include "server/base/vec.h"

DB_STATEMENT(evaluate_profile_from, "u", "SELECT profile_id FROM profile WHERE profile_id >= $1 ORDER BY profile_id LIMIT 1");
DB_STATEMENT(evaluate_segment, "t", "SELECT segment_id FROM segment WHERE key = $1 AND deleted_at IS NULL");

enum { PLAN_NAME = 24 };

struct db_plan {
    char *sql; /* owned */
    char types[DB_ARGS_MAX + 1];
    char name[PLAN_NAME];
    struct db_statement statement; /* points into the above */
    size_t users;
    bool prepared;
};

struct db_plans {
    VEC(struct db_plan *) plans;
    uint64_t made; /* names are numbered */
};

enum db_status db_evaluate_names(struct db *db, const char *const *names, size_t n, int32_t *ret_ids)
{
    AUTO_FREE struct name_ask *asks = mem_zalloc(n * sizeof *asks);
    enum db_status status;

    if (n == 0)
        return DB_OK;
    for (size_t i = 0; i < n; i++)
        asks[i].name = (struct span){.at = names[i], .len = strlen(names[i])};
    status = db_names_intern(db, NULL, asks, n);
    for (size_t i = 0; i < n && status == DB_OK; i++)
        ret_ids[i] = asks[i].name_id;
    return status;
}

static enum db_status bind_names(struct db *db, const struct sql_param *param, struct db_args *args)
{
    AUTO_FREE int32_t *ids = mem_alloc(param->n_items * sizeof *ids);
    enum db_status status = db_evaluate_names(db, (const char *const *)param->items, param->n_items, ids);

    if (status == DB_OK)
        db_arg_ints(args, ids, param->n_items);
    return status;
}

static enum db_status bind_name(struct db *db, const struct sql_param *param, struct db_args *args)
{
    const char *name = param->text;
    int32_t id = 0;
    enum db_status status = db_evaluate_names(db, &name, 1, &id);

    db_arg_int(args, id);
    return status;
}

static enum db_status bind_segment(struct db *db, const struct sql_param *param, struct db_args *args)
{
    AUTO_DB_ARGS struct db_args key = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_text(&key, param->text);
    status = db_run(db, &evaluate_segment, &key, &rows);
    db_arg_int(args, status == DB_OK ? (int32_t)db_int(&rows, 0, 0) : 0);
    return status == DB_NONE ? DB_OK : status;
}

static enum db_status bind(struct db *db, const struct sql_param *param, struct db_args *args)
{
    switch (param->type) {
    case SQL_TEXT:
        db_arg_text(args, param->text);
        return DB_OK;
    case SQL_NUMERIC:
        db_arg_numeric(args, param->text);
        return DB_OK;
    case SQL_INT:
        db_arg_long(args, param->number);
        return DB_OK;
    case SQL_TIMESTAMP:
        db_arg_instant(args, param->number);
        return DB_OK;
    case SQL_NAME_ID:
        return bind_name(db, param, args);
    case SQL_NAME_IDS:
        return bind_names(db, param, args);
    case SQL_TEXT_ARRAY:
        db_arg_texts(args, (const char *const *)param->items, param->n_items);
        return DB_OK;
    case SQL_NUMERIC_ARRAY:
        db_arg_numerics(args, (const char *const *)param->items, param->n_items);
        return DB_OK;
    case SQL_SEGMENT:
        return bind_segment(db, param, args);
    }
    BUG("impossible sql_type");
}

enum db_status db_evaluate_bind(struct db *db, const struct sql *sql, struct db_args *args)
{
    if (sql->first - 1 + sql->n_params > DB_ARGS_MAX)
        return DB_ERROR;
    for (size_t i = 0; i < sql->n_params; i++) {
        enum db_status status = bind(db, &sql->params[i], args);

        if (status != DB_OK)
            return status;
    }
    return DB_OK;
}

/* --- Plans --- */

struct db_plans *db_plans_new(void)
{
    return mem_zalloc(sizeof(struct db_plans));
}

static void plan_free(struct db_plan *plan)
{
    free(plan->sql);
    free(plan);
}

void db_plans_free(struct db_plans *plans)
{
    if (!plans)
        return;
    for (size_t i = 0; i < plans->plans.n; i++)
        plan_free(plans->plans.at[i]);
    vec_free(&plans->plans);
    free(plans);
}

void db_plans_forget(struct db_plans *plans)
{
    for (size_t i = 0; i < plans->plans.n; i++)
        plans->plans.at[i]->prepared = false;
}

static struct db_plan *plan_find(struct db_plans *plans, const char *sql, const char *types)
{
    for (size_t i = 0; i < plans->plans.n; i++) {
        struct db_plan *plan = plans->plans.at[i];

        if (plan->prepared && strcmp(plan->sql, sql) == 0 && strcmp(plan->types, types) == 0)
            return plan;
    }
    return NULL;
}

static struct db_plan *plan_make(struct db_plans *plans, const char *sql, const char *types)
{
    struct db_plan *plan = mem_zalloc(sizeof *plan);

    plan->sql = mem_strdup(sql);
    (void)snprintf(plan->types, sizeof plan->types, "%s", types);
    (void)snprintf(plan->name, sizeof plan->name, "segment_%llu", (unsigned long long)++plans->made);
    plan->statement = (struct db_statement){.name = plan->name, .types = plan->types, .sql = plan->sql};
    return plan;
}

static enum db_status plan_get(struct db *db, struct db_plans *plans, const char *sql, const char *types, struct db_plan **ret_plan)
{
    struct db_plan *plan = plan_find(plans, sql, types);
    enum db_status status;

    if (!plan) {
        plan = plan_make(plans, sql, types);
        status = db_prepare(db, plan->name, sql, types);
        if (status != DB_OK) {
            plan_free(plan);
            return status;
        }
        plan->prepared = true;
        *VEC_ADD(&plans->plans) = plan;
    }
    plan->users++;
    *ret_plan = plan;
    return DB_OK;
}

static void plan_put(struct db *db, struct db_plans *plans, struct db_plan *plan)
{
    if (--plan->users > 0)
        return;
    if (plan->prepared && db_is_connected(db) && db_deallocate(db, plan->name) != DB_OK)
        db_disconnect(db); /* in a failed transaction, or broken off: the name would be taken, so all goes with the connection */
    for (size_t i = 0; i < plans->plans.n; i++)
        if (plans->plans.at[i] == plan)
            plans->plans.at[i] = plans->plans.at[--plans->plans.n];
    plan_free(plan);
}

/* --- Queries --- */

enum db_status db_query_open(struct db *db, struct db_plans *plans, const struct db_query_text *text, struct db_query *ret_query)
{
    struct db_query query = DB_QUERY_INIT;
    enum db_status status = db_evaluate_bind(db, text->sql, &query.fixed);

    if (status == DB_OK) {
        AUTO_BUF struct buf types = BUF_INIT(DB_ARGS_MAX);

        ASSERT(strlen(text->runner_types) == text->sql->first - 1);
        buf_addf(&types, "%s%s", text->runner_types, query.fixed.types);
        status = plan_get(db, plans, text->text ? text->text : buf_text(&text->sql->text), buf_text(&types), &query.plan);
    }
    if (status == DB_OK)
        *ret_query = query;
    else
        db_args_release(&query.fixed);
    return status;
}

void db_query_close(struct db *db, struct db_plans *plans, struct db_query *query)
{
    if (query->plan)
        plan_put(db, plans, query->plan);
    query->plan = NULL;
    db_args_release(&query->fixed);
}

static void append(struct db_args *args, const struct db_args *more)
{
    size_t base = args->store.len;

    ASSERT(args->n + more->n <= DB_ARGS_MAX);
    buf_add(&args->store, buf_text(&more->store), more->store.len);
    ASSERT(buf_ok(&args->store));
    for (size_t i = 0; i < more->n; i++) {
        size_t to = args->n + i;

        args->types[to] = more->types[i];
        args->text[to] = more->text[i];
        args->len[to] = more->len[i];
        args->offset[to] = more->offset[i] == SIZE_MAX ? SIZE_MAX : base + more->offset[i];
    }
    args->n += more->n;
    args->types[args->n] = '\0';
}

void db_query_send(struct db *db, const struct db_query *query, struct db_args *runner)
{
    append(runner, &query->fixed);
    db_send(db, &query->plan->statement, runner);
}

enum db_status db_query_run(struct db *db, const struct db_query *query, struct db_args *runner, struct db_rows *ret_rows)
{
    append(runner, &query->fixed);
    return db_run(db, &query->plan->statement, runner, ret_rows);
}

/* --- Builds --- */

enum db_status db_build_open(struct db *db, struct db_plans *plans, const struct db_build *build, struct db_query *ret_query)
{
    AUTO_BUF struct buf text = BUF_INIT(SQL_TEXT_MAX + 1024);
    size_t version = sql_number(build->sql, SQL_INT, build->version_id), serving = sql_number(build->sql, SQL_INT, build->serving);

    buf_addf(&text, "WITH found AS MATERIALIZED (%s), kept AS (INSERT INTO membership (version_id, profile_id, entered_at) ",
             buf_text(&build->sql->text));
    buf_addf(&text, "SELECT $%zu::bigint, f.profile_id, coalesce((SELECT m.entered_at FROM membership m WHERE m.version_id = $%zu::bigint",
             version, serving);
    buf_add_text(&text, " AND m.profile_id = f.profile_id), $1) FROM found f) SELECT count(*), count(user_id) FROM found");
    ASSERT(buf_ok(&text));
    return db_query_open(db, plans, &(struct db_query_text){.sql = build->sql, .text = buf_text(&text), .runner_types = "zzuu"}, ret_query);
}

enum db_status db_profile_from(struct db *db, const struct id *from, struct id *ret_id)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_id(&args, from);
    status = db_run(db, &evaluate_profile_from, &args, &rows);
    if (status == DB_OK)
        *ret_id = db_id(&rows, 0, 0);
    return status;
}
