/* The ready definitions: each is one that a segment may have, and each of its parameters leads to its default. */
#include "api/templates.h"

#include <string.h>

#include "segment/segment.h"
#include "server/base/alloc.h"
#include "server/base/instant.h"
#include "server/base/json_scan.h"
#include "tests/unit/run.h"

/* Each template of the program is fn's once. Its text is walked as JSON. */
static void each_template(void (*fn)(struct json template, const char *key))
{
    size_t len, bad_numbers, n = 0;
    const char *text = templates_json(&len);
    AUTO_FREE char *copy = mem_strndup(text, len);
    struct json root, template;
    struct json_flaw flaw;
    struct json_iter iter;

    ck_assert_msg(json_check(copy, len, &root, &bad_numbers, &flaw), "at %zu: %s", flaw.offset, flaw.what);
    ck_assert_int_eq(root.type, JSON_T_ARRAY);
    for (iter = json_iter(root); json_next_element(&iter, &template); n++) {
        AUTO_FREE char *key = json_text(json_get(template, "key"));

        fn(template, key);
    }
    ck_assert_uint_gt(n, 0);
}

static void assert_text(struct json object, const char *member, const char *key)
{
    struct json value = json_get(object, member);

    ck_assert_msg(value.type == JSON_T_STRING && value.len > 2, "%s: no %s", key, member);
}

/* The value a pointer (RFC 6901, without escapes) leads to. */
static struct json point(struct json at, const char *pointer)
{
    while (*pointer == '/' && at.type != JSON_T_NONE) {
        size_t len = strcspn(++pointer, "/");
        AUTO_FREE char *name = mem_strndup(pointer, len);
        struct json_iter iter = json_iter(at);
        struct json element = JSON_NONE;

        pointer += len;
        if (at.type == JSON_T_OBJECT) {
            at = json_get(at, name);
            continue;
        }
        for (long i = strtol(name, NULL, 10); i >= 0; i--)
            if (!json_next_element(&iter, &element))
                return JSON_NONE;
        at = element;
    }
    return at;
}

static void parses(struct json template, const char *key)
{
    struct json definition = json_get(template, "definition");
    AUTO_SEGMENT struct segment *segment = NULL;
    struct err err = ERR_INIT;

    ck_assert_int_eq(definition.type, JSON_T_OBJECT);
    ck_assert_msg(segment_parse(definition.at, definition.len, "UTC", &segment, &err), "%s%s: %s", key, err.pointer, err.detail);
    assert_text(template, "name", key);
    assert_text(template, "description", key);
}

START_TEST(test_each_definition_is_one)
{
    each_template(parses);
}
END_TEST

static void assert_type(struct json parameter, struct json value, const char *key)
{
    struct json type = json_get(parameter, "type");
    int64_t number;

    if (json_is(type, "number"))
        ck_assert_int_eq(value.type, JSON_T_NUMBER);
    else if (json_is(type, "integer"))
        ck_assert(json_int(value, 0, INT32_MAX, &number));
    else if (json_is(type, "duration"))
        ck_assert(value.type == JSON_T_STRING && duration_read(value.at + 1, value.len - 2, &number));
    else
        ck_assert_msg(json_is(type, "text") && value.type == JSON_T_STRING, "%s: unknown type", key);
}

static void points(struct json template, const char *key)
{
    struct json_iter iter = json_iter(json_get(template, "parameters"));
    struct json parameter;
    size_t n = 0;

    for (; json_next_element(&iter, &parameter); n++) {
        AUTO_FREE char *pointer = json_text(json_get(parameter, "pointer"));
        struct json value = point(json_get(template, "definition"), pointer), initial = json_get(parameter, "default");

        ck_assert_msg(value.type != JSON_T_NONE, "%s: %s leads nowhere", key, pointer);
        ck_assert_msg(value.len == initial.len && memcmp(value.at, initial.at, value.len) == 0, "%s: %s has another default", key, pointer);
        assert_type(parameter, value, key);
        assert_text(parameter, "name", key);
        assert_text(parameter, "label", key);
    }
    ck_assert_msg(n > 0, "%s: no parameters", key);
}

START_TEST(test_each_pointer_leads_to_its_default)
{
    each_template(points);
}
END_TEST

/* How many templates have this member with this text. */
static size_t count(const char *member, const char *wanted)
{
    size_t len, bad_numbers, n = 0;
    const char *text = templates_json(&len);
    AUTO_FREE char *copy = mem_strndup(text, len);
    struct json root, template;
    struct json_flaw flaw;
    struct json_iter iter;

    ck_assert(json_check(copy, len, &root, &bad_numbers, &flaw));
    for (iter = json_iter(root); json_next_element(&iter, &template);)
        n += json_is(json_get(template, member), wanted);
    return n;
}

static void is_unique(struct json template, const char *key)
{
    (void)template;
    ck_assert_msg(count("key", key) == 1, "%s stands twice", key);
    ck_assert_uint_eq(strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(key));
}

START_TEST(test_keys_are_unique)
{
    each_template(is_unique);
}
END_TEST

START_TEST(test_every_category_is_there)
{
    static const char *const categories[] = {"purchase", "website", "email", "social", "loyalty", "feedback", "lifecycle"};
    static const char *const stages[] = {"lifecycle_new", "lifecycle_active", "lifecycle_at_risk", "lifecycle_lapsed",
                                         "lifecycle_won_back"};

    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        ck_assert_msg(count("category", categories[i]) > 1, "%s", categories[i]);
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        ck_assert_msg(count("key", stages[i]) == 1, "%s", stages[i]);
}
END_TEST

RUN_TESTS("templates", test_each_definition_is_one, test_each_pointer_leads_to_its_default, test_keys_are_unique,
          test_every_category_is_there)
