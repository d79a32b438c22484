/* The user's error: the first one wins, long texts are cut, and setting it is false. */
#include "server/base/err.h"

#include <string.h>

#include "tests/unit/run.h"

START_TEST(test_the_first_wins)
{
    struct err err = ERR_INIT;

    ck_assert(!err_set(&err, "one", "/a/0", "%d things", 3));
    ck_assert(!err_set(&err, "two", "/b", "other"));
    ck_assert_str_eq(err.code, "one");
    ck_assert_str_eq(err.pointer, "/a/0");
    ck_assert_str_eq(err.detail, "3 things");
}
END_TEST

START_TEST(test_long_texts_are_cut)
{
    struct err err = ERR_INIT;
    char text[1000];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)err_set(&err, "long", text, "%s", text);
    ck_assert_uint_eq(strlen(err.pointer), ERR_POINTER_MAX - 1);
    ck_assert_uint_eq(strlen(err.detail), ERR_DETAIL_MAX - 1);
}
END_TEST

RUN_TESTS("err", test_the_first_wins, test_long_texts_are_cut)
