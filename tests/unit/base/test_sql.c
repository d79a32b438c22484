/* Parameters of a statement: numbered from `first`, equal ones used again, texts copied. */
#include "server/base/sql.h"

#include <string.h>

#include "tests/unit/run.h"

START_TEST(test_numbers_from_first)
{
    struct sql sql AUTO_SQL;

    sql_init(&sql, 3);
    ck_assert_uint_eq(sql_text(&sql, SQL_TEXT, "a"), 3);
    ck_assert_uint_eq(sql_number(&sql, SQL_INT, 5), 4);
    ck_assert_uint_eq(sql_text(&sql, SQL_TEXT, "b"), 5);
    ck_assert_uint_eq(sql.n_params, 3);
    ck_assert_str_eq(sql.params[2].text, "b");
    ck_assert_int_eq(sql.params[1].number, 5);
}
END_TEST

START_TEST(test_equal_values_of_one_type_are_one_parameter)
{
    struct sql sql AUTO_SQL;
    const char *const ab[] = {"a", "b"}, *const a[] = {"a"}, *const ba[] = {"b", "a"};

    sql_init(&sql, 1);
    ck_assert_uint_eq(sql_text(&sql, SQL_TEXT, "1"), 1);
    ck_assert_uint_eq(sql_text(&sql, SQL_NUMERIC, "1"), 2);
    ck_assert_uint_eq(sql_text(&sql, SQL_TEXT, "1"), 1);
    ck_assert_uint_eq(sql_number(&sql, SQL_INT, 1), 3);
    ck_assert_uint_eq(sql_number(&sql, SQL_TIMESTAMP, 1), 4);
    ck_assert_uint_eq(sql_number(&sql, SQL_INT, 1), 3);
    ck_assert_uint_eq(sql_number(&sql, SQL_INT, 2), 5);
    ck_assert_uint_eq(sql_items(&sql, SQL_TEXT_ARRAY, ab, 2), 6);
    ck_assert_uint_eq(sql_items(&sql, SQL_TEXT_ARRAY, a, 1), 7);
    ck_assert_uint_eq(sql_items(&sql, SQL_TEXT_ARRAY, ba, 2), 8);
    ck_assert_uint_eq(sql_items(&sql, SQL_NAME_IDS, ab, 2), 9);
    ck_assert_uint_eq(sql_items(&sql, SQL_TEXT_ARRAY, ab, 2), 6);
    ck_assert_uint_eq(sql_items(&sql, SQL_TEXT_ARRAY, NULL, 0), 10);
    ck_assert_uint_eq(sql_items(&sql, SQL_TEXT_ARRAY, NULL, 0), 10);
    ck_assert_uint_eq(sql.n_params, 10);
}
END_TEST

START_TEST(test_texts_are_copied)
{
    struct sql sql AUTO_SQL;
    char text[] = "abc";
    const char *const items[] = {text};

    sql_init(&sql, 1);
    (void)sql_text(&sql, SQL_TEXT, text);
    (void)sql_items(&sql, SQL_TEXT_ARRAY, items, 1);
    text[0] = 'x';
    ck_assert_str_eq(sql.params[0].text, "abc");
    ck_assert_str_eq(sql.params[1].items[0], "abc");
}
END_TEST

START_TEST(test_release_leaves_an_empty_statement)
{
    struct sql sql;

    sql_init(&sql, 2);
    buf_add_text(&sql.text, "SELECT 1");
    (void)sql_text(&sql, SQL_TEXT, "a");
    sql_release(&sql);
    ck_assert_uint_eq(sql.n_params, 0);
    ck_assert_uint_eq(sql_text(&sql, SQL_TEXT, "a"), 2);
    sql_release(&sql);
}
END_TEST

RUN_TESTS("sql", test_numbers_from_first, test_equal_values_of_one_type_are_one_parameter, test_texts_are_copied,
          test_release_leaves_an_empty_statement)
