/* The connection against a real PostgreSQL (TEST_DATABASE_URL): every parameter type there and back, failures by class, pipelines, transactions,
 * a backend that is killed and one that hangs. */
#include "db/conn.h"

#include <string.h>

#include "server/base/alloc.h"
#include "tests/unit/run.h"

DB_STATEMENT(test_echo, "tilbzujyfUITLZB", "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15");
DB_STATEMENT(test_numeric, "nN", "SELECT $1::text, (SELECT sum(x) FROM unnest($2) x)::text");
DB_STATEMENT(test_one, "", "SELECT 1");

static struct db_clock db_clock;

static struct db *open_db(unsigned wait_timeout_ms)
{
    struct db_config config = {
        .url = run_database(), .role = "test", .wait_timeout_ms = wait_timeout_ms, .clock = &db_clock, .worker = true};
    struct db *db = db_new(&config);

    ck_assert_int_eq(db_connect(db), DB_OK);
    return db;
}

static void add_echo_args(struct db_args *args, const struct id ids[2])
{
    const int32_t ints[] = {-1, 7};
    const char *texts[] = {"a", NULL, ""};

    db_arg_text(args, "h\xc3\xa9");
    db_arg_int(args, -5);
    db_arg_long(args, INT64_C(-5000000000));
    db_arg_bool(args, true);
    db_arg_instant(args, INT64_C(1700000000123456));
    db_arg_id(args, &ids[0]);
    db_arg_json(args, "{\"a\": 19.990}", 13);
    db_arg_bytes(args, "\0x", 2);
    db_arg_real(args, 0.5);
    db_arg_ids(args, ids, 2);
    db_arg_ints(args, ints, 2);
    db_arg_texts(args, texts, 3);
    db_array_begin(args, 'L');
    db_array_end(args);
    db_array_begin(args, 'Z');
    db_array_instant(args, DB_INSTANT_PAST);
    db_array_instant(args, INSTANT_NONE);
    db_array_end(args);
    db_array_begin(args, 'B');
    db_array_bool(args, false);
    db_array_end(args);
}

START_TEST(test_types_there_and_back)
{
    struct db *db = open_db(0);
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct id ids[2] = {id_hash("a", 1), id_hash("b", 1)}, got;
    struct db_array array;
    size_t len;

    add_echo_args(&args, ids);
    ck_assert_int_eq(db_run(db, &test_echo, &args, &rows), DB_OK);
    ck_assert_str_eq(db_text(&rows, 0, 0), "h\xc3\xa9");
    ck_assert_int_eq(db_int(&rows, 0, 1), -5);
    ck_assert(db_int(&rows, 0, 2) == INT64_C(-5000000000));
    ck_assert(db_bool(&rows, 0, 3));
    ck_assert(db_instant(&rows, 0, 4) == INT64_C(1700000000123456));
    got = db_id(&rows, 0, 5);
    ck_assert(id_equal(&got, &ids[0]));
    ck_assert_str_eq(db_text(&rows, 0, 6), "{\"a\": 19.990}");
    ck_assert_uint_eq(db_text_len(&rows, 0, 6), 13);
    ck_assert_uint_eq(db_text_len(&rows, 0, 7), 2);
    ck_assert(db_real(&rows, 0, 8) == 0.5);
    array = db_array(&rows, 0, 9);
    (void)db_array_next_id(&array);
    got = db_array_next_id(&array);
    ck_assert(id_equal(&got, &ids[1]));
    array = db_array(&rows, 0, 10);
    ck_assert_int_eq(db_array_next_int(&array), -1);
    ck_assert_int_eq(db_array_next_int(&array), 7);
    array = db_array(&rows, 0, 11);
    ck_assert_uint_eq(array.left, 3);
    ck_assert(strncmp(db_array_next_text(&array, &len), "a", 1) == 0);
    ck_assert_ptr_null(db_array_next_text(&array, &len));
    ck_assert_uint_eq(db_array(&rows, 0, 12).left, 0);
    array = db_array(&rows, 0, 13);
    ck_assert(db_array_next_instant(&array) == DB_INSTANT_PAST);
    ck_assert(db_array_next_instant(&array) == INSTANT_NONE);
    db_free(db);
}
END_TEST

START_TEST(test_numerics_are_exact)
{
    struct db *db = open_db(0);
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    const char *items[] = {"0.1", "0.2"};

    db_arg_numeric(&args, "12345678901234567890.01");
    db_arg_numerics(&args, items, 2);
    ck_assert_int_eq(db_run(db, &test_numeric, &args, &rows), DB_OK);
    ck_assert_str_eq(db_text(&rows, 0, 0), "12345678901234567890.01");
    ck_assert_str_eq(db_text(&rows, 0, 1), "0.3");
    db_free(db);
}
END_TEST

START_TEST(test_failures_by_class)
{
    struct db *db = open_db(0);

    ck_assert_int_eq(db_run_sql(db, "SELECT 1/0", NULL, NULL), DB_ERROR);
    ck_assert_str_eq(db_sqlstate(db), "22012");
    ck_assert_int_eq(db_run_sql(db, "SELECT pg_cancel_backend(pg_backend_pid())", NULL, NULL), DB_RETRY);
    ck_assert_int_eq(db_run(db, &test_one, NULL, NULL), DB_OK);
    ck_assert_int_eq(db_run_sql(db, "SELECT 1 WHERE false", NULL, NULL), DB_NONE);
    ck_assert_int_eq(db_run_sql(db, "SELECT pg_terminate_backend(pg_backend_pid())", NULL, NULL), DB_RETRY);
    ck_assert_int_eq(db_run(db, &test_one, NULL, NULL), DB_RETRY);
    ck_assert_int_eq(db_connect(db), DB_OK);
    ck_assert_int_eq(db_run(db, &test_one, NULL, NULL), DB_OK);
    db_free(db);
}
END_TEST

START_TEST(test_a_failed_pipeline_says_so_for_each_and_goes_on)
{
    struct db *db = open_db(0);

    db_send_sql(db, "BEGIN");
    db_send_sql(db, "SELECT 'x'::integer");
    db_send_sql(db, "COMMIT");
    db_sync(db);
    ck_assert_int_eq(db_receive(db, NULL), DB_OK);
    ck_assert_int_eq(db_receive(db, NULL), DB_ERROR);
    ck_assert_int_eq(db_receive(db, NULL), DB_ERROR);
    ck_assert_int_eq(db_receive_sync(db), DB_ERROR);
    ck_assert_str_eq(db_sqlstate(db), "22P02");
    ck_assert_int_eq(db_commit(db), DB_ERROR);
    ck_assert_int_eq(db_run(db, &test_one, NULL, NULL), DB_OK);
    ck_assert_int_eq(db_prepare(db, "by_hand", "SELECT $1 + 1", "i"), DB_OK);
    ck_assert_int_eq(db_deallocate(db, "by_hand"), DB_OK);
    ck_assert_int_eq(db_script(db, "CREATE TEMP TABLE t (x int); INSERT INTO t VALUES (1)"), DB_OK);
    ck_assert_int_eq(db_run(db, &test_one, NULL, NULL), DB_OK);
    db_free(db);
}
END_TEST

START_TEST(test_a_hanging_database_costs_no_more_than_the_wait)
{
    struct db *db = open_db(200);
    int64_t begun = clock_mono_us();

    ck_assert_int_eq(db_run_sql(db, "SELECT pg_sleep(300)", NULL, NULL), DB_RETRY);
    ck_assert_int_lt(clock_mono_us() - begun, 60 * US_PER_S);
    ck_assert(!db_is_connected(db));
    db_free(db);
}
END_TEST

static enum db_status fail_twice(struct db *db, void *context)
{
    int *runs = context;

    if (++*runs < 3)
        return db_run_sql(db, "DO $$BEGIN RAISE SQLSTATE '40001'; END$$", NULL, NULL);
    return db_run(db, &test_one, NULL, NULL);
}

START_TEST(test_serialization_failures_are_tried_again)
{
    struct db *db = open_db(0);
    int runs = 0;

    ck_assert_int_eq(db_tx(db, DB_REPEATABLE_READ, fail_twice, &runs), DB_OK);
    ck_assert_int_eq(runs, 3);
    db_free(db);
}
END_TEST

START_TEST(test_large_parameters_do_not_lock_up)
{
    struct db *db = open_db(0);
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    size_t len = 20 << 20;
    char *text = mem_alloc(len);

    memset(text, 'x', len);
    db_arg_text_len(&args, text, len);
    ck_assert_int_eq(db_run_sql(db, "SELECT $1", &args, &rows), DB_OK);
    ck_assert_uint_eq(db_text_len(&rows, 0, 0), len);
    free(text);
    db_free(db);
}
END_TEST

static void add_copied(struct db_args *rows, int32_t number, const char *text)
{
    db_copy_row(rows, 3);
    db_array_int(rows, number);
    db_array_text(rows, text, text ? strlen(text) : 0);
    db_array_instant(rows, number == 1 ? INSTANT_NONE : INT64_C(1700000000123456));
}

START_TEST(test_rows_are_copied)
{
    enum { ROWS = 100000 }; /* many pieces */
    struct db *db = open_db(0);
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;

    ck_assert_int_eq(db_script(db, "CREATE TEMP TABLE copied (number integer PRIMARY KEY, text text, at timestamptz)"), DB_OK);
    db_copy_begin(&args);
    for (int32_t i = 0; i < ROWS; i++)
        add_copied(&args, i, i == 2 ? NULL : "a\tb\nc");
    ck_assert_int_eq(db_copy(db, "COPY copied FROM STDIN (FORMAT binary)", &args), DB_OK);
    ck_assert_int_eq(db_run_sql(db, "SELECT count(*), count(text), count(at), min(text), min(at) FROM copied", NULL, &rows), DB_OK);
    ck_assert_int_eq(db_int(&rows, 0, 0), ROWS);
    ck_assert_int_eq(db_int(&rows, 0, 1), ROWS - 1);
    ck_assert_int_eq(db_int(&rows, 0, 2), ROWS - 1);
    ck_assert_str_eq(db_text(&rows, 0, 3), "a\tb\nc");
    ck_assert_int_eq(db_instant(&rows, 0, 4), INT64_C(1700000000123456));
    db_copy_begin(&args);
    ck_assert_int_eq(db_copy(db, "COPY copied FROM STDIN (FORMAT binary)", &args), DB_OK);
    db_free(db);
}
END_TEST

START_TEST(test_a_failed_copy_says_so_and_the_connection_goes_on)
{
    struct db *db = open_db(0);
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;

    ck_assert_int_eq(db_script(db, "CREATE TEMP TABLE copied (number integer PRIMARY KEY, text text, at timestamptz)"), DB_OK);
    db_copy_begin(&args);
    for (int32_t i = 0; i < 100000; i++) /* it fails while rows are on their way still */
        add_copied(&args, i / 2, "x");
    ck_assert_int_eq(db_begin(db, DB_REPEATABLE_READ), DB_OK);
    ck_assert_int_eq(db_copy(db, "COPY copied FROM STDIN (FORMAT binary)", &args), DB_ERROR);
    ck_assert_str_eq(db_sqlstate(db), "23505");
    ck_assert(db_in_transaction(db));
    ck_assert_int_eq(db_run(db, &test_one, NULL, NULL), DB_ERROR); /* the transaction has failed */
    db_rollback(db);
    ck_assert_int_eq(db_copy(db, "COPY missing FROM STDIN (FORMAT binary)", &args), DB_ERROR);
    ck_assert_str_eq(db_sqlstate(db), "42P01");
    ck_assert_int_eq(db_run_sql(db, "SELECT count(*) FROM copied", NULL, &rows), DB_OK);
    ck_assert_int_eq(db_int(&rows, 0, 0), 0);
    db_free(db);
}
END_TEST

/* In the middle of a COPY: warnings, a time-out, text that is none, and the end of the backend. */
START_TEST(test_a_copy_is_cut_off)
{
    enum { ROWS = 50000 };
    struct db *db = open_db(0);
    AUTO_DB_ARGS struct db_args args = DB_ARGS_INIT;
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;

    ck_assert_int_eq(db_script(db,
                               "CREATE TEMP TABLE copied (number integer PRIMARY KEY, text text, at timestamptz);"
                               "CREATE FUNCTION pg_temp.strike() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                               " IF NEW.number = 7 THEN RAISE WARNING 'seven'; END IF;"
                               " IF NEW.number = 20000 AND NEW.text = 'end' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;"
                               " RETURN NEW; END $$;"
                               "CREATE TRIGGER strike BEFORE INSERT ON copied FOR EACH ROW EXECUTE FUNCTION pg_temp.strike()"),
                     DB_OK);
    db_copy_begin(&args);
    for (int32_t i = 0; i < ROWS; i++)
        add_copied(&args, i, "x");
    ck_assert_int_eq(db_script(db, "SET statement_timeout = 5"), DB_OK);
    ck_assert_int_eq(db_copy(db, "COPY copied FROM STDIN (FORMAT binary)", &args), DB_RETRY);
    ck_assert_str_eq(db_sqlstate(db), "57014");
    while (db_script(db, "SET statement_timeout = 0") != DB_OK) /* a busy machine takes more than 5 ms for this, too */
        continue;
    ck_assert_int_eq(db_copy(db, "COPY copied FROM STDIN (FORMAT binary)", &args), DB_OK);
    ck_assert_int_eq(db_run_sql(db, "DELETE FROM copied", NULL, &rows), DB_OK);
    ck_assert_int_eq(db_rows_affected(&rows), ROWS);
    db_copy_begin(&args);
    add_copied(&args, 1, "\xff");
    ck_assert_int_eq(db_copy(db, "COPY copied FROM STDIN (FORMAT binary)", &args), DB_ERROR);
    ck_assert_str_eq(db_sqlstate(db), "22021");
    db_copy_begin(&args);
    for (int32_t i = 0; i < ROWS; i++)
        add_copied(&args, i, "end");
    ck_assert_int_eq(db_copy(db, "COPY copied FROM STDIN (FORMAT binary)", &args), DB_RETRY);
    ck_assert_int_eq(db_copy(db, "COPY copied FROM STDIN (FORMAT binary)", &args), DB_RETRY);
    ck_assert(!db_is_connected(db));
    ck_assert_int_eq(db_connect(db), DB_OK);
    ck_assert_int_eq(db_run(db, &test_one, NULL, NULL), DB_OK);
    db_free(db);
}
END_TEST

static enum db_status wait_for(struct db *db, char *channel, size_t size)
{
    return db_wait_notify(db, -1, 1000, channel, size);
}

START_TEST(test_notifications_arrive)
{
    struct db *listener = open_db(0), *db = open_db(0);
    char channel[32];

    ck_assert_int_eq(db_run_sql(listener, "LISTEN here", NULL, NULL), DB_OK);
    ck_assert_int_eq(db_wait_notify(listener, -1, 0, channel, sizeof channel), DB_NONE);
    ck_assert_int_eq(db_run_sql(db, "NOTIFY here", NULL, NULL), DB_OK);
    ck_assert_int_eq(wait_for(listener, channel, sizeof channel), DB_OK);
    ck_assert_str_eq(channel, "here");
    db_free(db);
    db_free(listener);
}
END_TEST

RUN_TESTS("conn", test_types_there_and_back, test_numerics_are_exact, test_failures_by_class,
          test_a_failed_pipeline_says_so_for_each_and_goes_on, test_a_hanging_database_costs_no_more_than_the_wait,
          test_serialization_failures_are_tried_again, test_large_parameters_do_not_lock_up, test_rows_are_copied,
          test_a_failed_copy_says_so_and_the_connection_goes_on, test_a_copy_is_cut_off, test_notifications_arrive)
