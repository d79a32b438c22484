/* Paths against templates. */
#include <string.h>

#include "server/base/attr.h"
#include "server/http/http.h"
#include "tests/unit/run.h"

START_TEST(paths_that_fit)
{
    static const struct {
        const char *template, *path;
        size_t n_params;
        const char *first, *second;
    } cases[] = {
        {"/", "/", 0, NULL, NULL},
        {"/v1/track", "/v1/track", 0, NULL, NULL},
        {"/v1/import", "/v1/import/", 0, NULL, NULL},
        {"/v1/segments/{key}", "/v1/segments/a", 1, "a", NULL},
        {"/v1/segments/{key}", "/v1/segments/a/", 1, "a", NULL},
        {"/v1/segments/{key}/members", "/v1/segments/big_spenders/members", 1, "big_spenders", NULL},
        {"/v1/segments/{key}/members/{user_id}", "/v1/segments/k/members/a%2Fb", 2, "k", "a/b"},
        {"/v1/segments/{key}/members/{user_id}", "/v1/segments/k/members/%E2%98%83+%20x", 2, "k", "\xe2\x98\x83+ x"},
        {"/v1/profiles/{user_id}", "/v1/profiles/anon:1", 1, "anon:1", NULL},
        {"/v1/profiles/{user_id}", "/v1/profiles/%2e%2E", 1, "..", NULL},
        {"/v1/profiles/{user_id}", "/v1/profiles/%25", 1, "%", NULL},
        {"/projects/{key}/settings", "/projects/{key}/settings", 1, "{key}", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct route_match match;

        ck_assert_msg(route_match(cases[i].template, cases[i].path, &match), "%s %s", cases[i].template, cases[i].path);
        ck_assert_uint_eq(match.n_params, cases[i].n_params);
        if (cases[i].first)
            ck_assert_str_eq(match.params[0], cases[i].first);
        if (cases[i].second)
            ck_assert_str_eq(match.params[1], cases[i].second);
        route_match_release(&match);
    }
}
END_TEST

START_TEST(paths_that_do_not_fit)
{
    static const struct {
        const char *template, *path;
    } cases[] = {
        {"/", ""},
        {"/v1/track", "/v1/trac"},
        {"/v1/track", "/v1/tracks"},
        {"/v1/track", "/v1/track//"},
        {"/v1/track", "/v1/track/x"},
        {"/v1/track", "/V1/track"},
        {"/v1/track", "v1/track"},
        {"/v1/track", "*"},
        {"/v1/segments/{key}", "/v1/segments/"},
        {"/v1/segments/{key}", "/v1/segments"},
        {"/v1/segments/{key}", "/v1/segments//"},
        {"/v1/segments/{key}", "/v1/segments/a/b"},
        {"/v1/segments/{key}/members", "/v1/segments//members"},
        {"/v1/segments/{key}", "/v1/segments/%"},
        {"/v1/segments/{key}", "/v1/segments/%4"},
        {"/v1/segments/{key}", "/v1/segments/%4g"},
        {"/v1/segments/{key}", "/v1/segments/a%00b"},
        {"/v1/segments/{key}", "/v1/segments/%ff"},
        {"/v1/segments/{key}", "/v1/segments/\xff"},
        {"/v1/segments/{key}", "/v1/segments/%c0%af"},
        {"/v1/segments/{key}", "/v1/segments/%ed%a0%80"},
        {"/v1/segments/{key}/members/{user_id}", "/v1/segments/k/members/%"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct route_match match;

        ck_assert_msg(!route_match(cases[i].template, cases[i].path, &match), "%s %s", cases[i].template, cases[i].path);
    }
}
END_TEST

RUN_TESTS("router", paths_that_fit, paths_that_do_not_fit)
