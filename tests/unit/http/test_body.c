/* Bodies byte by byte, without a connection. */
#include <stdlib.h>
#include <string.h>

#include "server/base/alloc.h"
#include "server/http/private.h"
#include "tests/unit/run.h"

enum { LIMIT = 1 << 20 };

/* Appends text as one gzip member. */
static void add_gzip(struct buf *out, const void *text, size_t len, int level)
{
    z_stream zip = {.next_in = (Bytef *)(uintptr_t)text, .avail_in = (uInt)len};
    size_t max = len + 1024;

    ck_assert_int_eq(deflateInit2(&zip, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    zip.next_out = (Bytef *)buf_room(out, max);
    zip.avail_out = (uInt)max;
    ck_assert_int_eq(deflate(&zip, Z_FINISH), Z_STREAM_END);
    buf_added(out, zip.total_out);
    (void)deflateEnd(&zip);
}

/* Feeds bytes in pieces and returns the flaw, or NULL; *ret_len is what came out. */
static const char *feed(const struct buf *bytes, size_t piece, size_t limit, size_t *ret_len)
{
    struct body body;
    const char *flaw;

    body_begin(&body, "gzip", limit, 0, 200);
    for (size_t at = 0; at < bytes->len; at += piece)
        body_feed(&body, bytes->data + at, bytes->len - at < piece ? bytes->len - at : piece);
    ck_assert_uint_eq(body.received, bytes->len);
    ck_assert(body_end(&body) == !body.flaw);
    flaw = body.flaw;
    if (ret_len)
        *ret_len = body.bytes.len;
    ck_assert(!flaw || !body.bytes.cap); /* what is flawed holds nothing */
    body_release(&body);
    return flaw;
}

START_TEST(any_cut_of_a_gzip_is_refused_and_the_whole_is_not)
{
    static const size_t pieces[] = {1, 2, 7, 100000};
    struct buf bytes = BUF_INIT(LIMIT);
    char text[3000];
    size_t whole, len;

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * i % 251);
    add_gzip(&bytes, text, sizeof text, 6);
    whole = bytes.len;
    for (size_t p = 0; p < ARRAY_LEN(pieces); p++) {
        ck_assert_ptr_null(feed(&bytes, pieces[p], LIMIT, &len));
        ck_assert_uint_eq(len, sizeof text);
        for (bytes.len = 1; bytes.len < whole; bytes.len += 13)
            ck_assert_str_eq(feed(&bytes, pieces[p], LIMIT, NULL), "bad_gzip");
        bytes.len = whole;
    }
    buf_release(&bytes);
}
END_TEST

START_TEST(members_may_follow_one_another_but_garbage_not)
{
    struct buf bytes = BUF_INIT(LIMIT);
    size_t len;

    add_gzip(&bytes, "hello ", 6, 6);
    add_gzip(&bytes, "world", 5, 6);
    for (size_t piece = 1; piece < 50; piece++) {
        ck_assert_ptr_null(feed(&bytes, piece, LIMIT, &len));
        ck_assert_uint_eq(len, 11);
    }
    buf_add_text(&bytes, "x");
    ck_assert_str_eq(feed(&bytes, 100, LIMIT, NULL), "bad_gzip");
    bytes.data[bytes.len - 1] = '\0';
    ck_assert_str_eq(feed(&bytes, 1, LIMIT, NULL), "bad_gzip");
    bytes.len--;
    bytes.data[bytes.len - 8] ^= 1; /* the checksum */
    ck_assert_str_eq(feed(&bytes, 100, LIMIT, NULL), "bad_gzip");
    buf_release(&bytes);
}
END_TEST

START_TEST(the_limit_holds_to_the_byte)
{
    static char text[50000];
    struct buf bytes = BUF_INIT(LIMIT);
    size_t len;

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7919 % 256);
    add_gzip(&bytes, text, sizeof text, 1);
    for (size_t piece = 1; piece < 100000; piece *= 17) {
        ck_assert_ptr_null(feed(&bytes, piece, sizeof text, &len));
        ck_assert_uint_eq(len, sizeof text);
        ck_assert_str_eq(feed(&bytes, piece, sizeof text - 1, NULL), "body_too_large");
        ck_assert_str_eq(feed(&bytes, piece, 0, NULL), "body_too_large");
    }
    buf_release(&bytes);
}
END_TEST

START_TEST(the_ratio_counts_past_the_first_mib)
{
    enum { FREE = 1 << 20, LARGE = 2 * FREE };
    char *zeros = mem_zalloc(LARGE);
    struct buf bytes = BUF_INIT(2 * LARGE);

    add_gzip(&bytes, zeros, FREE, 9);
    ck_assert_ptr_null(feed(&bytes, 10, LARGE, NULL));
    buf_clear(&bytes);
    add_gzip(&bytes, zeros, LARGE, 9);
    ck_assert_str_eq(feed(&bytes, 10, LARGE, NULL), "bad_gzip");
    ck_assert_str_eq(feed(&bytes, 100000, LARGE, NULL), "bad_gzip");
    buf_release(&bytes);
    free(zeros);
}
END_TEST

START_TEST(codings)
{
    static const struct {
        const char *coding;
        enum body_coding is;
    } cases[] = {
        {NULL, BODY_PLAIN},  {"", BODY_PLAIN},     {"identity", BODY_PLAIN}, {"gzip", BODY_GZIP},          {"X-Gzip", BODY_GZIP},
        {"GZIP", BODY_GZIP}, {"br", BODY_UNKNOWN}, {"gzip2", BODY_UNKNOWN},  {"gzip, gzip", BODY_UNKNOWN},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct body body;

        body_begin(&body, cases[i].coding, 10, 0, 200);
        ck_assert_int_eq(body.coding, cases[i].is);
        body_release(&body);
    }
}
END_TEST

START_TEST(a_promised_length_over_the_limit_is_known_at_once)
{
    struct body body;

    body_begin(&body, NULL, 10, 11, 200);
    ck_assert_str_eq(body.flaw, "body_too_large");
    body_release(&body);
    body_begin(&body, NULL, LIMIT, LIMIT, 200);
    ck_assert_ptr_null(body.flaw);
    ck_assert_uint_lt(body.bytes.cap, 200 << 10); /* a promise alone takes no memory */
    body_release(&body);
}
END_TEST

RUN_TESTS("body", any_cut_of_a_gzip_is_refused_and_the_whole_is_not, members_may_follow_one_another_but_garbage_not,
          the_limit_holds_to_the_byte, the_ratio_counts_past_the_first_mib, codings, a_promised_length_over_the_limit_is_known_at_once)
