/* Members of a body: what is unknown or of a wrong type is told with its pointer.
 * Values stay the client's own bytes.
 * Which members a resource has is its handler's. */
#include "api/body.h"

#include <string.h>

#include "server/base/alloc.h"
#include "tests/unit/run.h"

static struct json parse(char *text)
{
    struct json_flaw flaw;
    struct json root;
    size_t bad;

    ck_assert(json_check(text, strlen(text), &root, &bad, &flaw));
    return root;
}

/* "" when the body is fine, else "code pointer". */
static const char *judge(const char *body)
{
    static char told[ERR_POINTER_MAX + 64];
    AUTO_FREE char *text = mem_strdup(body);
    struct json name, flag, n, tags, object;
    const struct body_field fields[] = {{"name", MEMBER_TEXT | MEMBER_NULL, &name},
                                        {"flag", MEMBER_BOOL, &flag},
                                        {"n", MEMBER_INT, &n},
                                        {"tags", MEMBER_TEXTS, &tags},
                                        {"object", MEMBER_OBJECT, &object}};
    struct err err = ERR_INIT;

    if (body_read(parse(text), fields, ARRAY_LEN(fields), &err))
        return "";
    (void)snprintf(told, sizeof told, "%s %s", err.code, err.pointer);
    return told;
}

START_TEST(test_members)
{
    static const struct {
        const char *body, *told;
    } cases[] = {
        {"{}", ""},
        {"{\"name\":\"x\",\"flag\":true,\"n\":-5,\"tags\":[\"a\"],\"object\":{}}", ""},
        {"{\"name\":null}", ""},
        {"{\"n\\u0061me\":\"x\"}", ""},
        {"{\"tags\":[]}", ""},
        {"{\"colour\":1}", "unknown_member /colour"},
        {"{\"a/b~c\":1}", "unknown_member /a~1b~0c"},
        {"{\"\":1}", "unknown_member /"},
        {"{\"name\":5}", "wrong_type /name"},
        {"{\"flag\":null}", "wrong_type /flag"},
        {"{\"n\":1.5}", "wrong_type /n"},
        {"{\"n\":99999999999999999999}", "wrong_type /n"},
        {"{\"tags\":[\"a\",1]}", "wrong_type /tags"},
        {"{\"tags\":\"a\"}", "wrong_type /tags"},
        {"{\"object\":[]}", "wrong_type /object"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_msg(strcmp(judge(cases[i].body), cases[i].told) == 0, "%s: %s", cases[i].body, judge(cases[i].body));
}
END_TEST

START_TEST(test_texts)
{
    char ok[] = "\"\\u2603 x\"", tab[] = "\"a\\tb\"", control[] = "\"a\\u0001b\"", empty[] = "\"\"";
    AUTO_FREE char *text = NULL, *prose = NULL;
    struct err err = ERR_INIT, second = ERR_INIT;

    text = body_text(parse(ok), "/x", 1, 3, &err);
    ck_assert_str_eq(text, "☃ x");
    prose = body_prose(parse(tab), "/x", 1, 3, &err);
    ck_assert_str_eq(prose, "a\tb");
    ck_assert(!err.code);
    ck_assert_ptr_null(body_text(parse(tab), "/x", 1, 3, &err));
    ck_assert_str_eq(err.code, "bad_value");
    ck_assert_ptr_null(body_prose(parse(control), "/y", 1, 3, &second));
    ck_assert_str_eq(second.pointer, "/y");
    ck_assert_ptr_null(body_text(parse(empty), "/x", 1, 3, &err));
    ck_assert_ptr_null(body_text(parse(ok), "/x", 1, 2, &err));
    ck_assert_ptr_null(body_text(JSON_NONE, "/x", 1, 2, &err));
}
END_TEST

START_TEST(test_lists_of_texts)
{
    static const struct texts_limit limit = {.n = 2, .length = 3};
    char good[] = "[\"a\",\"bcd\"]", many[] = "[\"a\",\"b\",\"c\"]", lengthy[] = "[\"a\",\"bcde\"]", empty[] = "[\"\"]";
    AUTO_TEXTS struct texts texts = {.n = 0}, none = {.n = 0};
    struct err err = ERR_INIT, second = ERR_INIT, third = ERR_INIT;

    ck_assert(body_texts(parse(good), "/t", &limit, &texts, &err));
    ck_assert_uint_eq(texts.n, 2);
    ck_assert_str_eq(texts.at[1], "bcd");
    ck_assert(!body_texts(parse(many), "/t", &limit, &none, &err));
    ck_assert_str_eq(err.pointer, "/t");
    ck_assert(!body_texts(parse(lengthy), "/t", &limit, &none, &second));
    ck_assert_str_eq(second.pointer, "/t/1");
    ck_assert(!body_texts(parse(empty), "/t", &limit, &none, &third));
}
END_TEST

RUN_TESTS("body", test_members, test_texts, test_lists_of_texts)
