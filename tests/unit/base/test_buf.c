/* The growing buffer: what it holds, what it refuses past its maximum, and that a full buffer stays full until cleared. Also the
 * allocations it rests on. */
#include "server/base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/alloc.h"
#include "tests/unit/run.h"

START_TEST(test_appends)
{
    struct buf buf AUTO_BUF = BUF_INIT(1000);

    ck_assert_str_eq(buf_text(&buf), "");
    buf_add_text(&buf, "a");
    buf_add_char(&buf, '-');
    buf_add_int(&buf, INT64_MIN);
    buf_addf(&buf, " %s/%d", "x", 7);
    buf_add(&buf, "\0z", 2);
    ck_assert_uint_eq(buf.len, 2 + 20 + 4 + 2);
    ck_assert_mem_eq(buf_text(&buf), "a--9223372036854775808 x/7\0z\0", buf.len + 1);
    ck_assert(buf_ok(&buf));
}
END_TEST

START_TEST(test_grows_past_its_first_memory)
{
    struct buf buf AUTO_BUF = BUF_INIT(100000);

    for (int i = 0; i < 10000; i++)
        buf_addf(&buf, "%d", i % 10);
    ck_assert_uint_eq(buf.len, 10000);
    ck_assert_int_eq(buf.data[9999], '9');
    ck_assert_int_eq(buf.data[10000], '\0');
}
END_TEST

START_TEST(test_a_piece_that_does_not_fit_is_left_out)
{
    struct buf buf AUTO_BUF = BUF_INIT(4);

    buf_add_text(&buf, "abc");
    buf_add_text(&buf, "de");
    ck_assert(!buf_ok(&buf));
    ck_assert_str_eq(buf_text(&buf), "abc");
    buf_addf(&buf, "%s", "d");
    ck_assert_str_eq(buf_text(&buf), "abcd");
    ck_assert(!buf_ok(&buf));
    ck_assert_ptr_null(buf_room(&buf, 1));
    buf_clear(&buf);
    ck_assert(buf_ok(&buf));
    ck_assert_str_eq(buf_text(&buf), "");
}
END_TEST

START_TEST(test_take)
{
    struct buf buf AUTO_BUF = BUF_INIT(100);
    char *text;

    buf_add_text(&buf, "hello");
    text = buf_take(&buf);
    ck_assert_str_eq(text, "hello");
    free(text);
    ck_assert_uint_eq(buf.len, 0);
    text = buf_take(&buf);
    ck_assert_str_eq(text, "");
    free(text);
    ck_assert_uint_eq(buf.max, 100);
}
END_TEST

START_TEST(test_room_is_written_by_the_caller)
{
    struct buf buf AUTO_BUF = BUF_INIT(10);
    char *room = buf_room(&buf, 10);

    ck_assert_ptr_nonnull(room);
    memcpy(room, "0123456789", 10);
    buf_added(&buf, 10);
    ck_assert_str_eq(buf_text(&buf), "0123456789");
}
END_TEST

START_TEST(test_allocations)
{
    char *zeros AUTO_FREE = mem_zalloc(3);
    char *copy AUTO_FREE = mem_strndup("abc", 2);
    char *nothing AUTO_FREE = mem_alloc(0);
    int *grown AUTO_FREE = mem_grow(NULL, 4, sizeof *grown);

    ck_assert_mem_eq(zeros, "\0\0\0", 3);
    ck_assert_str_eq(copy, "ab");
    ck_assert_ptr_nonnull(nothing);
    grown = mem_grow(grown, 0, sizeof *grown);
    ck_assert_ptr_nonnull(grown);
}
END_TEST

RUN_TESTS("buf", test_appends, test_grows_past_its_first_memory, test_a_piece_that_does_not_fit_is_left_out, test_take,
          test_room_is_written_by_the_caller, test_allocations)
