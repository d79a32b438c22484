/* The table is what hook_check wants, and hook_check tells what is wrong. */
#include "server/base/buf.h"
#include "tests/unit/hooks/given.h"

START_TEST(test_each_entry_is_one)
{
    size_t len, n = 0;
    const char *table = hook_providers(&len);
    char *copy AUTO_FREE = mem_strndup(table, len);
    struct json root = json_of(copy, len), provider;
    struct json_iter iter = json_iter(root);

    for (; json_next_element(&iter, &provider); n++) {
        char *key AUTO_FREE = json_text(json_get(provider, "key"));
        struct err err = ERR_INIT;

        ck_assert_msg(hook_check(json_get(provider, "hook"), "/hook", &err), "%s%s: %s", key, err.pointer, err.detail);
        ck_assert(json_get(provider, "title").type == JSON_T_STRING && json_get(provider, "secret").type == JSON_T_STRING);
    }
    ck_assert_uint_eq(n, 14);
}
END_TEST

#define VERIFY "'verify':{'scheme':'token','in':['bearer']}"

START_TEST(test_what_is_wrong_is_told)
{
    static const struct {
        const char *entry, *pointer, *code;
    } cases[] = {
        {"{" VERIFY ",'person':{'email':'e'},'map':{'*':{'event':'E'}}}", NULL, NULL},
        {"{'person':{},'map':{}}", "/hook/verify", "missing_member"},
        {"{'verify':{'scheme':'md5'},'person':{},'map':{}}", "/hook/verify/scheme", "bad_value"},
        {"{'verify':{'scheme':'hmac'},'person':{},'map':{}}", "/hook/verify/signature", "missing_member"},
        {"{'verify':{'scheme':'token','in':['cookie:x']},'person':{},'map':{}}", "/hook/verify/in/0", "bad_path"},
        {"{" VERIFY ",'person':{'email':'a..b'},'map':{}}", "/hook/person/email", "bad_path"},
        {"{" VERIFY ",'person':{},'map':{},'surprise':1}", "/hook/surprise", "unknown_member"},
        {"{" VERIFY ",'person':{},'map':{'a':{'properties':{}}}}", "/hook/map/a/event", "missing_member"},
        {"{" VERIFY ",'person':{},'map':{'a':[{'event':'E','properties':{'x':{'path':'y','as':'double'}}}]}}",
         "/hook/map/a/0/properties/x/as", "bad_value"},
        {"{" VERIFY ",'person':{},'map':{'a':{'event':'E','properties':{'x':{'as':'text'}}}}}", "/hook/map/a/properties/x", "bad_value"},
        {"{" VERIFY ",'person':{},'map':{},'id':'{a'}", "/hook/id", "bad_template"},
        {"{" VERIFY ",'person':{},'map':{},'id':'{}'}", "/hook/id", "bad_path"},
        {"{" VERIFY ",'person':{},'map':{},'timestamp':{'path':'t','unit':'us'}}", "/hook/timestamp/unit", "bad_value"},
        {"{" VERIFY ",'person':{},'map':{},'events':'*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*.*'}", "/hook/events",
         "bad_path"},
        {"{" VERIFY ",'person':{},'map':[]}", "/hook/map", "wrong_type"},
        {"[]", "/hook", "wrong_type"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text AUTO_FREE = mem_strdup(cases[i].entry);
        struct err err = ERR_INIT;
        bool ok;

        for (char *at = text; *at; at++)
            if (*at == '\'')
                *at = '"';
        ok = hook_check(json_of(text, strlen(text)), "/hook", &err);
        ck_assert_msg(ok == !cases[i].code, "%s: %s %s", cases[i].entry, err.pointer, err.detail);
        if (cases[i].code) {
            ck_assert_str_eq(err.pointer, cases[i].pointer);
            ck_assert_str_eq(err.code, cases[i].code);
        }
    }
}
END_TEST

RUN_TESTS("providers", test_each_entry_is_one, test_what_is_wrong_is_told)
