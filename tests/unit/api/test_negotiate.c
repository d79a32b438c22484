/* Content negotiation, names of people, keys and small texts: the pure parts of the API.
 * Each case is a row of a table.
 * What a refusal looks like is in tests/integration. */
#include "api/negotiate.h"

#include <string.h>

#include "api/key_make.h"
#include "api/person.h"
#include "api/text.h"
#include "tests/unit/run.h"

#define THREE "application/json application/x-ndjson text/csv"

START_TEST(test_accept)
{
    static const struct {
        const char *accept, *types, *wanted; /* wanted NULL: 406 */
    } cases[] = {
        {NULL, NULL, "application/json"},
        {"", NULL, "application/json"},
        {"*/*", NULL, "application/json"},
        {"application/*", NULL, "application/json"},
        {"APPLICATION/JSON", NULL, "application/json"},
        {"text/html,application/xhtml+xml,*/*;q=0.8", NULL, "application/json"},
        {"image/png", NULL, NULL},
        {"application/json;q=0", NULL, NULL},
        {"application/json;q=0, */*", NULL, NULL},
        {"text/csv", NULL, NULL},
        {"text/csv", THREE, "text/csv"},
        {"text/*", THREE, "text/csv"},
        {"*/*", THREE, "application/json"},
        {"text/csv;q=0.5, application/x-ndjson;q=0.6", THREE, "application/x-ndjson"},
        {"text/csv;q=0.5,application/x-ndjson;q=0.4", THREE, "text/csv"},
        {"application/x-ndjson , text/csv", THREE, "application/x-ndjson"},
        {"application/json;q=0.1, */*;q=0.9", THREE, "application/x-ndjson"},
        {"text/csv; charset=utf-8; q=1.0", THREE, "text/csv"},
        {",,", NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum answer_type type;
        bool ok = negotiate_accept(cases[i].accept, cases[i].types, &type);

        ck_assert_msg(ok == (cases[i].wanted != NULL), "case %zu", i);
        ck_assert_msg(!ok || strcmp(negotiate_name(type), cases[i].wanted) == 0, "case %zu: %s", i, ok ? negotiate_name(type) : "");
    }
}
END_TEST

START_TEST(test_body_types)
{
    ck_assert(negotiate_body("application/json", BODY_JSON));
    ck_assert(negotiate_body("application/json; charset=utf-8", BODY_JSON));
    ck_assert(negotiate_body("Application/JSON", BODY_JSON));
    ck_assert(!negotiate_body("application/merge-patch+json", BODY_JSON));
    ck_assert(negotiate_body("application/merge-patch+json", BODY_PATCH));
    ck_assert(!negotiate_body("application/jsonp", BODY_JSON));
    ck_assert(!negotiate_body("text/plain", BODY_PATCH));
    ck_assert(!negotiate_body(NULL, BODY_JSON));
}
END_TEST

static bool names(const char *text, const char *kind, const char *external)
{
    struct id raw, wanted = id_person(kind, external, strlen(external));

    return person_read(text, &raw) && id_equal(&raw, &wanted);
}

START_TEST(test_people)
{
    char longest[300];
    struct id raw;

    ck_assert(names("u1", "user", "u1"));
    ck_assert(names("anon:a", "anonymous", "a"));
    ck_assert(names("user:anon:a", "user", "anon:a"));
    ck_assert(names("user:user:x", "user", "user:x"));
    ck_assert(names("email:A@x.org", "email", "a@x.org"));
    ck_assert(names("user:email:x", "user", "email:x"));
    ck_assert(!person_read("email:x", &raw) && !person_read("email:", &raw));
    ck_assert(!person_read("", &raw) && !person_read("anon:", &raw) && !person_read("user:", &raw));
    memset(longest, 'x', sizeof longest);
    longest[256] = '\0';
    ck_assert(person_read(longest, &raw));
    longest[256] = 'x';
    longest[257] = '\0';
    ck_assert(!person_read(longest, &raw));
}
END_TEST

START_TEST(test_keys_differ_and_say_what_they_are)
{
    struct made_key one = key_make("write"), two = key_make("write"), admin = key_make("admin");
    uint8_t hash[KEY_HASH_SIZE];

    ck_assert_str_ne(one.text, two.text);
    ck_assert(strncmp(one.text, "cw_", 3) == 0 && strncmp(admin.text, "ca_", 3) == 0);
    ck_assert_uint_eq(strlen(one.text), 3 + 43);
    ck_assert(strncmp(one.text, one.prefix, strlen(one.prefix)) == 0 && strlen(one.prefix) == KEY_PREFIX - 1);
    sha256(one.text, strlen(one.text), hash);
    ck_assert_mem_eq(hash, one.hash, sizeof hash);
}
END_TEST

RUN_TESTS("negotiate", test_accept, test_body_types, test_people, test_keys_differ_and_say_what_they_are)
