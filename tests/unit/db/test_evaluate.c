/* Compiled segments on a connection: binding, shared plans, heads that agree with each other. */
#include "db/evaluate.h"

#include "tests/unit/db/store.h"

static struct segment *parse(const char *definition)
{
    struct segment *segment = NULL;
    struct err err = ERR_INIT;

    ck_assert_msg(segment_parse(definition, strlen(definition), "UTC", &segment, &err), "%s", err.detail);
    return segment;
}

/* Opens HEAD_CHANGED of a definition. */
static void open_changed(struct db_plans *plans, const char *definition, struct db_query *ret_query)
{
    AUTO_SEGMENT struct segment *segment = parse(definition);
    struct err err = ERR_INIT;
    struct sql sql;

    ck_assert(segment_compile(segment, HEAD_CHANGED, NULL, &sql, &err));
    ck_assert_int_eq(db_query_open(store_db, plans, &(struct db_query_text){.sql = &sql, .runner_types = "zziU"}, ret_query), DB_OK);
    sql_release(&sql);
}

static size_t count_changed(const struct db_query *query, const struct id *profile)
{
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    enum db_status status;

    db_arg_instant(&args, T0 + 100 * US_PER_S);
    db_arg_instant(&args, DB_INSTANT_PAST);
    db_arg_int(&args, 1);
    db_arg_ids(&args, profile, 1);
    status = db_query_run(store_db, query, &args, &rows);
    ck_assert(status == DB_OK || status == DB_NONE);
    return db_rows_count(&rows);
}

START_TEST(names_are_made_once_and_keep_their_order)
{
    const char *const names[] = {"Zebra", "Order Completed", "Ape"};
    int32_t first[3], second[3];

    ck_assert_int_eq(db_evaluate_names(store_db, names, 3, first), DB_OK);
    ck_assert_int_eq(db_evaluate_names(store_db, names, 3, second), DB_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(first[i], second[i]);
    ck_assert_int_eq(ask("SELECT name_id FROM event_name WHERE name = 'Zebra'"), first[0]);
    ck_assert_int_eq(ask("SELECT name_id FROM event_name WHERE name = 'Ape'"), first[2]);
    ck_assert_int_eq(db_evaluate_names(store_db, names, 0, first), DB_OK);
}
END_TEST

START_TEST(one_shape_is_one_plan)
{
    struct db_query few = DB_QUERY_INIT, many = DB_QUERY_INIT, other = DB_QUERY_INIT;
    struct id ada = id_person("user", "ada", 3);
    struct db_plans *plans;

    plans = db_plans_new();
    TELL(2, 0, {.user = "ada", .event = "Order Completed", .at = 1}, {.user = "ada", .event = "Order Completed", .at = 2});
    open_changed(plans, "{\"event\":\"Order Completed\",\"window\":{\"last\":\"1h\"},\"gte\":2}", &few);
    open_changed(plans, "{\"event\":\"Order Completed\",\"window\":{\"last\":\"2d\"},\"gte\":3}", &many);
    open_changed(plans, "{\"event\":\"Page Viewed\"}", &other);
    ck_assert_ptr_eq(few.plan, many.plan);
    ck_assert_ptr_ne(few.plan, other.plan);
    ck_assert_int_eq(ask("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'segment\\_%' AND statement LIKE '%is_member%'"), 2);
    ck_assert_uint_eq(count_changed(&few, &ada), 1);
    ck_assert_uint_eq(count_changed(&many, &ada), 0);
    ck_assert_uint_eq(count_changed(&other, &ada), 0);
    db_query_close(store_db, plans, &few);
    ck_assert_uint_eq(count_changed(&many, &ada), 0);
    db_query_close(store_db, plans, &many);
    db_query_close(store_db, plans, &many); /* twice is no harm */
    db_query_close(store_db, plans, &other);
    ck_assert_int_eq(ask("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'segment\\_%' AND statement LIKE '%is_member%'"), 0);
    db_plans_free(plans);
}
END_TEST

START_TEST(a_statement_that_is_refused_leaves_nothing)
{
    struct db_query query = DB_QUERY_INIT;
    struct db_plans *plans;
    struct sql sql;

    plans = db_plans_new();
    sql_init(&sql, 1);
    buf_add_text(&sql.text, "SELECT nonsense FROM nowhere");
    ck_assert_int_eq(db_query_open(store_db, plans, &(struct db_query_text){.sql = &sql, .runner_types = ""}, &query), DB_ERROR);
    ck_assert_str_eq(db_sqlstate(store_db), "42P01");
    sql_release(&sql);
    db_query_close(store_db, plans, &query);
    db_plans_free(plans);
    ck_assert_int_eq(ask("SELECT 7"), 7);
}
END_TEST

START_TEST(a_build_fills_a_version)
{
    AUTO_SEGMENT struct segment *segment = parse("{\"event\":\"Order Completed\"}");
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct db_query query = DB_QUERY_INIT;
    struct err err = ERR_INIT;
    struct id first = {{0}}, last = id_last();
    struct db_plans *plans;
    struct sql sql;

    plans = db_plans_new();
    TELL(3, 0, {.user = "ada", .event = "Order Completed", .at = 1}, {.anonymous = "x", .event = "Order Completed", .at = 2},
         {.user = "bob", .event = "Page Viewed", .at = 1});
    store_run("INSERT INTO membership SELECT 3, profile_id, to_timestamp(1790000000) FROM profile WHERE user_id = 'ada'");
    ck_assert(segment_compile(segment, HEAD_RANGE, NULL, &sql, &err));
    ck_assert_int_eq(db_build_open(store_db, plans, &(struct db_build){.sql = &sql, .version_id = 7, .serving = 3}, &query), DB_OK);
    db_arg_instant(&args, T0 + 10 * US_PER_S);
    db_arg_instant(&args, DB_INSTANT_PAST);
    db_arg_id(&args, &first);
    db_arg_id(&args, &last);
    ck_assert_int_eq(db_query_run(store_db, &query, &args, &rows), DB_OK);
    ck_assert_int_eq(db_int(&rows, 0, 0), 2);
    ck_assert_int_eq(db_int(&rows, 0, 1), 1);
    expect_text("SELECT string_agg(coalesce(user_id, anonymous_id) || ' ' || extract(epoch FROM entered_at)::bigint, ', ' ORDER BY user_id)"
                " FROM membership JOIN profile USING (profile_id) WHERE version_id = 7",
                "ada 1790000000, x 1790000010");
    sql_release(&sql);
    db_query_close(store_db, plans, &query);
    db_plans_free(plans);
}
END_TEST

RUN_TESTS_WITH(store_begin, store_end, "evaluate", names_are_made_once_and_keep_their_order, one_shape_is_one_plan,
               a_statement_that_is_refused_leaves_nothing, a_build_fills_a_version)
