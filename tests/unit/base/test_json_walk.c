/* Walking a checked text: spans, order, doubles, escapes, integers. */
#include <string.h>

#include "server/base/alloc.h"
#include "server/base/json_scan.h"
#include "tests/unit/run.h"

enum { TEXT_MAX = 1000 };

/* The text checked, in static memory. */
static struct json parse(const char *text)
{
    static char copy[TEXT_MAX];
    struct json_flaw flaw;
    struct json root;
    size_t bad_numbers;

    memcpy(copy, text, strlen(text));
    ck_assert_msg(json_check(copy, strlen(text), &root, &bad_numbers, &flaw), "%s", text);
    return root;
}

static void assert_span(struct json value, enum json_type type, const char *text)
{
    ck_assert_int_eq(value.type, type);
    ck_assert_uint_eq(value.len, strlen(text));
    ck_assert_mem_eq(value.at, text, value.len);
}

START_TEST(test_root_span_has_no_white_space)
{
    assert_span(parse(" \n [1 , 2 ] \t"), JSON_T_ARRAY, "[1 , 2 ]");
    assert_span(parse(" 12.5 "), JSON_T_NUMBER, "12.5");
    assert_span(parse("true"), JSON_T_TRUE, "true");
}
END_TEST

START_TEST(test_members_in_order)
{
    struct json_iter iter = json_iter(parse("{ \"a\" : 1 ,\"b\":{\"x\":[\"}\",{}]} , \"c\\\"\":\"]\\\\\" , \"a\" : null,\"d\":false }"));
    struct json key, value;

    ck_assert(json_next_member(&iter, &key, &value));
    assert_span(key, JSON_T_STRING, "\"a\"");
    assert_span(value, JSON_T_NUMBER, "1");
    ck_assert(json_next_member(&iter, &key, &value));
    assert_span(value, JSON_T_OBJECT, "{\"x\":[\"}\",{}]}");
    ck_assert(json_next_member(&iter, &key, &value));
    assert_span(key, JSON_T_STRING, "\"c\\\"\"");
    assert_span(value, JSON_T_STRING, "\"]\\\\\"");
    ck_assert(json_next_member(&iter, &key, &value));
    assert_span(value, JSON_T_NULL, "null");
    ck_assert(json_next_member(&iter, &key, &value));
    assert_span(value, JSON_T_FALSE, "false");
    ck_assert(!json_next_member(&iter, &key, &value));
    ck_assert(!json_next_member(&iter, &key, &value));
}
END_TEST

START_TEST(test_elements_in_order)
{
    struct json_iter iter = json_iter(parse("[ [] ,{}, -1.5e3,\"a long string, with ] and } and \\\" in it\",true]"));
    struct json value;

    ck_assert(json_next_element(&iter, &value));
    assert_span(value, JSON_T_ARRAY, "[]");
    ck_assert(json_next_element(&iter, &value));
    assert_span(value, JSON_T_OBJECT, "{}");
    ck_assert(json_next_element(&iter, &value));
    assert_span(value, JSON_T_NUMBER, "-1.5e3");
    ck_assert(json_next_element(&iter, &value));
    assert_span(value, JSON_T_STRING, "\"a long string, with ] and } and \\\" in it\"");
    ck_assert(json_next_element(&iter, &value));
    assert_span(value, JSON_T_TRUE, "true");
    ck_assert(!json_next_element(&iter, &value));
}
END_TEST

START_TEST(test_nothing_inside_a_scalar)
{
    struct json_iter iter = json_iter(parse("\"{}\""));
    struct json key, value;

    ck_assert(!json_next_element(&iter, &value));
    iter = json_iter(JSON_NONE);
    ck_assert(!json_next_member(&iter, &key, &value));
    ck_assert_uint_eq(json_count(parse("12")), 0);
}
END_TEST

START_TEST(test_get_the_last_of_doubles)
{
    struct json object = parse("{\"a\":1,\"b\":2,\"\\u0061\":3}");

    assert_span(json_get(object, "a"), JSON_T_NUMBER, "3");
    assert_span(json_get(object, "b"), JSON_T_NUMBER, "2");
    ck_assert_int_eq(json_get(object, "c").type, JSON_T_NONE);
    ck_assert_int_eq(json_get(object, "").type, JSON_T_NONE);
    ck_assert_int_eq(json_get(parse("[\"a\",1]"), "a").type, JSON_T_NONE);
    ck_assert_int_eq(json_get(JSON_NONE, "a").type, JSON_T_NONE);
}
END_TEST

START_TEST(test_is)
{
    ck_assert(json_is(parse("\"abc\""), "abc"));
    ck_assert(!json_is(parse("\"abc\""), "ab"));
    ck_assert(!json_is(parse("\"abc\""), "abcd"));
    ck_assert(json_is(parse("\"\""), ""));
    ck_assert(json_is(parse("\"a\\u00e9\\n\\ud83d\\ude00\\\"\""), "a\xc3\xa9\n\xf0\x9f\x98\x80\""));
    ck_assert(!json_is(parse("\"a\\u00e9\""), "a\xc3"));
    ck_assert(!json_is(parse("\"a\\\\b\""), "a\\\\b"));
    ck_assert(json_is(parse("\"a\\\\b\""), "a\\b"));
    ck_assert(!json_is(parse("12"), "12"));
    ck_assert(!json_is(JSON_NONE, ""));
}
END_TEST

START_TEST(test_decode)
{
    static const struct {
        const char *json, *text;
        size_t length;
    } cases[] = {
        {"\"\"", "", 0},
        {"\"abc\"", "abc", 3},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
        {"\"\\u0041\\u00e9\\u20AC\\uFFFD\"", "A\xc3\xa9\xe2\x82\xac\xef\xbf\xbd", 4},
        {"\"\\uD83D\\uDE00x\"", "\xf0\x9f\x98\x80x", 2},
        {"\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf", 1},
        {"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 3},
        {"\"a\\u0000b\"", "a\xef\xbf\xbd\x62", 3},
        {"\"\\u007f\\u0080\\u07ff\\u0800\"", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80", 4},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct json value = parse(cases[i].json);
        struct buf buf AUTO_BUF = BUF_INIT(100);
        char *text AUTO_FREE = json_text(value);

        ck_assert_str_eq(text, cases[i].text);
        buf_add_char(&buf, '>');
        json_decode(value, &buf);
        ck_assert_str_eq(buf_text(&buf) + 1, cases[i].text);
        ck_assert_uint_eq(json_length(value), cases[i].length);
    }
}
END_TEST

START_TEST(test_decode_of_no_string_is_nothing)
{
    char *text AUTO_FREE = json_text(parse("12"));
    char *none AUTO_FREE = json_text(JSON_NONE);

    ck_assert_str_eq(text, "");
    ck_assert_str_eq(none, "");
    ck_assert_uint_eq(json_length(parse("[1]")), 0);
}
END_TEST

START_TEST(test_count)
{
    ck_assert_uint_eq(json_count(parse("[]")), 0);
    ck_assert_uint_eq(json_count(parse("[1,[2,3],4]")), 3);
    ck_assert_uint_eq(json_count(parse("{\"a\":{\"x\":1,\"y\":2},\"a\":1}")), 2);
}
END_TEST

START_TEST(test_int)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0}, {"-0", 0}, {"42", 42}, {"-7", -7}, {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {
        "9223372036854775808", "-9223372036854775809", "99999999999999999999999", "5.0", "1e3", "\"5\"", "null", "[5]"};
    int64_t value;

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        ck_assert_msg(json_int(parse(good[i].text), INT64_MIN, INT64_MAX, &value), "%s", good[i].text);
        ck_assert_int_eq(value, good[i].value);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!json_int(parse(bad[i]), INT64_MIN, INT64_MAX, &value), "%s", bad[i]);
    ck_assert(!json_int(JSON_NONE, 0, 1, &value));
    ck_assert(json_int(parse("10"), 10, 10, &value));
    ck_assert(!json_int(parse("9"), 10, 11, &value));
    ck_assert(!json_int(parse("12"), 10, 11, &value));
}
END_TEST

START_TEST(test_written_out)
{
    ck_assert_uint_eq(json_written_out(parse("{\"1e50\":[\"1e50\",1e99,-2.5E-3,7,true,null]}")), 102);
    ck_assert_uint_eq(json_written_out(parse("1e+5")), 5);
    ck_assert_uint_eq(json_written_out(JSON_NONE), 0);
}
END_TEST

START_TEST(test_has_bad_number)
{
    ck_assert(!json_has_bad_number(parse("{\"1e999\":[\"1e999\",1e99,true]}")));
    ck_assert(json_has_bad_number(parse("{\"a\":[1,{\"b\":1e999}]}")));
    ck_assert(json_has_bad_number(parse("1e100")));
    ck_assert(!json_has_bad_number(JSON_NONE));
}
END_TEST

RUN_TESTS("json_walk", test_root_span_has_no_white_space, test_members_in_order, test_elements_in_order, test_nothing_inside_a_scalar,
          test_get_the_last_of_doubles, test_is, test_decode, test_decode_of_no_string_is_nothing, test_count, test_int,
          test_has_bad_number, test_written_out)
