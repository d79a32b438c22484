/* The JSON writer: commas, escapes, nulls; what it writes is what the scanner accepts and decodes to the same. */
#include "server/base/json_write.h"

#include <math.h>
#include <string.h>

#include "server/base/json_scan.h"
#include "tests/unit/run.h"

START_TEST(test_an_object_of_everything)
{
    struct buf buf AUTO_BUF = BUF_INIT(1000);
    struct json_out out = JSON_OUT(&buf);

    json_open(&out, '{');
    json_add_text(&out, "a", "x");
    json_add_text(&out, "b", NULL);
    json_add_int(&out, "c", INT64_MIN);
    json_add_bool(&out, "d", true);
    json_add_bool(&out, "e", false);
    json_add_null(&out, "f");
    json_add_real(&out, "g", 0.25);
    json_add_real(&out, "h", NAN);
    json_add_instant(&out, "i", 1);
    json_add_instant(&out, "j", INT64_MIN);
    json_add_raw(&out, "k", "[19.990]");
    json_add_raw(&out, "l", NULL);
    json_key(&out, "m");
    json_open(&out, '[');
    json_put_int(&out, 1);
    json_open(&out, '[');
    json_close(&out, ']');
    json_open(&out, '{');
    json_close(&out, '}');
    json_put_text_len(&out, "yz", 1);
    json_put_raw(&out, "null,", 4);
    json_close(&out, ']');
    json_close(&out, '}');
    ck_assert_str_eq(buf_text(&buf), "{\"a\":\"x\",\"b\":null,\"c\":-9223372036854775808,\"d\":true,\"e\":false,\"f\":null,\"g\":0.25,"
                                     "\"h\":null,\"i\":\"1970-01-01T00:00:00.000001Z\",\"j\":null,\"k\":[19.990],\"l\":null,"
                                     "\"m\":[1,[],{},\"y\",null]}");
}
END_TEST

START_TEST(test_escapes)
{
    struct buf buf AUTO_BUF = BUF_INIT(1000);
    struct json_out out = JSON_OUT(&buf);

    json_put_text(&out, "\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9");
    ck_assert_str_eq(buf_text(&buf), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"");
}
END_TEST

START_TEST(test_every_byte_comes_back)
{
    struct buf buf AUTO_BUF = BUF_INIT(4000), back AUTO_BUF = BUF_INIT(4000);
    struct json_out out = JSON_OUT(&buf);
    struct json_flaw flaw;
    struct json root;
    size_t bad_numbers;
    char text[128];

    for (int i = 0; i < 127; i++)
        text[i] = (char)(i + 1);
    json_put_text_len(&out, text, 127);
    ck_assert(json_check(buf.data, buf.len, &root, &bad_numbers, &flaw));
    json_decode(root, &back);
    ck_assert_uint_eq(back.len, 127);
    ck_assert_mem_eq(back.data, text, 127);
}
END_TEST

RUN_TESTS("json_write", test_an_object_of_everything, test_escapes, test_every_byte_comes_back)
