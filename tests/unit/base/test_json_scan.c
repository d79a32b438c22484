/* What is JSON and what is not, to the byte; what is repaired; which numbers are outside the form of language.md. Texts are checked in memory of exactly
 * their length, so that a sanitizer sees a step too far. */
#include "server/base/json_scan.h"

#include <string.h>

#include "server/base/alloc.h"
#include "tests/unit/run.h"

struct result {
    bool ok;
    char *text;
    size_t bad_numbers;
    struct json_flaw flaw;
    enum json_type type;
};

static struct result check(const char *text, size_t len)
{
    struct result result = {.text = mem_alloc(len)};
    struct json root = JSON_NONE;

    memcpy(result.text, text, len);
    result.ok = json_check(result.text, len, &root, &result.bad_numbers, &result.flaw);
    result.type = root.type;
    return result;
}

START_TEST(test_accepts)
{
    static const struct {
        const char *text;
        enum json_type type;
    } cases[] = {
        {"null", JSON_T_NULL},
        {" true ", JSON_T_TRUE},
        {"\t\r\nfalse", JSON_T_FALSE},
        {"0", JSON_T_NUMBER},
        {"-0", JSON_T_NUMBER},
        {"-12.50e+10", JSON_T_NUMBER},
        {"1E5", JSON_T_NUMBER},
        {"\"\"", JSON_T_STRING},
        {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", JSON_T_STRING},
        {"\"\x7f\xc3\xa9\xf0\x9f\x98\x80\"", JSON_T_STRING},
        {"[]", JSON_T_ARRAY},
        {" [ ] ", JSON_T_ARRAY},
        {"{}", JSON_T_OBJECT},
        {"{ }", JSON_T_OBJECT},
        {"[1,[2,{\"a\":[]}],\"x\"]", JSON_T_ARRAY},
        {"{ \"a\" : 1 , \"a\" : { \"b\" : [ true , null ] } }", JSON_T_OBJECT},
        {"{\"\":\"\"}", JSON_T_OBJECT},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct result result = check(cases[i].text, strlen(cases[i].text));

        ck_assert_msg(result.ok, "%s: %s", cases[i].text, result.flaw.what);
        ck_assert_int_eq(result.type, cases[i].type);
        ck_assert_mem_eq(result.text, cases[i].text, strlen(cases[i].text));
        free(result.text);
    }
}
END_TEST

START_TEST(test_refuses)
{
    static const struct {
        const char *text;
        size_t offset;
        const char *what;
    } cases[] = {
        {"", 0, "a value is missing"},
        {"  ", 2, "a value is missing"},
        {"nul", 0, "unknown word"},
        {"True", 0, "unexpected character"},
        {"nullx", 4, "text after the value"},
        {"1 2", 2, "text after the value"},
        {"01", 1, "text after the value"},
        {"-", 1, "bad number"},
        {"+1", 0, "unexpected character"},
        {".5", 0, "unexpected character"},
        {"1.", 2, "bad number"},
        {"1.e5", 2, "bad number"},
        {"1e", 2, "bad number"},
        {"1e+", 3, "bad number"},
        {"NaN", 0, "unexpected character"},
        {"\"", 1, "string without end"},
        {"\"abc", 4, "string without end"},
        {"\"\\", 1, "string without end"},
        {"\"\\\"", 3, "string without end"},
        {"\"\\x\"", 1, "unknown escape"},
        {"\"\\u12\"", 1, "bad \\u escape"},
        {"\"\\u12g4\"", 1, "bad \\u escape"},
        {"\"\\U0041\"", 1, "unknown escape"},
        {"\"a\nb\"", 2, "control character in a string"},
        {"\"\x1f\"", 1, "control character in a string"},
        {"\"\xff\"", 1, "bytes that are not UTF-8"},
        {"\"\xc3\"", 1, "bytes that are not UTF-8"},
        {"\"\xed\xa0\x80\"", 1, "bytes that are not UTF-8"},
        {"\xef\xbb\xbf{}", 0, "unexpected character"},
        {"[", 1, "a value is missing"},
        {"[1", 2, "a comma or closing bracket is missing"},
        {"[1,", 3, "a value is missing"},
        {"[1,]", 3, "unexpected character"},
        {"[,1]", 1, "unexpected character"},
        {"[1 2]", 3, "a comma or closing bracket is missing"},
        {"[1}", 2, "a comma or closing bracket is missing"},
        {"{1:2}", 1, "a member's name is missing"},
        {"{\"a\"}", 4, "a colon is missing"},
        {"{\"a\":}", 5, "unexpected character"},
        {"{\"a\":1,}", 7, "a member's name is missing"},
        {"{\"a\":1]", 6, "a comma or closing bracket is missing"},
        {"{\"a\" 1}", 5, "a colon is missing"},
        {"{,}", 1, "a member's name is missing"},
        {"}", 0, "unexpected character"},
        {"[]]", 2, "text after the value"},
        {"'a'", 0, "unexpected character"},
        {"/* c */ 1", 0, "unexpected character"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct result result = check(cases[i].text, strlen(cases[i].text));

        ck_assert_msg(!result.ok, "%s", cases[i].text);
        ck_assert_msg(strcmp(result.flaw.what, cases[i].what) == 0, "%s: %s", cases[i].text, result.flaw.what);
        ck_assert_msg(result.flaw.offset == cases[i].offset, "%s: at %zu", cases[i].text, result.flaw.offset);
        free(result.text);
    }
}
END_TEST

START_TEST(test_a_nul_byte_is_no_json_anywhere)
{
    static const char text[] = "{\"a\":[1,true,\"x\"]}";

    for (size_t i = 0; i <= sizeof text - 1; i++) {
        char with[sizeof text];
        struct result result;

        memcpy(with, text, i);
        with[i] = '\0';
        memcpy(with + i + 1, text + i, sizeof text - 1 - i);
        result = check(with, sizeof text);
        ck_assert_msg(!result.ok, "at %zu", i);
        free(result.text);
    }
}
END_TEST

START_TEST(test_every_beginning_of_a_text_is_refused)
{
    static const char text[] =
        "{\"key\": [1.5e-3, {\"n\": null, \"t\": true}, \"\xc3\xa9\\ud83d\\ude00 long enough to be read by eight\"], \"f\":false}";

    for (size_t len = 0; len < sizeof text - 1; len++) {
        struct result result = check(text, len);

        ck_assert_msg(!result.ok, "%zu bytes", len);
        free(result.text);
    }
}
END_TEST

/* Strings are passed eight bytes at a time: each special byte at each place of a word. */
START_TEST(test_special_bytes_at_every_place)
{
    for (size_t len = 1; len < 40; len++) {
        for (size_t at = 0; at < len; at++) {
            char text[64];
            struct result result;

            memset(text, 'x', len + 2);
            text[0] = text[len + 1] = '"';
            text[1 + at] = '\x1f';
            result = check(text, len + 2);
            ck_assert(!result.ok && result.flaw.offset == 1 + at);
            free(result.text);
            text[1 + at] = '\x80';
            result = check(text, len + 2);
            ck_assert(!result.ok && result.flaw.offset == 1 + at);
            free(result.text);
            text[1 + at] = '"';
            result = check(text, len + 2);
            ck_assert(!result.ok && result.flaw.offset == 2 + at);
            free(result.text);
            text[1 + at] = '\\';
            result = check(text, len + 2);
            ck_assert(!result.ok);
            free(result.text);
            text[1 + at] = ' ';
            result = check(text, len + 2);
            ck_assert(result.ok);
            free(result.text);
        }
    }
}
END_TEST

START_TEST(test_repairs_in_place)
{
    static const struct {
        const char *text, *repaired;
    } cases[] = {
        {"\"a\\u0000b\"", "\"a\\ufffdb\""},
        {"{\"\\u0000\":1}", "{\"\\ufffd\":1}"},
        {"\"\\ud800\"", "\"\\ufffd\""},
        {"\"\\uDFFF\"", "\"\\ufffd\""},
        {"\"\\ud83d\\ude00\"", "\"\\ud83d\\ude00\""},
        {"\"\\ud83dx\\ude00\"", "\"\\ufffdx\\ufffd\""},
        {"\"\\ud83d\\ud83d\\ude00\"", "\"\\ufffd\\ud83d\\ude00\""},
        {"\"\\ud83d\\u0041\"", "\"\\ufffd\\u0041\""},
        {"\"\\ud83d\\n\"", "\"\\ufffd\\n\""},
        {"\"\\ude00\\ud83d\"", "\"\\ufffd\\ufffd\""},
        {"\"\\u0001\"", "\"\\u0001\""},
        {"\"\\\\u0000\"", "\"\\\\u0000\""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct result result = check(cases[i].text, strlen(cases[i].text));

        ck_assert_msg(result.ok, "%s: %s", cases[i].text, result.flaw.what);
        ck_assert_mem_eq(result.text, cases[i].repaired, strlen(cases[i].repaired));
        free(result.text);
    }
}
END_TEST

START_TEST(test_depth)
{
    char text[2 * JSON_DEPTH_MAX + 3];
    struct result result;

    for (int object = 0; object < 2; object++) {
        memset(text, '[', JSON_DEPTH_MAX + 1);
        memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
        if (object) {
            text[JSON_DEPTH_MAX] = '{';
            text[JSON_DEPTH_MAX + 1] = '}';
        }
        result = check(text + 1, 2 * JSON_DEPTH_MAX);
        ck_assert(result.ok);
        free(result.text);
        result = check(text, 2 * JSON_DEPTH_MAX + 2);
        ck_assert(!result.ok);
        ck_assert_str_eq(result.flaw.what, "depth over 64");
        ck_assert_uint_eq(result.flaw.offset, JSON_DEPTH_MAX);
        free(result.text);
    }
}
END_TEST

/* A container's kind is one bit: a sibling at the same depth must not inherit it. */
START_TEST(test_kinds_of_siblings)
{
    static const char *const good[] = {"[{\"a\":1},[1],{\"b\":[{}]}]", "{\"a\":[1],\"b\":{\"c\":2},\"d\":[[],{}]}"};
    static const char *const bad[] = {"[{\"a\":1},[\"b\":1]]", "{\"a\":[1],\"b\":{2}}", "[[1],{\"a\":1]]"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct result result = check(good[i], strlen(good[i]));

        ck_assert_msg(result.ok, "%s", good[i]);
        free(result.text);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct result result = check(bad[i], strlen(bad[i]));

        ck_assert_msg(!result.ok, "%s", bad[i]);
        free(result.text);
    }
}
END_TEST

START_TEST(test_counts_bad_numbers)
{
    static const char fifty[] = "12345678901234567890123456789012345678901234567890";
    static const char text[] = "[1e99, 1e-99, 1e100, 1E+007, -1.5, \"1e400\", 12345678901234567890123456789012345678901234567890,"
                               "123456789012345678901234567890123456789012345678901, {\"1e999\": 1e400}]";
    struct result result = check(text, sizeof text - 1);

    ck_assert(result.ok);
    ck_assert_uint_eq(result.bad_numbers, 4);
    ck_assert(json_number_ok(fifty, 50));
    free(result.text);
}
END_TEST

START_TEST(test_number_form)
{
    static const char *const good[] = {"0", "-0", "5", "-12", "0.50", "1e5", "1E-05", "1.25e+99"};
    static const char *const bad[] = {"",      "-",   "01",  "+1",  " 1",       "1 ",  ".5",   "1.", "1e",
                                      "1e100", "1e+", "0x1", "1,5", "\xd9\xa1", "NaN", "1e5x", "--1"};
    char longest[52];

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        ck_assert_msg(json_number_ok(good[i], strlen(good[i])), "%s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!json_number_ok(bad[i], strlen(bad[i])), "%s", bad[i]);
    memset(longest, '1', sizeof longest);
    ck_assert(json_number_ok(longest, 50));
    ck_assert(!json_number_ok(longest, 51));
}
END_TEST

RUN_TESTS("json_scan", test_accepts, test_refuses, test_a_nul_byte_is_no_json_anywhere, test_every_beginning_of_a_text_is_refused,
          test_special_bytes_at_every_place, test_repairs_in_place, test_depth, test_kinds_of_siblings, test_counts_bad_numbers,
          test_number_form)
