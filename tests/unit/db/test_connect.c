/* What a connection must pass before it is given: this program has a statement with a parameter too many, which PostgreSQL itself takes. */
#include "tests/unit/run.h"

#include "db/conn.h"

DB_STATEMENT(test_one_declared, "i", "SELECT $1::integer, $2::integer");

static struct db *new_db(const char *url, bool bare)
{
    return db_new(&(struct db_config){.url = url, .role = "test", .bare = bare});
}

START_TEST(test_parameters_that_are_not_declared)
{
    struct db *db = new_db(run_database(), false);

    ck_assert_int_eq(db_connect(db), DB_ERROR);
    ck_assert(!db_is_connected(db));
    ck_assert(!db_refused(db));
    ck_assert_int_eq(db_run_sql(db, "SELECT 1", NULL, NULL), DB_RETRY);
    ck_assert_int_eq(db_connect(db), DB_ERROR);
    db_free(db);
}
END_TEST

START_TEST(test_a_bare_connection_prepares_nothing)
{
    struct db *db = new_db(run_database(), true);

    ck_assert_int_eq(db_connect(db), DB_OK);
    ck_assert_int_eq(db_connect(db), DB_OK);
    ck_assert_int_eq(db_run_sql(db, "SELECT 1", NULL, NULL), DB_OK);
    db_free(db);
}
END_TEST

START_TEST(test_nobody_there_is_not_refused)
{
    struct db *db = new_db("postgresql://127.0.0.1:1/none", true);

    ck_assert_int_eq(db_connect(db), DB_RETRY);
    ck_assert(!db_refused(db));
    ck_assert_str_eq(db_sqlstate(db), "");
    ck_assert_str_ne(db_message(db), "");
    db_free(db);
}
END_TEST

RUN_TESTS("connect", test_parameters_that_are_not_declared, test_a_bare_connection_prepares_nothing, test_nobody_there_is_not_refused)
