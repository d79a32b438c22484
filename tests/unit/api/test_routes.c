/* The route table: each row is well formed and reachable, and a request finds the row it should.
 * The handlers are linked, but never run.
 * Answers are in tests/integration. */
#include "api/routes.h"

#include <string.h>

#include "tests/unit/run.h"

#define ALL_FACES (1U << FACE_COLLECT | 1U << FACE_MANAGE | 1U << FACE_OPERATE)

/* The template that serves, "405 ALLOW" or "404". */
static const char *find(const char *method, const char *path, unsigned faces)
{
    static char text[128];
    struct route_found found;

    routes_find(method, path, faces, &found);
    if (found.route) {
        route_match_release(&found.match);
        return found.route->path;
    }
    (void)snprintf(text, sizeof text, "%s %s", found.other ? "405" : "404", found.allow);
    return text;
}

START_TEST(test_rows_are_well_formed)
{
    static const char *const methods = "GET POST PUT PATCH DELETE";
    size_t n;
    const struct route *rows = routes_all(&n);

    for (size_t i = 0; i < n; i++) {
        ck_assert_msg(rows[i].handler && rows[i].query && strstr(methods, rows[i].method), "%s", rows[i].path);
        ck_assert_msg(rows[i].path[0] == '/' && rows[i].path[strlen(rows[i].path) - 1] != '/', "%s", rows[i].path);
        ck_assert_msg(rows[i].face != FACE_MANAGE || rows[i].role >= ROLE_READ, "%s is open to all", rows[i].path);
        for (size_t k = i + 1; k < n; k++)
            ck_assert_msg(strcmp(rows[i].path, rows[k].path) != 0 || strcmp(rows[i].method, rows[k].method) != 0, "%s twice", rows[i].path);
    }
}
END_TEST

START_TEST(test_what_changes_something_needs_an_admin)
{
    static const char *const reading[] = {"/v1/segments/preview", "/v1/segments/{key}/verify", "/v1/segments/{key}/diff",
                                          "/v1/profiles/segments"};
    size_t n;
    const struct route *rows = routes_all(&n);

    for (size_t i = 0; i < n; i++) {
        bool reads = strcmp(rows[i].method, "GET") == 0;

        for (size_t k = 0; k < ARRAY_LEN(reading); k++)
            reads |= strcmp(rows[i].path, reading[k]) == 0;
        if (rows[i].face == FACE_MANAGE && !reads)
            ck_assert_msg(rows[i].role == ROLE_ADMIN, "%s %s", rows[i].method, rows[i].path);
    }
}
END_TEST

START_TEST(test_each_row_finds_itself)
{
    size_t n;
    const struct route *rows = routes_all(&n);

    for (size_t i = 0; i < n; i++) {
        char path[128];
        size_t len = 0;

        for (const char *at = rows[i].path; *at; at++) {
            if (*at == '{') { /* a parameter: the word "x" */
                at = strchr(at, '}');
                path[len++] = 'x';
            } else {
                path[len++] = *at;
            }
        }
        path[len] = '\0';
        ck_assert_str_eq(find(rows[i].method, path, ALL_FACES), rows[i].path);
    }
}
END_TEST

START_TEST(test_finding)
{
    static const struct {
        const char *method, *path, *found;
    } cases[] = {
        {"POST", "/v1/track", "/v1/track"},
        {"POST", "/v1/track/", "/v1/track"},
        {"POST", "/v1/import/", "/v1/import"},
        {"POST", "/v1/t", "/v1/t"},
        {"POST", "/v1/b/", "/v1/b"},
        {"POST", "/v1/x", "404 "},
        {"GET", "/v1/track", "405 POST, OPTIONS"},
        {"HEAD", "/v1/segments", "/v1/segments"},
        {"DELETE", "/v1/segments", "405 GET, HEAD, POST"},
        {"GET", "/v1/segments/preview", "405 POST"},
        {"GET", "/v1/segments/a", "/v1/segments/{key}"},
        {"POST", "/v1/segments/a", "405 GET, HEAD, PUT, PATCH, DELETE"},
        {"GET", "/v1/segments/a/members/b%2Fc", "/v1/segments/{key}/members/{user_id}"},
        {"GET", "/v1/segments/a/members/b/c", "404 "},
        {"GET", "/v1/profiles/segments", "405 POST"},
        {"GET", "/", "404 "},
        {"GET", "", "404 "},
        {"get", "/v1/status", "405 GET, HEAD"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        ck_assert_msg(strcmp(find(cases[i].method, cases[i].path, ALL_FACES), cases[i].found) == 0, "%s %s: %s", cases[i].method,
                      cases[i].path, find(cases[i].method, cases[i].path, ALL_FACES));
}
END_TEST

START_TEST(test_faces)
{
    ck_assert_str_eq(find("GET", "/healthz", ALL_FACES), "/healthz");
    ck_assert_str_eq(find("GET", "/healthz", 1U << FACE_OPERATE), "/healthz");
    ck_assert_str_eq(find("GET", "/v1/status", 1U << FACE_OPERATE), "404 ");
    ck_assert_str_eq(find("GET", "/metrics", 1U << FACE_COLLECT | 1U << FACE_MANAGE), "404 ");
}
END_TEST

RUN_TESTS("routes", test_rows_are_well_formed, test_what_changes_something_needs_an_admin, test_each_row_finds_itself, test_finding,
          test_faces)
